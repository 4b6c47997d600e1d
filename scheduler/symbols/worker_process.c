/* SPDX-License-Identifier: Apache-2.0 */
/* worker_process.c: starts, feeds, times and buries the symbol worker.
 *
 *     STOPPED --question--> BUSY --answer--> IDLE --question--> BUSY
 *        ^                   | |               |
 *        |                   | '--lost--> (on_lost) PAUSED --question--> waits for the pause, BUSY
 *        '----idle too long--|----------------'
 *
 * A process that is given up is killed, and buried later (child.h).
 *
 * INVARIANTS
 *
 * (1) on_answer or on_lost is called exactly once for each question, never from within
 *     worker_process_ask().
 * (2) Whatever the worker sends that is no answer to the open question loses the question. */
#include "scheduler/symbols/worker_process.h"

#include "common/base/check.h"
#include "common/base/own.h"
#include "scheduler/symbols/child.h"
#include "scheduler/symbols/symbol_wire.h"
#include "scheduler/symbols/symbols.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    ANSWER_TIMEOUT_S = 30, /* the first look at a module of gigabytes takes seconds */
    IDLE_TIMEOUT_S = 60,
    PAUSE_MS_MIN = 100,
    PAUSE_MS_MAX = 5000,
    WORKER_ARGUMENTS_MAX = 3 + SYMBOLS_ROOTS_MAX,
};

struct worker_process {
    struct worker_process_options options;
    const char *arguments[WORKER_ARGUMENTS_MAX + 1]; /* owned, but for the words that are ours */
    pid_t pid;                                       /* 0: none */
    int fd;                                          /* -1: none */
    struct event *on_readable, *on_writable, *on_time;
    struct buf in, out; /* out: the open question, until it is sent */
    bool is_asking;     /* a question is open */
    unsigned losses;
    uint64_t start_count, loss_count; /* since the beginning */
    struct graves graves;
};

/* ---- the end of a process ---- */

static void process_end(struct worker_process *process)
{
    if (process->pid == 0) return;
    event_free(process->on_readable);
    event_free(process->on_writable);
    close(process->fd);
    child_bury(&process->graves, process->pid);
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
    process->loss_count++;
    process->options.on_lost(process->options.context);
}

/* ---- the start of a process ---- */

static void on_readable(evutil_socket_t fd, short events, void *context);
static void on_writable(evutil_socket_t fd, short events, void *context);

static int process_start(struct worker_process *process)
{
    struct child_start start = { .program = process->arguments[0],
                                 .arguments = process->arguments,
                                 .fd_count = 1 };
    int ends[2], rc;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return -errno;
    start.fds = &ends[1];
    rc = child_start(&start, &pid);
    close(ends[1]);
    if (rc < 0) {
        close(ends[0]);
        return rc;
    }
    process->start_count++;
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

uint64_t worker_process_start_count(const struct worker_process *process)
{
    return process->start_count;
}

uint64_t worker_process_loss_count(const struct worker_process *process)
{
    return process->loss_count;
}

unsigned worker_process_losses(const struct worker_process *process)
{
    return process->losses;
}

int worker_process_pid(const struct worker_process *process)
{
    return process->pid;
}

static void arguments_make(struct worker_process *process,
                           const struct worker_process_options *options)
{
    const char **argument = process->arguments;

    *argument++ = strdup(options->program);
    *argument++ = SYMBOLS_WORKER_ARGUMENT;
    *argument++ = options->read_module_paths ? SYMBOLS_WORKER_PATHS : SYMBOLS_WORKER_NO_PATHS;
    for (size_t i = 0; i < options->debug_root_count; i++)
        *argument++ = strdup(options->debug_roots[i]);
}

static void arguments_free(struct worker_process *process)
{
    free((char *)process->arguments[0]);
    for (size_t i = 3; process->arguments[i]; i++)
        free((char *)process->arguments[i]);
}

struct worker_process *worker_process_new(const struct worker_process_options *options)
{
    struct worker_process *process = mem_zalloc(1, sizeof *process);

    CHECK(options->debug_root_count <= SYMBOLS_ROOTS_MAX);
    process->options = *options;
    arguments_make(process, options);
    process->graves.base = options->base;
    process->fd = -1;
    process->in = BUF_INIT(SYMBOL_FRAME_SIZE_MAX + 4);
    process->out = BUF_INIT(SYMBOL_FRAME_SIZE_MAX + 4);
    process->on_time = evtimer_new(options->base, on_time, process);
    CHECK(process->on_time);
    return process;
}

struct worker_process *worker_process_free(struct worker_process *process)
{
    if (!process) return NULL;
    process_end(process);
    graves_done(&process->graves);
    event_free(process->on_time);
    buf_done(&process->in);
    buf_done(&process->out);
    arguments_free(process);
    free(process);
    return NULL;
}
