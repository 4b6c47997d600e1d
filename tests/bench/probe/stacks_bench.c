/* SPDX-License-Identifier: Apache-2.0 */
/* stacks_bench.c [COUNT]: are the stacks of blocked threads true?
 *
 * A thread goes a random way of 4 to 24 functions, of libraries that were compiled with and without
 * frame pointers, in part through libc's qsort(), and waits at its end: in poll, read, recv,
 * select, epoll_wait, sem_wait, pthread_cond_wait or pthread_mutex_lock. Just before, it asks
 * libgcc's unwinder, backtrace(), which sees all of its registers: that is the truth. While it
 * waits, the sampler's own source, blocked_stack.c, reads and walks it from outside, where /proc
 * tells two registers.
 *
 * Each row stands twice: with begin called by a function that is still there, and by a helper that
 * has returned, so that no frame holds the anchor.
 *
 *   exact   every frame up to the thread's outermost is that of the truth
 *   cut     what is shown is true, and marked as not being all
 *   wrong   anything else */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "probe/agent/engine/blocked_stack.h"
#include "probe/hot/memory.h"
#include "probe/hot/ticks.h"
#include "tests/bench/probe/unwind_chain.h"
#include "tests/support/wait.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    COUNT = 10000, /* of a row; two rows have a bar */
    TRUTH_MAX = 256,
    WAY_MIN = 4,
    WAY_MAX = 24,
    STILL_MS = 10000,
    EXACT_PER_MILLE = 995,
    PLAIN_LINKS = CHAIN_LINKS - 1, /* the last one's frame is as large as it is told to be */
};

/* ---- eight ways to wait ---- */

static int ends[2], watcher;
static sem_t semaphore, go, done;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, guard = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static bool is_released;

static void take_byte(void)
{
    char byte;

    CHECK(read(ends[0], &byte, 1) == 1);
}

static void wait_poll(void)
{
    struct pollfd waited = { .fd = ends[0], .events = POLLIN };

    CHECK(poll(&waited, 1, -1) == 1);
    take_byte();
}

static void wait_recv(void)
{
    char byte;

    CHECK(recv(ends[0], &byte, 1, 0) == 1);
}

static void wait_select(void)
{
    fd_set waited;

    FD_ZERO(&waited);
    FD_SET(ends[0], &waited);
    CHECK(select(ends[0] + 1, &waited, NULL, NULL, NULL) == 1);
    take_byte();
}

static void wait_epoll(void)
{
    struct epoll_event event;

    CHECK(epoll_wait(watcher, &event, 1, -1) == 1);
    take_byte();
}

static void wait_semaphore(void)
{
    CHECK(sem_wait(&semaphore) == 0);
}

static void wait_condition(void)
{
    pthread_mutex_lock(&guard);
    while (!is_released) {
        pthread_cond_wait(&condition, &guard);
    }
    is_released = false;
    pthread_mutex_unlock(&guard);
}

static void wait_mutex(void)
{
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
}

static void nothing(void) {}

static void lock_mutex(void)
{
    pthread_mutex_lock(&mutex);
}

static void release_byte(void)
{
    CHECK(write(ends[1], "", 1) == 1);
}

static void release_semaphore(void)
{
    sem_post(&semaphore);
}

static void release_condition(void)
{
    pthread_mutex_lock(&guard);
    is_released = true;
    pthread_cond_signal(&condition);
    pthread_mutex_unlock(&guard);
}

static void release_mutex(void)
{
    pthread_mutex_unlock(&mutex);
}

static const struct wait_way {
    void (*prepare)(void), (*wait)(void), (*release)(void);
    int32_t syscall;
} waits[] = {
    { nothing, wait_poll, release_byte, SYS_poll },
    { nothing, take_byte, release_byte, SYS_read },
    { nothing, wait_recv, release_byte, SYS_recvfrom },
    { nothing, wait_select, release_byte, SYS_pselect6 },
    { nothing, wait_epoll, release_byte, SYS_epoll_wait },
    { nothing, wait_semaphore, release_semaphore, SYS_futex },
    { nothing, wait_condition, release_condition, SYS_futex },
    { lock_mutex, wait_mutex, release_mutex, SYS_futex },
};

enum { WAITS = sizeof waits / sizeof *waits };

/* ---- the thread, and the truth about it ---- */

static struct {
    chain_link_fn links[3 * CHAIN_LINKS]; /* to choose from */
    uint32_t link_count;
    const struct wait_way *wait;
    uint64_t anchor_sp, anchor_pc; /* as a begin would have left them */
    bool has_begin_returned;       /* it was called by a function that has ended */
    void *truth[TRUTH_MAX];        /* [0]: in stand(); then its callers' */
    int truth_count;
    struct stack_thread thread;
    _Atomic uint32_t standing; /* the number of the round in which it stands */
    uint32_t round;
    bool is_over;
} worker;

static volatile int sink;

static uint32_t random_below(uint32_t bound)
{
    static uint64_t state = 88172645463325252u;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 20) % bound;
}

__attribute__((noinline)) static int stand(struct chain *chain)
{
    worker.truth_count = backtrace(worker.truth, TRUTH_MAX);
    atomic_store(&worker.standing, worker.round);
    worker.wait->wait();
    sink += (int)chain->at;
    return (int)chain->at;
}

static struct chain *sorted_chain;

static int by_nothing(const void *left, const void *right)
{
    struct chain *chain = sorted_chain;

    (void)left;
    (void)right;
    sorted_chain = NULL;
    if (chain) sink += chain->links[++chain->at](chain);
    return 0;
}

__attribute__((noinline)) static int through_sort(struct chain *chain)
{
    int values[2] = { 2, 1 };

    sorted_chain = chain;
    qsort(values, 2, sizeof *values, by_nothing);
    sink += values[0];
    return values[1];
}

static void way_make(struct chain *chain)
{
    int length = WAY_MIN + (int)random_below(WAY_MAX - WAY_MIN + 1);

    chain->at = 0;
    for (int i = 0; i < length; i++) {
        uint32_t which = random_below(worker.link_count + 1);

        chain->links[i] = which == worker.link_count ? through_sort : worker.links[which];
    }
    chain->links[length] = stand;
}

static inline __attribute__((always_inline)) void begin(void)
{
    __asm__ volatile("mov %%rsp, %0\n\tlea 0(%%rip), %1"
                     : "=r"(worker.anchor_sp), "=r"(worker.anchor_pc));
}

__attribute__((noinline)) static void begin_for_the_caller(void)
{
    begin();
    sink++;
}

__attribute__((noinline)) static void way_go(struct chain *chain)
{
    if (worker.has_begin_returned) {
        begin_for_the_caller();
    } else {
        begin();
    }
    sink += chain->links[0](chain);
}

static void *work(void *context)
{
    struct chain chain;

    (void)context;
    worker.thread = (struct stack_thread){ .tid = (uint32_t)gettid(),
                                           .pointer = (uint64_t)(uintptr_t)pthread_self() };
    atomic_store(&worker.standing, UINT32_MAX); /* it is there */
    for (;;) {
        sem_wait(&go);
        if (worker.is_over) return NULL;
        way_make(&chain);
        way_go(&chain);
        sem_post(&done);
    }
}

static bool has_begun(void *context)
{
    (void)context;
    return atomic_load(&worker.standing) == UINT32_MAX;
}

/* ---- one look, and what it is worth ---- */

static struct engine engine;
static struct sighting sighting;

/* Reads the thread if it stands and waits. */
static bool is_seen(void)
{
    if (atomic_load(&worker.standing) != worker.round) return false;
    sighting = (struct sighting){ 0 };
    sighting.stack.anchor_sp = worker.anchor_sp;
    sighting.stack.anchor_pc = worker.anchor_pc;
    return blocked_stack_read(&engine, &worker.thread, thread_cpu_ns(worker.thread.tid),
                              &sighting) == 0 &&
           sighting.wait.syscall == worker.wait->syscall;
}

enum verdict { EXACT, CUT, WRONG, VERDICTS };

static enum verdict judge(void)
{
    const struct walk *walk = &engine.walk;
    uint32_t at = 0, callers = (uint32_t)worker.truth_count - 1, shown;

    while (at < walk->count && walk->frames[at].function != (uint64_t)(uintptr_t)&stand) {
        at++;
    }
    if (at == walk->count) return walk->is_complete ? WRONG : CUT;
    shown = walk->count - at - 1;
    if (shown > callers) return WRONG;
    for (uint32_t i = 0; i < shown; i++) {
        if (walk->frames[at + 1 + i].pc + 1 != (uint64_t)(uintptr_t)worker.truth[1 + i])
            return WRONG;
    }
    if (!walk->is_complete) return CUT;
    return shown == callers ? EXACT : WRONG;
}

static enum verdict look(void)
{
    uint64_t deadline_ns = clock_monotonic_ns() + ms_to_ns(STILL_MS);
    enum verdict verdict;

    worker.round++;
    worker.wait = &waits[random_below(WAITS)];
    worker.wait->prepare();
    sem_post(&go);
    while (!is_seen()) {
        CHECK(clock_monotonic_ns() < deadline_ns);
        sched_yield();
    }
    blocked_stack_walk(&engine, &sighting);
    verdict = judge();
    worker.wait->release();
    sem_wait(&done);
    return verdict;
}

static void row_of(const char *says, const char *begun, uint32_t count, bool has_bar)
{
    uint32_t verdicts[VERDICTS] = { 0 };

    for (uint32_t i = 0; i < count; i++) {
        verdicts[look()]++;
        if (i % 256 == 0) unwinder_refresh(engine.unwinder);
    }
    printf("%-36s %-10s %u stacks: %.2f %% exact, %u cut, %u wrong", says, begun, count,
           100.0 * verdicts[EXACT] / count, verdicts[CUT], verdicts[WRONG]);
    if (has_bar) {
        bool is_met = verdicts[WRONG] == 0 &&
                      (uint64_t)verdicts[EXACT] * 1000 >= (uint64_t)count * EXACT_PER_MILLE;

        printf("; bar 99.5 and none: %s", is_met ? "met" : "missed");
    }
    printf("\n");
}

static void row(const char *says, uint32_t count, bool has_bar)
{
    worker.has_begin_returned = false;
    row_of(says, "", count, has_bar);
    worker.has_begin_returned = true;
    row_of(says, "by helper", count, has_bar);
}

/* ---- the whole ---- */

static void links_add(const char *library, uint32_t from, uint32_t to)
{
    chain_link_fn links[CHAIN_LINKS];
    void (*list)(chain_link_fn ret[CHAIN_LINKS]);
    void *opened = dlopen(library, RTLD_NOW | RTLD_LOCAL), *found;

    CHECK(opened != NULL);
    found = dlsym(opened, "chain_links");
    CHECK(found != NULL);
    memcpy(&list, &found, sizeof list);
    list(links);
    for (uint32_t i = from; i < to; i++) {
        worker.links[worker.link_count++] = links[i];
    }
}

static void open_all(pthread_t *ret_thread)
{
    struct epoll_event event = { .events = EPOLLIN };
    struct sampler_options options = { .thread_files_max = THREAD_FILES_HELD };

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    watcher = epoll_create1(EPOLL_CLOEXEC);
    CHECK(epoll_ctl(watcher, EPOLL_CTL_ADD, ends[0], &event) == 0);
    CHECK(sem_init(&semaphore, 0, 0) == 0 && sem_init(&go, 0, 0) == 0 &&
          sem_init(&done, 0, 0) == 0);
    CHECK(memory_open(true) == 0);
    CHECK(engine_open(&engine, &options) == 0);
    CHECK(pthread_create(ret_thread, NULL, work, NULL) == 0);
    CHECK(wait_until(has_begun, NULL, STILL_MS));
}

int main(int argc, char **argv)
{
    uint32_t count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : COUNT;
    pthread_t thread;

    if (count == 0) {
        fprintf(stderr, "usage: bench_stacks [COUNT]\n");
        return 2;
    }
    open_all(&thread);
    links_add(CHAIN_WITH, 0, PLAIN_LINKS);
    row("with frame pointers", count, true);
    worker.link_count = 0;
    links_add(CHAIN_WITHOUT, 0, PLAIN_LINKS);
    row("without frame pointers", count, true);
    links_add(CHAIN_WITH, 0, PLAIN_LINKS);
    row("both", count, true);
    links_add(CHAIN_WITHOUT, PLAIN_LINKS, CHAIN_LINKS);
    links_add(CHAIN_WITH, PLAIN_LINKS, CHAIN_LINKS);
    row("both, 2 of 17 functions use alloca", count, false);
    worker.is_over = true;
    sem_post(&go);
    pthread_join(thread, NULL);
    engine_close(&engine);
    return 0;
}
