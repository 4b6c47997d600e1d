/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/probe/interrupted_work.h"

#include "common/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 1 << 17, WAIT_US_MAX = 2500, SPIN_NS_MAX = 15000 };

#define CALL_NS (300 * NS_PER_MS) /* then the call ends, and another begins */

static int epoll_fd = -1, listener = -1, semaphores = -1, file = -1;
static int quiet[2];                  /* a socket with a time-out, and its peer */
static int drains[4][2], fills[1][2]; /* streams that are read, and written, by us */
static pthread_t drainers[4], fillers[1];
static sem_t semaphore;
static unsigned char *bytes;
static volatile uint64_t sink;

static uint64_t random_next(struct worker *worker)
{
    worker->random = worker->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return worker->random >> 33;
}

static uint64_t wait_ns(struct worker *worker)
{
    return (random_next(worker) % WAIT_US_MAX + 50) * NS_PER_US;
}

static struct timespec until(clockid_t clock, uint64_t ns)
{
    struct timespec at;

    clock_gettime(clock, &at);
    return ns_to_timespec((uint64_t)at.tv_sec * NS_PER_S + (uint64_t)at.tv_nsec + ns);
}

/* ---- one turn each ---- */

static bool turn_poll(struct worker *worker, bool *ret_short)
{
    (void)ret_short;
    return poll(NULL, 0, (int)(wait_ns(worker) / NS_PER_MS) + 1) == 0;
}

static bool turn_ppoll(struct worker *worker, bool *ret_short)
{
    struct timespec time = ns_to_timespec(wait_ns(worker));

    (void)ret_short;
    return ppoll(NULL, 0, &time, NULL) == 0;
}

static bool turn_select(struct worker *worker, bool *ret_short)
{
    struct timeval time = { .tv_usec = (suseconds_t)(wait_ns(worker) / NS_PER_US) };

    (void)ret_short;
    return select(0, NULL, NULL, NULL, &time) == 0;
}

static bool turn_pselect(struct worker *worker, bool *ret_short)
{
    struct timespec time = ns_to_timespec(wait_ns(worker));

    (void)ret_short;
    return pselect(0, NULL, NULL, NULL, &time, NULL) == 0;
}

static bool turn_epoll(struct worker *worker, bool *ret_short)
{
    struct epoll_event event;

    (void)ret_short;
    return epoll_wait(epoll_fd, &event, 1, (int)(wait_ns(worker) / NS_PER_MS) + 1) == 0;
}

static bool turn_nanosleep(struct worker *worker, bool *ret_short)
{
    struct timespec time = ns_to_timespec(wait_ns(worker));

    (void)ret_short;
    return nanosleep(&time, NULL) == 0;
}

static bool turn_sleep_until(struct worker *worker, bool *ret_short)
{
    struct timespec at = until(CLOCK_MONOTONIC, wait_ns(worker));

    (void)ret_short;
    errno = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
    return errno == 0;
}

static bool turn_recv(struct worker *worker, bool *ret_short)
{
    char byte;

    (void)worker;
    (void)ret_short;
    return recv(quiet[0], &byte, 1, 0) < 0 && errno == EAGAIN;
}

static bool turn_read(struct worker *worker, bool *ret_short)
{
    char byte;

    (void)worker;
    (void)ret_short;
    return read(quiet[0], &byte, 1) < 0 && errno == EAGAIN;
}

static bool turn_accept(struct worker *worker, bool *ret_short)
{
    (void)worker;
    (void)ret_short;
    return accept(listener, NULL, NULL) < 0 && errno == EAGAIN;
}

static bool turn_semaphore(struct worker *worker, bool *ret_short)
{
    struct timespec at = until(CLOCK_REALTIME, wait_ns(worker));

    (void)ret_short;
    return sem_timedwait(&semaphore, &at) < 0 && errno == ETIMEDOUT;
}

static bool turn_semop(struct worker *worker, bool *ret_short)
{
    struct timespec time = ns_to_timespec(wait_ns(worker));
    struct sembuf down = { .sem_op = -1 };

    (void)ret_short;
    return semtimedop(semaphores, &down, 1, &time) < 0 && errno == EAGAIN;
}

static bool turn_signal(struct worker *worker, bool *ret_short)
{
    struct timespec time = ns_to_timespec(wait_ns(worker));
    sigset_t set;

    (void)ret_short;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    return sigtimedwait(&set, NULL, &time) < 0 && errno == EAGAIN;
}

static bool is_whole(ssize_t count, bool *ret_short)
{
    *ret_short = count >= 0 && count < CHUNK;
    return count >= 0;
}

static bool turn_write(struct worker *worker, bool *ret_short)
{
    (void)worker;
    return is_whole(write(drains[0][0], bytes, CHUNK), ret_short);
}

static bool turn_send(struct worker *worker, bool *ret_short)
{
    (void)worker;
    return is_whole(send(drains[1][0], bytes, CHUNK, MSG_NOSIGNAL), ret_short);
}

static bool turn_writev(struct worker *worker, bool *ret_short)
{
    struct iovec parts[2] = { { bytes, CHUNK / 2 }, { bytes + CHUNK / 2, CHUNK / 2 } };

    (void)worker;
    return is_whole(writev(drains[2][0], parts, 2), ret_short);
}

static bool turn_sendmsg(struct worker *worker, bool *ret_short)
{
    struct iovec part = { bytes, CHUNK };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

    (void)worker;
    return is_whole(sendmsg(drains[2][0], &message, MSG_NOSIGNAL), ret_short);
}

static bool turn_sendfile(struct worker *worker, bool *ret_short)
{
    off_t at = 0;

    (void)worker;
    return is_whole(sendfile(drains[3][0], file, &at, CHUNK), ret_short);
}

static bool turn_recv_all(struct worker *worker, bool *ret_short)
{
    static __thread unsigned char *got;

    (void)worker;
    if (!got) got = malloc(CHUNK);
    return is_whole(recv(fills[0][0], got, CHUNK, MSG_WAITALL), ret_short);
}

/* clang-format off */
const struct work_kind work_kinds[] = {
    { "poll",            true,  true,  false, turn_poll },
    { "ppoll",           true,  true,  false, turn_ppoll },
    { "select",          true,  true,  false, turn_select },
    { "pselect",         true,  true,  false, turn_pselect },
    { "epoll_wait",      false, true,  false, turn_epoll },
    { "nanosleep",       true,  true,  false, turn_nanosleep },
    { "clock_nanosleep", true,  true,  false, turn_sleep_until },
    { "recv",            false, true,  false, turn_recv },
    { "read",            false, true,  false, turn_read },
    { "accept",          false, true,  false, turn_accept },
    { "sem_timedwait",   true,  true,  false, turn_semaphore },
    { "semtimedop",      false, true,  false, turn_semop },
    { "sigtimedwait",    false, true,  false, turn_signal },
    { "write",           false, true,  true,  turn_write },
    { "send",            false, true,  true,  turn_send },
    { "writev",          false, false, true,  turn_writev },
    { "sendmsg",         false, false, true,  turn_sendmsg },
    { "sendfile",        false, false, true,  turn_sendfile },
    { "recv WAITALL",    false, false, true,  turn_recv_all },
};
/* clang-format on */
const uint32_t work_kind_count = sizeof work_kinds / sizeof *work_kinds;

/* ---- the other ends ---- */

static void *drain_main(void *context)
{
    char buffer[65536];
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    while (read(*(int *)context, buffer, sizeof buffer) > 0) {
    }
    return NULL;
}

static void *fill_main(void *context)
{
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    while (send(*(int *)context, bytes, CHUNK / 8, MSG_NOSIGNAL) > 0) {
    }
    return NULL;
}

static int stream_open(int pair[2], void *(*main)(void *), pthread_t *thread)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) return -1;
    return pthread_create(thread, NULL, main, &pair[1]) == 0 ? 0 : -1;
}

static void stream_close(int pair[2], pthread_t thread)
{
    shutdown(pair[0], SHUT_RDWR);
    pthread_join(thread, NULL);
    close(pair[0]);
    close(pair[1]);
}

static int file_open(void)
{
    char path[] = "/tmp/stakeout_work_XXXXXX";
    int fd = mkstemp(path);

    if (fd < 0) return -1;
    unlink(path);
    return write(fd, bytes, CHUNK) == CHUNK ? fd : -1;
}

static int listener_open(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) return -1;
    return listen(fd, 1) == 0 ? fd : -1;
}

int work_open(void)
{
    struct timeval time = { .tv_usec = 1500 };

    bytes = calloc(1, CHUNK);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    semaphores = semget(IPC_PRIVATE, 1, 0600);
    sem_init(&semaphore, 0, 0);
    listener = listener_open();
    file = file_open();
    if (!bytes || epoll_fd < 0 || semaphores < 0 || listener < 0 || file < 0) return -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, quiet) < 0) return -1;
    setsockopt(quiet[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    for (int i = 0; i < 4; i++) {
        if (stream_open(drains[i], drain_main, &drainers[i]) < 0) return -1;
    }
    return stream_open(fills[0], fill_main, &fillers[0]);
}

void work_close(void)
{
    for (int i = 0; i < 4; i++) {
        stream_close(drains[i], drainers[i]);
    }
    stream_close(fills[0], fillers[0]);
    semctl(semaphores, 0, IPC_RMID);
    close(epoll_fd);
    close(listener);
    close(file);
    close(quiet[0]);
    close(quiet[1]);
    free(bytes);
}

/* ---- a worker ---- */

static void spin(uint64_t ns)
{
    uint64_t until_ns = clock_monotonic_ns() + ns;

    while (clock_monotonic_ns() < until_ns) {
        sink++;
    }
}

static void take_turn(struct worker *worker)
{
    uint64_t count = atomic_load_explicit(&worker->entry_count, memory_order_relaxed);
    bool is_short = false;

    spin(random_next(worker) % SPIN_NS_MAX);
    atomic_store_explicit(&worker->entries[count % ENTRIES_KEPT], clock_monotonic_ns(),
                          memory_order_relaxed);
    atomic_store_explicit(&worker->entry_count, count + 1, memory_order_release);
    errno = 0;
    if (!work_kinds[worker->kind].turn(worker, &is_short) && errno == EINTR) worker->eintr++;
    worker->shorts += is_short;
    worker->turns++;
}

void *work_main(void *context)
{
    struct worker *worker = context;

    worker->random = (uint64_t)(uintptr_t)worker * 2654435761u;
    atomic_store(&worker->tid, (uint32_t)syscall(SYS_gettid));
    while (!atomic_load_explicit(&worker->may_end, memory_order_relaxed)) {
        stakeout_call call = stakeout_call_begin(worker->interface);
        uint64_t until_ns = clock_monotonic_ns() + CALL_NS;

        do {
            take_turn(worker);
        } while (clock_monotonic_ns() < until_ns);
        stakeout_call_end(call, 0);
    }
    return NULL;
}

bool work_was_near_entry(const struct worker *worker, uint64_t at_ns, uint64_t ns)
{
    uint64_t count = atomic_load_explicit(&worker->entry_count, memory_order_acquire);

    for (uint64_t i = 0; i < ENTRIES_KEPT / 2 && i < count; i++) {
        uint64_t entry = atomic_load_explicit(&worker->entries[(count - 1 - i) % ENTRIES_KEPT],
                                              memory_order_relaxed);

        if (entry + ns < at_ns) return false; /* and those before it are earlier still */
        if (entry <= at_ns + ns) return true;
    }
    return false;
}
