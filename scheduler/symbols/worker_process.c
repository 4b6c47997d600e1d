/* SPDX-License-Identifier: Apache-2.0 */
/* worker_process.c: starts, feeds, times and buries the symbol worker.
 *
 *     STOPPED --question--> BUSY --answer--> IDLE --question--> BUSY
 *        ^                   | |               |
 *        |                   | '--lost--> (on_lost) PAUSED --question--> waits for the pause, BUSY
 *        '----idle too long--|----------------'
 *
 * A process that is given up is killed, and stays a zombie until its pidfd becomes readable: the
 * loop never waits for one. Several may be dying at a time.
 *
 * INVARIANTS
 *
 * (1) on_answer or on_lost is called exactly once for each question, never from within
 *     worker_process_ask().
 * (2) Whatever the worker sends that is no answer to the open question loses the question. */
#include "scheduler/symbols/worker_process.h"

#include "common/base/check.h"
#include "common/base/own.h"
#include "scheduler/symbols/symbol_wire.h"
#include "scheduler/symbols/symbols.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum {
    ANSWER_TIMEOUT_S = 30, /* the first look at a module of gigabytes takes seconds */
    IDLE_TIMEOUT_S = 60,
    PAUSE_MS_MIN = 100,
    PAUSE_MS_MAX = 5000,
    WORKER_FD = 3,
};

/* A process that was killed and not yet reaped. */
struct dying {
    LIST_ENTRY(dying) link;
    struct event *on_end;
    int pidfd;
    pid_t pid;
};

struct worker_process {
    struct worker_process_options options;
    char *program, *debug_root;
    pid_t pid; /* 0: none */
    int fd;    /* -1: none */
    struct event *on_readable, *on_writable, *on_time;
    struct buf in, out; /* out: the open question, until it is sent */
    bool is_asking;     /* a question is open */
    unsigned losses;
    LIST_HEAD(, dying) dying;
};

/* ---- the end of a process ---- */

static void dying_free(struct dying *dying)
{
    LIST_REMOVE(dying, link);
    event_free(dying->on_end);
    close(dying->pidfd);
    free(dying);
}

static void on_dead(evutil_socket_t fd, short events, void *context)
{
    struct dying *dying = context;

    (void)fd;
    (void)events;
    waitpid(dying->pid, NULL, WNOHANG); /* ECHILD: somebody reaps all children */
    dying_free(dying);
}

static void process_bury(struct worker_process *process, pid_t pid)
{
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct dying *dying;

    kill(pid, SIGKILL);
    if (pidfd < 0) { /* a kernel without pidfds; a killed process ends at once */
        waitpid(pid, NULL, 0);
        return;
    }
    dying = mem_zalloc(1, sizeof *dying);
    dying->pid = pid;
    dying->pidfd = pidfd;
    dying->on_end = event_new(process->options.base, pidfd, EV_READ, on_dead, dying);
    LIST_INSERT_HEAD(&process->dying, dying, link);
    event_add(dying->on_end, NULL);
}

static void process_end(struct worker_process *process)
{
    if (process->pid == 0) return;
    event_free(process->on_readable);
    event_free(process->on_writable);
    close(process->fd);
    process_bury(process, process->pid);
    process->on_readable = process->on_writable = NULL;
    process->fd = -1;
    process->pid = 0;
    buf_reset(&process->in);
}

static void process_lose(struct worker_process *process)
{
    bool was_asking = process->is_asking;

    process_end(process);
    event_del(process->on_time);
    process->is_asking = false;
    buf_reset(&process->out);
    if (!was_asking) return;
    process->losses++;
    process->options.on_lost(process->options.context);
}

/* ---- the start of a process ---- */

/* In the child: everything that the parent has is closed but the socket, stdin and stdout are
 * nowhere; stderr stays, for the worker's last words. */
static _Noreturn void child_run(const struct worker_process *process, int fd, pid_t parent)
{
    const char *paths =
        process->options.read_module_paths ? SYMBOLS_WORKER_PATHS : SYMBOLS_WORKER_NO_PATHS;
    const char *const arguments[] = { process->program, SYMBOLS_WORKER_ARGUMENT,
                                      process->debug_root, paths, NULL };
    sigset_t none;
    int null;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (fd != WORKER_FD && dup2(fd, WORKER_FD) < 0) _exit(1);
    if (fd == WORKER_FD) fcntl(fd, F_SETFD, 0);
    null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0) _exit(1);
    syscall(SYS_close_range, WORKER_FD + 1, ~0u, 0);
    execv(process->program, (char *const *)arguments);
    _exit(127);
}

static void on_readable(evutil_socket_t fd, short events, void *context);
static void on_writable(evutil_socket_t fd, short events, void *context);

static int process_start(struct worker_process *process)
{
    pid_t parent = getpid(), pid;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return -errno;
    pid = fork();
    if (pid == 0) child_run(process, ends[1], parent);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return -EAGAIN;
    }
    evutil_make_socket_nonblocking(ends[0]);
    process->pid = pid;
    process->fd = ends[0];
    process->on_readable =
        event_new(process->options.base, ends[0], EV_READ | EV_PERSIST, on_readable, process);
    process->on_writable =
        event_new(process->options.base, ends[0], EV_WRITE, on_writable, process);
    event_add(process->on_readable, NULL);
    return 0;
}

/* ---- questions and answers ---- */

static void time_set(struct worker_process *process, int64_t ms)
{
    struct timeval after = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

    event_add(process->on_time, &after);
}

static void question_send(struct worker_process *process)
{
    while (process->out.size > 0) {
        ssize_t sent = send(process->fd, process->out.data, process->out.size, MSG_NOSIGNAL);

        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
            event_add(process->on_writable, NULL);
            return;
        }
        if (sent < 0) {
            buf_reset(&process->out); /* it died: on_readable() sees the end */
            return;
        }
        buf_consume(&process->out, (size_t)sent);
    }
}

static void on_writable(evutil_socket_t fd, short events, void *context)
{
    (void)fd;
    (void)events;
    question_send(context);
}

static void answer_take(struct worker_process *process)
{
    uint32_t size;
    struct text answer;

    if (process->in.size < sizeof size) return;
    memcpy(&size, process->in.data, sizeof size);
    if (process->in.size - sizeof size < size) return;
    answer = (struct text){ process->in.data + sizeof size, size };
    time_set(process, (int64_t)IDLE_TIMEOUT_S * 1000);
    process->is_asking = false; /* so that the next question may be asked from on_answer */
    if (process->options.on_answer(process->options.context, answer)) {
        process->losses = 0;
        return;
    }
    process->is_asking = true;
    process_lose(process);
}

static void on_readable(evutil_socket_t fd, short events, void *context)
{
    struct worker_process *process = context;
    char part[64 * 1024];
    ssize_t size = recv(fd, part, sizeof part, 0);

    (void)events;
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0 || !process->is_asking || buf_append(&process->in, part, (size_t)size) < 0) {
        process_lose(process);
        return;
    }
    answer_take(process);
}

static void question_begin(struct worker_process *process)
{
    if (process->pid == 0 && process_start(process) < 0) {
        process_lose(process);
        return;
    }
    time_set(process, (int64_t)ANSWER_TIMEOUT_S * 1000);
    question_send(process);
}

/* The pause is over, an answer took too long, or nothing was asked for long. */
static void on_time(evutil_socket_t fd, short events, void *context)
{
    struct worker_process *process = context;

    (void)fd;
    (void)events;
    if (process->is_asking && process->pid == 0)
        question_begin(process);
    else
        process_lose(process);
}

static int64_t pause_ms(const struct worker_process *process)
{
    int64_t ms = PAUSE_MS_MIN;

    if (process->losses == 0) return 0;
    for (unsigned i = 1; i < process->losses && ms < PAUSE_MS_MAX; i++)
        ms *= 2;
    return ms < PAUSE_MS_MAX ? ms : PAUSE_MS_MAX;
}

void worker_process_ask(struct worker_process *process, struct text request)
{
    uint32_t size = (uint32_t)request.size;

    CHECK(!process->is_asking && request.size <= SYMBOL_FRAME_SIZE_MAX);
    process->is_asking = true;
    buf_reset(&process->in);
    buf_reset(&process->out);
    CHECK(buf_append(&process->out, &size, sizeof size) == 0);
    CHECK(buf_text(&process->out, request) == 0);
    if (process->pid == 0)
        time_set(process, pause_ms(process)); /* later, in every case */
    else
        question_begin(process);
}

unsigned worker_process_losses(const struct worker_process *process)
{
    return process->losses;
}

int worker_process_pid(const struct worker_process *process)
{
    return process->pid;
}

struct worker_process *worker_process_new(const struct worker_process_options *options)
{
    struct worker_process *process = mem_zalloc(1, sizeof *process);

    process->options = *options;
    process->program = mem_text(options->program, strlen(options->program));
    process->debug_root = mem_text(options->debug_root, strlen(options->debug_root));
    process->fd = -1;
    process->in = BUF_INIT(SYMBOL_FRAME_SIZE_MAX + 4);
    process->out = BUF_INIT(SYMBOL_FRAME_SIZE_MAX + 4);
    process->on_time = evtimer_new(options->base, on_time, process);
    CHECK(process->on_time);
    LIST_INIT(&process->dying);
    return process;
}

struct worker_process *worker_process_free(struct worker_process *process)
{
    if (!process) return NULL;
    process_end(process);
    while (!LIST_EMPTY(&process->dying)) {
        struct dying *dying = LIST_FIRST(&process->dying);

        waitpid(dying->pid, NULL, 0);
        dying_free(dying);
    }
    event_free(process->on_time);
    buf_done(&process->in);
    buf_done(&process->out);
    free(process->program);
    free(process->debug_root);
    free(process);
    return NULL;
}
