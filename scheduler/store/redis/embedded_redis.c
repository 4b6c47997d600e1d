/* SPDX-License-Identifier: Apache-2.0 */
/* embedded_redis.c: the supervisor of a private redis-server.
 *
 *   LOCKING --lock is ours--> RUNNING <--back-off-- WAITING
 *      |                         |                     ^
 *      | 10 s                    +---- it ended -------+
 *      v                         | five failures to start within a minute
 *   GIVEN_UP <-------------------+
 *
 * Why the lock is inherited: two redis-servers on one directory both start, and write into the
 * same append-only file. Our Redis keeps the lock's descriptor, so whoever comes after us, even
 * after a kill -9 of ours, waits until our Redis (told by PDEATHSIG) has really ended.
 *
 * What a child must do between fork() and exec(), in this order, and nothing else:
 *   (1) ask for SIGTERM at its parent's death, (2) see whether the parent died before that,
 *   (3) leave the terminal's process group, so that Ctrl-C is ours to handle, (4) close all but
 *   stdio and the lock, (5) unblock signals, (6) go into its directory and become redis-server.
 */
#include "scheduler/store/redis/embedded_redis.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/own.h"
#include "common/base/text.h"
#include "common/model/problem.h"
#include "scheduler/store/redis/redis_address.h"
#include "scheduler/store/redis/timer.h"

enum {
    LOCK_RETRY_MS = 50,
    RESTART_MS_MIN = 100,
    RESTART_MS_MAX = 5000,
    FAILURES_MAX = 5, /* to start, within FAILURES_MS */
    FAILURES_MS = 60000,
    STOP_MS_MAX = 5000,
    LAST_LINE_SIZE_MAX = 300,
    CHILD_LOCK_FD = 3,
};

struct embedded_redis {
    struct embedded_redis_options options;
    char *dir, *program; /* owned */
    char socket[REDIS_PATH_SIZE_MAX + 1];
    int lock_fd, pidfd, log_fd;
    pid_t pid;
    bool was_up; /* this child has answered */
    uint64_t lock_since_ns, restarts;
    uint64_t failures_ns[FAILURES_MAX]; /* when the last ones were; 0: never */
    uint32_t restart_ms;
    struct event *timer, *ended, *readable;
    char last_line[LAST_LINE_SIZE_MAX + 1]; /* of its log */
    size_t last_line_size;
    bool line_is_over;
};

/* Its log ----------------------------------------------------------------------------------- */

/* Keeps the last line that is not empty. */
static void log_take(struct embedded_redis *it, const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '\n') {
            it->line_is_over = true;
            continue;
        }
        if (it->line_is_over) it->last_line_size = 0;
        it->line_is_over = false;
        if (it->last_line_size < LAST_LINE_SIZE_MAX) it->last_line[it->last_line_size++] = data[i];
    }
    it->last_line[it->last_line_size] = '\0';
}

static void on_log(evutil_socket_t fd, short what, void *context)
{
    struct embedded_redis *it = context;
    char data[4096];
    ssize_t size;

    (void)what;
    while ((size = read(fd, data, sizeof(data))) > 0)
        log_take(it, data, (size_t)size);
    if (size == 0) event_del(it->readable);
}

/* Giving up --------------------------------------------------------------------------------- */

static void give_up(struct embedded_redis *it, const struct problem *problem)
{
    it->options.on_given_up(it->options.context, problem);
}

static void give_up_lock(struct embedded_redis *it)
{
    struct problem problem;
    char owner[32] = "";
    ssize_t size = pread(it->lock_fd, owner, sizeof(owner) - 1, 0);

    owner[size > 0 ? strcspn(owner, "\n") : 0] = '\0';
    problem_set(&problem, PROBLEM_STORE_DOWN,
                "the state directory '%s' is in use by another stakeoutd%s%s",
                it->options.state_dir, owner[0] ? ", process " : "", owner);
    give_up(it, &problem);
}

static void give_up_start(struct embedded_redis *it)
{
    struct problem problem;

    problem_set(&problem, PROBLEM_STORE_DOWN,
                "'%s' failed to start %d times within a minute; its last words: %s", it->program,
                FAILURES_MAX, it->last_line_size ? it->last_line : "(none)");
    give_up(it, &problem);
}

/* The child --------------------------------------------------------------------------------- */

/* Only async-signal-safe calls: see the banner. */
static _Noreturn void become_redis(const struct embedded_redis *it, int log_fd, pid_t parent)
{
    sigset_t none;
    int null_fd;

    if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent) _exit(125);
    if (setpgid(0, 0) < 0) _exit(125);
    null_fd = open("/dev/null", O_RDONLY);
    if (dup2(null_fd, 0) < 0 || dup2(log_fd, 1) < 0 || dup2(log_fd, 2) < 0) _exit(125);
    /* The lock may have any number, also CHILD_LOCK_FD with CLOEXEC set. */
    if (it->lock_fd == CHILD_LOCK_FD) {
        if (fcntl(CHILD_LOCK_FD, F_SETFD, 0) < 0) _exit(125);
    } else if (dup2(it->lock_fd, CHILD_LOCK_FD) < 0) {
        _exit(125);
    }
    if (close_range(CHILD_LOCK_FD + 1, ~0U, 0) < 0) _exit(125);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (chdir(it->dir) < 0) _exit(125);
    execl(it->program, "redis-server", "redis.conf", (char *)NULL);
    _exit(126);
}

static void on_ended(evutil_socket_t fd, short what, void *context);

static void watch(struct embedded_redis *it)
{
    it->pidfd = pidfd_open(it->pid, 0);
    CHECK(it->pidfd >= 0); /* our own child that nobody has waited for */
    it->ended = event_new(it->options.base, it->pidfd, EV_READ, on_ended, it);
    it->readable = event_new(it->options.base, it->log_fd, EV_READ | EV_PERSIST, on_log, it);
    CHECK(it->ended && it->readable);
    CHECK(event_add(it->ended, NULL) == 0 && event_add(it->readable, NULL) == 0);
}

static void start_child(struct embedded_redis *it)
{
    pid_t parent = getpid(), pid;
    int log_fds[2];

    if (pipe2(log_fds, O_CLOEXEC | O_NONBLOCK) < 0) {
        timer_arm(it->timer, RESTART_MS_MAX);
        return;
    }
    /* Redis writes its log blocking; only our end must not wait. */
    CHECK(fcntl(log_fds[1], F_SETFL, 0) == 0);
    pid = fork();
    if (pid == 0) become_redis(it, log_fds[1], parent);
    close(log_fds[1]);
    if (pid < 0) {
        close(log_fds[0]);
        timer_arm(it->timer, RESTART_MS_MAX);
        return;
    }
    it->pid = pid;
    it->log_fd = log_fds[0];
    it->was_up = false;
    watch(it);
    it->options.on_started(it->options.context);
}

static void forget_child(struct embedded_redis *it)
{
    on_log(it->log_fd, 0, it); /* its last words */
    event_free(it->ended);
    event_free(it->readable);
    it->ended = it->readable = NULL;
    close(it->pidfd);
    close(it->log_fd);
    it->pidfd = it->log_fd = -1;
    it->pid = 0;
}

/* Counts a failure to start. Returns whether it was one too many. */
static bool count_failure(struct embedded_redis *it)
{
    uint64_t now_ns = clock_monotonic_ns();

    memmove(it->failures_ns, it->failures_ns + 1,
            sizeof(it->failures_ns) - sizeof(it->failures_ns[0]));
    it->failures_ns[FAILURES_MAX - 1] = now_ns;
    return it->failures_ns[0] != 0 && now_ns - it->failures_ns[0] < ms_to_ns(FAILURES_MS);
}

static void on_ended(evutil_socket_t fd, short what, void *context)
{
    struct embedded_redis *it = context;
    siginfo_t info = { 0 };
    bool was_killed;

    (void)what;
    if (waitid(P_PIDFD, (id_t)fd, &info, WEXITED) < 0) return;
    was_killed = info.si_code != CLD_EXITED;
    forget_child(it);
    if (!it->was_up && !was_killed && count_failure(it)) {
        give_up_start(it);
        return;
    }
    it->restarts++;
    timer_arm(it->timer, it->restart_ms);
    it->restart_ms *= 2;
    if (it->restart_ms > RESTART_MS_MAX) it->restart_ms = RESTART_MS_MAX;
}

/* The lock ---------------------------------------------------------------------------------- */

static int refuse_dir(const struct embedded_redis *it, const char *what, struct problem *problem)
{
    return problem_set(problem, PROBLEM_BAD_FIELD,
                       "the state directory '%s' cannot be used: %s: %s", it->options.state_dir,
                       what, strerror(errno));
}

static int write_config(const struct embedded_redis *it, struct problem *problem)
{
    OWN(mem_freep) char *path = NULL;
    FILE *file;
    int fd;

    CHECK(asprintf(&path, "%s/redis.conf", it->dir) > 0);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return refuse_dir(it, "redis/redis.conf", problem);
    file = fdopen(fd, "w");
    CHECK(file);
    fprintf(file,
            "# Written by stakeoutd at every start: changes are lost.\n"
            "port 0\nunixsocket redis.sock\nunixsocketperm 600\n"
            "protected-mode yes\ndaemonize no\ndir .\nlogfile \"\"\ndatabases 1\nmaxclients 128\n"
            "appendonly yes\nappendfsync always\nno-appendfsync-on-rewrite no\nsave \"\"\n"
            "maxmemory %" PRIu64 "\nmaxmemory-policy noeviction\n"
            "enable-debug-command no\nenable-module-command no\nenable-protected-configs no\n",
            it->options.memory_size_max);
    if (fclose(file) != 0) return refuse_dir(it, "redis/redis.conf", problem);
    return 0;
}

static void lock_is_ours(struct embedded_redis *it)
{
    char owner[32];
    int size = snprintf(owner, sizeof(owner), "%d\n", (int)getpid());

    struct problem problem;

    it->lock_since_ns = 0;
    if (write_config(it, &problem) < 0) {
        give_up(it, &problem);
        return;
    }
    /* For the sentence that whoever comes second reads. It can do without. */
    if (ftruncate(it->lock_fd, 0) == 0 && pwrite(it->lock_fd, owner, (size_t)size, 0) < size) {
        (void)!ftruncate(it->lock_fd, 0);
    }
    start_child(it);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct embedded_redis *it = context;

    (void)fd;
    (void)what;
    if (it->lock_since_ns == 0) {
        start_child(it);
    } else if (flock(it->lock_fd, LOCK_EX | LOCK_NB) == 0) {
        lock_is_ours(it);
    } else if (it->options.share) {
        it->options.on_started(it->options.context);
    } else if (clock_monotonic_ns() - it->lock_since_ns > ms_to_ns(it->options.lock_wait_ms)) {
        give_up_lock(it);
    } else {
        timer_arm(it->timer, LOCK_RETRY_MS);
    }
}

/* Preparing the directory ------------------------------------------------------------------- */

/* `path` as it would be read after chdir(). Owned by the caller. */
static char *make_absolute(const char *path)
{
    OWN(mem_freep) char *here = path[0] == '/' ? NULL : getcwd(NULL, 0);
    char *absolute;

    CHECK(asprintf(&absolute, "%s%s%s", here ? here : "", here ? "/" : "", path) > 0);
    return absolute;
}

/* Fills `program` from PATH, or from the option. */
static int find_program(struct embedded_redis *it, struct problem *problem)
{
    const char *wanted = it->options.redis_path ? it->options.redis_path : "redis-server";
    struct text path = text_of(getenv("PATH"));

    if (strchr(wanted, '/')) {
        it->program = make_absolute(wanted);
        if (access(wanted, X_OK) == 0) return 0;
        return problem_set(problem, PROBLEM_BAD_FIELD, "'%s' cannot be run: %s", wanted,
                           strerror(errno));
    }
    while (path.size > 0) {
        const char *colon = memchr(path.data, ':', path.size);
        size_t size = colon ? (size_t)(colon - path.data) : path.size;
        OWN(mem_freep) char *tried = NULL;
        CHECK(asprintf(&tried, "%.*s/%s", (int)size, path.data, wanted) > 0);
        if (size > 0 && access(tried, X_OK) == 0) {
            it->program = make_absolute(tried);
            return 0;
        }
        path =
            (struct text){ path.data + size + (colon != NULL), path.size - size - (colon != NULL) };
    }
    return problem_set(problem, PROBLEM_BAD_FIELD,
                       "'%s' is not installed: it is in the package redis-server; or give the URL "
                       "of a Redis of your own",
                       wanted);
}

static int prepare_dir(struct embedded_redis *it, struct problem *problem)
{
    const char *state_dir = it->options.state_dir;
    OWN(mem_freep) char *lock = NULL;
    struct stat dir;
    int size = snprintf(it->socket, sizeof(it->socket), "%s/redis/redis.sock", state_dir);

    if (size >= (int)sizeof(it->socket)) {
        return problem_set(problem, PROBLEM_BAD_FIELD,
                           "the state directory '%s' has a path of %zu bytes; a socket in it can "
                           "be named with at most %zu",
                           state_dir, strlen(state_dir),
                           (size_t)REDIS_PATH_SIZE_MAX - strlen("/redis/redis.sock"));
    }
    CHECK(asprintf(&it->dir, "%s/redis", state_dir) > 0);
    CHECK(asprintf(&lock, "%s/lock", state_dir) > 0);
    it->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (it->lock_fd < 0) return refuse_dir(it, "lock", problem);
    if (mkdir(it->dir, 0700) < 0 && errno != EEXIST) return refuse_dir(it, "redis", problem);
    if (lstat(it->dir, &dir) < 0) return refuse_dir(it, "redis", problem);
    if (!S_ISDIR(dir.st_mode) || dir.st_uid != geteuid()) {
        errno = S_ISDIR(dir.st_mode) ? EPERM : ENOTDIR;
        return refuse_dir(it, "redis", problem);
    }
    if (chmod(it->dir, 0700) < 0) return refuse_dir(it, "redis", problem);
    return 0;
}

/* Life -------------------------------------------------------------------------------------- */

struct embedded_redis *embedded_redis_new(const struct embedded_redis_options *options,
                                          struct problem *problem)
{
    struct embedded_redis *it = mem_zalloc(1, sizeof(*it));

    it->options = *options;
    if (it->options.lock_wait_ms == 0) it->options.lock_wait_ms = LOCK_WAIT_MS;
    it->lock_fd = it->pidfd = it->log_fd = -1;
    it->restart_ms = RESTART_MS_MIN;
    it->line_is_over = true;
    it->timer = evtimer_new(options->base, on_timer, it);
    CHECK(it->timer);
    if (find_program(it, problem) < 0 || prepare_dir(it, problem) < 0) {
        return embedded_redis_free(it);
    }
    it->lock_since_ns = clock_monotonic_ns();
    timer_arm(it->timer, 0); /* callbacks never come before we returned */
    return it;
}

static void stop_child(struct embedded_redis *it)
{
    struct pollfd ended = { .fd = it->pidfd, .events = POLLIN };
    siginfo_t info;

    kill(it->pid, SIGTERM);
    if (poll(&ended, 1, STOP_MS_MAX) != 1) kill(it->pid, SIGKILL);
    waitid(P_PIDFD, (id_t)it->pidfd, &info, WEXITED);
    forget_child(it);
}

struct embedded_redis *embedded_redis_free(struct embedded_redis *it)
{
    if (!it) return NULL;
    if (it->pid) stop_child(it);
    event_free(it->timer);
    if (it->lock_fd >= 0) close(it->lock_fd);
    free(it->dir);
    free(it->program);
    free(it);
    return NULL;
}

const char *embedded_redis_socket(const struct embedded_redis *it)
{
    return it->socket;
}

void embedded_redis_note_up(struct embedded_redis *it)
{
    it->was_up = true;
    it->restart_ms = RESTART_MS_MIN;
    memset(it->failures_ns, 0, sizeof(it->failures_ns));
}

uint64_t embedded_redis_restarts(const struct embedded_redis *it)
{
    return it->restarts;
}

pid_t embedded_redis_pid(const struct embedded_redis *it)
{
    return it->pid;
}
