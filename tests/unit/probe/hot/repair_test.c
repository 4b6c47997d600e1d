/* SPDX-License-Identifier: Apache-2.0 */
/* repair_test.c: which calls are made again is told by the table; that the host notices nothing is
 * shown on real ones, each met by our signal while it waits. */
#include "probe/hot/repair.h"

#include "common/base/clock.h"
#include "probe/hot/memory.h"
#include "probe/hot/ticks.h"
#include "probe/include/stakeout/stakeout.h"
#include "tests/support/loopback.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- the number, from the code ---- */

/* clang-format off */
static const struct {
    const char *says;
    unsigned char code[32];
    uint32_t size;
    int32_t number;
} codes[] = {
    { "poll, at once", { 0x90, 0xb8, 7, 0, 0, 0, 0x0f, 0x05 }, 8, 7 },
    { "a register is loaded between", /* mov 8(%rsp),%rsi */
      { 0x90, 0xb8, 7, 0, 0, 0, 0x48, 0x8b, 0x74, 0x24, 8, 0x0f, 0x05 }, 13, 7 },
    { "another gets a constant between", /* mov $8,%r8d */
      { 0x90, 0xb8, 7, 0, 0, 0, 0x41, 0xb8, 8, 0, 0, 0, 0x0f, 0x05 }, 14, 7 },
    { "r10 is cleared between", /* xor %r10d,%r10d */
      { 0x90, 0xb8, 0xca, 0, 0, 0, 0x45, 0x31, 0xd2, 0x0f, 0x05 }, 11, 202 },
    { "only r8d gets a constant", { 0x90, 0x41, 0xb8, 7, 0, 0, 0, 0x0f, 0x05 }, 9, -1 },
    { "eax is written between", /* mov %ecx,%eax */
      { 0x90, 0xb8, 7, 0, 0, 0, 0x89, 0xc8, 0x0f, 0x05 }, 10, -1 },
    { "eax is loaded between", /* mov 8(%rsp),%eax */
      { 0x90, 0xb8, 7, 0, 0, 0, 0x8b, 0x44, 0x24, 8, 0x0f, 0x05 }, 12, -1 },
    { "a call stands between", { 0x90, 0xb8, 7, 0, 0, 0, 0xe8, 1, 2, 3, 4, 0x0f, 0x05 }, 13, -1 },
    { "read, which is 0", { 0x90, 0x31, 0xc0, 0x0f, 0x05 }, 5, 0 },
    { "read, its size behind", /* mov %r12,%rdx */
      { 0x90, 0x31, 0xc0, 0x4c, 0x89, 0xe2, 0x0f, 0x05 }, 8, 0 },
    { "only r8d is cleared", /* xor %r8d,%r8d */
      { 0x90, 0x45, 0x31, 0xc0, 0x0f, 0x05 }, 6, -1 },
    { "the number is none", { 0x90, 0xb8, 0, 4, 0, 0, 0x0f, 0x05 }, 8, -1 },
    { "the last number", { 0x90, 0xb8, 0xff, 3, 0, 0, 0x0f, 0x05 }, 8, 1023 },
    { "no call at the end", { 0x90, 0xb8, 7, 0, 0, 0, 0x90, 0x90 }, 8, -1 },
    { "it begins with the number", { 0xb8, 7, 0, 0, 0, 0x0f, 0x05 }, 7, -1 },
    { "nothing before the call", { 0x0f, 0x05 }, 2, -1 },
};
/* clang-format on */

static void the_number_is_read_where_it_is_certain(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        int32_t number = repair_number(codes[i].code, codes[i].size);

        if (number != codes[i].number) fail_msg("%s: %d", codes[i].says, number);
    }
}

/* ---- the white list ---- */

enum { CODE_SIZE = 64 };
static unsigned char code[CODE_SIZE];
static const uint64_t no_mask[2], some_mask[2] = { 1, 8 };

/* A thread that comes back from a call with a result. */
static ucontext_t context_make(int32_t number, const uint64_t arguments[6], int64_t result)
{
    static const int places[] = { REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9 };
    ucontext_t context = { 0 };
    greg_t *registers = context.uc_mcontext.gregs;

    memset(code, 0x90, sizeof code);
    code[50] = 0xb8;
    memcpy(code + 51, &number, sizeof number);
    code[55] = 0x0f;
    code[56] = 0x05;
    for (int i = 0; i < 6; i++) {
        registers[places[i]] = (greg_t)arguments[i];
    }
    registers[REG_RIP] = registers[REG_RCX] = (greg_t)(uintptr_t)(code + 57);
    registers[REG_RAX] = (greg_t)result;
    return context;
}

#define MINUS_1 ((uint64_t)-1)

/* clang-format off */
static const struct {
    const char *says;
    int32_t number;
    uint64_t arguments[6];
    enum { NEVER, IF_YOUNG, ALWAYS } again; /* is it made again? */
    bool is_kept;                               /* else the handler waits for the rest */
} rules[] = {
    { "poll with a time-out",     SYS_poll,            { 0, 0, 100 }, IF_YOUNG, true },
    { "poll without end",         SYS_poll,            { 0, 0, MINUS_1 }, ALWAYS, true },
    { "epoll_wait",               SYS_epoll_wait,      { 3, 0, 1, 100 }, IF_YOUNG, false },
    { "epoll_wait without end",   SYS_epoll_wait,      { 3, 0, 1, MINUS_1 }, ALWAYS, false },
    { "epoll_pwait",              SYS_epoll_pwait,     { 3, 0, 1, MINUS_1, 0 }, ALWAYS, false },
    { "epoll_pwait with a mask",  SYS_epoll_pwait,     { 3, 0, 1, MINUS_1, 1 }, NEVER, false },
    { "ppoll",                    SYS_ppoll,           { 0, 0, 1, 0 }, ALWAYS, false },
    { "ppoll with a mask",        SYS_ppoll,           { 0, 0, 1, 1 }, NEVER, false },
    { "select",                   SYS_select,          { 0 }, ALWAYS, false },
    { "pselect, no mask",         SYS_pselect6,        { 0 }, ALWAYS, false },
    { "pselect, a mask of none",  SYS_pselect6,        { [5] = (uintptr_t)no_mask },
                                                       ALWAYS, false },
    { "pselect with a mask",      SYS_pselect6,        { [5] = (uintptr_t)some_mask },
                                                       NEVER, false },
    { "pselect, a wild mask",     SYS_pselect6,        { 0, 0, 0, 0, 0, 8 }, NEVER, false },
    { "nanosleep",                SYS_nanosleep,       { 1, 2 }, IF_YOUNG, true },
    { "nanosleep of what is left", SYS_nanosleep,      { 1, 1 }, ALWAYS, true },
    { "clock_nanosleep",          SYS_clock_nanosleep, { 0, 0, 1, 2 }, IF_YOUNG, true },
    { "clock_nanosleep until",    SYS_clock_nanosleep, { 0, TIMER_ABSTIME, 1, 0 }, ALWAYS, true },
    { "futex wait",               SYS_futex,           { 1, FUTEX_WAIT_PRIVATE }, IF_YOUNG, false },
    { "futex wait for a time",    SYS_futex,           { 1, FUTEX_WAIT_PRIVATE, 0, 1 },
                                                       IF_YOUNG, true },
    { "futex wait until",         SYS_futex,           { 1, FUTEX_WAIT_BITSET_PRIVATE },
                                                       ALWAYS, false },
    { "futex, something else",    SYS_futex,           { 1, FUTEX_WAIT_REQUEUE_PI }, NEVER, false },
    { "recv",                     SYS_recvfrom,        { 3 }, IF_YOUNG, false },
    { "accept",                   SYS_accept,          { 3 }, IF_YOUNG, false },
    { "read of no socket",        SYS_read,            { MINUS_1 }, NEVER, false },
    { "semtimedop",               SYS_semtimedop,      { 1, 1, 1, 1 }, IF_YOUNG, false },
    { "semtimedop without end",   SYS_semtimedop,      { 1, 1, 1, 0 }, ALWAYS, false },
    { "sigtimedwait",             SYS_rt_sigtimedwait, { 1, 1, 1, 8 }, IF_YOUNG, false },
    { "close, never",             SYS_close,           { 3 }, NEVER, false },
    { "connect, never",           SYS_connect,         { 3 }, NEVER, false },
    { "pause, never",             SYS_pause,           { 0 }, NEVER, false },
    { "sigsuspend, never",        SYS_rt_sigsuspend,   { 0 }, NEVER, false },
    { "one that nobody knows",    1000,                { 0 }, NEVER, false },
};
/* clang-format on */

/* Who runs has left these, wherever it stood before. */
static bool ends_when_woken(int number)
{
    return number == SYS_nanosleep || number == SYS_clock_nanosleep || number == SYS_semtimedop ||
           number == SYS_rt_sigtimedwait || number == SYS_recvfrom || number == SYS_accept;
}

static void assert_repaired(const char *says, size_t i, enum wait_age age, bool is_restarted)
{
    enum repair otherwise = rules[i].is_kept ? REPAIR_REST : REPAIR_LEFT;
    ucontext_t context = context_make(rules[i].number, rules[i].arguments, -EINTR);
    struct made_call call;
    enum repair repair = repair_call(&context, age, &call);
    const greg_t *registers = context.uc_mcontext.gregs;
    uintptr_t behind = (uintptr_t)(code + 57);

    if (repair != (is_restarted ? REPAIR_RESTARTED : otherwise))
        fail_msg("%s, %s: %d", rules[i].says, says, (int)repair);
    assert_int_equal(registers[REG_RAX], is_restarted ? rules[i].number : -EINTR);
    assert_int_equal(registers[REG_RIP], is_restarted ? behind - 2 : behind);
}

/* Of a call that may be made again while it is young, and was met while it was not. */
static void assert_asks_for_age(size_t i)
{
    struct made_call call = { .number = rules[i].number };

    memcpy(call.arguments, rules[i].arguments, sizeof call.arguments);
    if (rules[i].again == NEVER) return;
    if (repair_asks_for_age(&call) !=
        (rules[i].again == IF_YOUNG && !rules[i].is_kept && !ends_when_woken(rules[i].number)))
        fail_msg("%s: its age", rules[i].says);
}

static void a_call_is_made_again_where_that_is_exact(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        assert_asks_for_age(i);
        assert_repaired("young", i, WAIT_YOUNG, rules[i].again != NEVER);
        assert_repaired("old", i, WAIT_OLD, rules[i].again == ALWAYS);
        assert_repaired("woken", i, WAIT_WOKEN,
                        rules[i].again == ALWAYS || ends_when_woken(rules[i].number));
        assert_repaired("unknown", i, WAIT_AGE_UNKNOWN, false);
    }
}

static void what_is_no_interrupted_call_is_left_alone(void **state)
{
    const uint64_t arguments[6] = { 0, 0, 100 };
    ucontext_t context = context_make(SYS_poll, arguments, -EINTR);
    struct made_call call;

    (void)state;
    context.uc_mcontext.gregs[REG_RCX]--; /* it did not come out of the call here */
    assert_int_equal(repair_call(&context, WAIT_YOUNG, &call), REPAIR_NONE);
    context = context_make(SYS_poll, arguments, -EINTR);
    code[56] = 0x34; /* sysenter */
    assert_int_equal(repair_call(&context, WAIT_YOUNG, &call), REPAIR_LEFT);
    context = context_make(SYS_poll, arguments, 0); /* it timed out */
    assert_int_equal(repair_call(&context, WAIT_YOUNG, &call), REPAIR_NONE);
    context = context_make(SYS_poll, arguments, -EBADF);
    assert_int_equal(repair_call(&context, WAIT_YOUNG, &call), REPAIR_NONE);
    context = context_make(SYS_poll, arguments, -EINTR); /* code that cannot be read */
    context.uc_mcontext.gregs[REG_RIP] = context.uc_mcontext.gregs[REG_RCX] = 4096;
    assert_int_equal(repair_call(&context, WAIT_YOUNG, &call), REPAIR_LEFT);
}

static void a_short_count_is_known_where_a_signal_may_make_one(void **state)
{
    struct iovec parts[2] = { { NULL, 60 }, { NULL, 40 } };
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
    const struct {
        const char *says;
        int32_t number;
        uint64_t arguments[6];
        int64_t result;
        enum repair repair;
    } counts[] = {
        { "write", SYS_write, { 1, 0, 100 }, 99, REPAIR_TRANSFER },
        { "write, whole", SYS_write, { 1, 0, 100 }, 100, REPAIR_NONE },
        { "send", SYS_sendto, { 1, 0, 100 }, 1, REPAIR_TRANSFER },
        { "writev", SYS_writev, { 1, (uintptr_t)parts, 2 }, 99, REPAIR_LEFT },
        { "writev, whole", SYS_writev, { 1, (uintptr_t)parts, 2 }, 100, REPAIR_NONE },
        { "sendmsg", SYS_sendmsg, { 1, (uintptr_t)&message }, 99, REPAIR_LEFT },
        { "recv", SYS_recvfrom, { 1, 0, 100, 0 }, 50, REPAIR_NONE },
        { "recv of all", SYS_recvfrom, { 1, 0, 100, MSG_WAITALL }, 50, REPAIR_LEFT },
        { "read", SYS_read, { 1, 0, 100 }, 50, REPAIR_NONE },
    };

    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        ucontext_t context = context_make(counts[i].number, counts[i].arguments, counts[i].result);
        struct made_call call;
        enum repair repair = repair_call(&context, WAIT_YOUNG, &call);

        if (repair != counts[i].repair) fail_msg("%s: %d", counts[i].says, (int)repair);
        assert_int_equal(context.uc_mcontext.gregs[REG_RAX], counts[i].result);
    }
}

/* ---- real calls ---- */

static _Atomic uint32_t waiter_tid;
static _Atomic bool waiter_is_done;
static _Atomic uint32_t foreign_count;

static void on_foreign(int number)
{
    (void)number;
    atomic_fetch_add(&foreign_count, 1);
}

static uint32_t left_count(void)
{
    return atomic_load(&hot.interrupted[7]);
}

/* However late the handler is on a busy machine. */
#define LATE_TICKS (UINT64_C(1) << 40)

/* Signals the thread, and waits for its answer. */
static void signal_by(struct loan_order order)
{
    int loan = stack_copy_request(&order);

    if (loan < 0) return;
    while (!loan_is_back(loan) && !atomic_load(&waiter_is_done)) {
        nanosleep(&(struct timespec){ .tv_nsec = 20000 }, NULL);
    }
    if (loan_is_back(loan)) {
        loan_return(loan);
    } else {
        loan_write_off(loan);
    }
}

/* As if it had been seen running, or not. */
static void signal_waiter(bool was_running)
{
    signal_by((struct loan_order){ .tid = atomic_load(&waiter_tid),
                                   .record = 0,
                                   .state = UINT64_MAX, /* no call is in it: nothing is copied */
                                   .account = 7,
                                   .may_repair = true,
                                   .was_running = was_running,
                                   .was_awake = was_running,
                                   .seen_ticks = ticks_now() + LATE_TICKS });
}

static int fds[2];
static int epoll_fd, semaphores;
static sem_t semaphore;
static _Atomic uint32_t futex_word;

static struct timespec in_ms(uint64_t ms)
{
    return ns_to_timespec(clock_wall_ns() + ms * NS_PER_MS);
}

#define SHORT_NS 15000000
enum { SHORT_MS = 15 };

static bool wait_poll(void)
{
    return poll(NULL, 0, SHORT_MS) == 0;
}
static bool wait_ppoll(void)
{
    return ppoll(NULL, 0, &(struct timespec){ .tv_nsec = SHORT_NS }, NULL) == 0;
}
static bool wait_select(void)
{
    return select(0, NULL, NULL, NULL, &(struct timeval){ .tv_usec = SHORT_MS * 1000 }) == 0;
}
static bool wait_pselect(void)
{
    return pselect(0, NULL, NULL, NULL, &(struct timespec){ .tv_nsec = SHORT_NS }, NULL) == 0;
}
static bool wait_epoll(void)
{
    struct epoll_event event;

    return epoll_wait(epoll_fd, &event, 1, SHORT_MS) == 0;
}
static bool wait_epoll_p(void)
{
    struct epoll_event event;

    return epoll_pwait(epoll_fd, &event, 1, SHORT_MS, NULL) == 0;
}
static bool wait_nanosleep(void)
{
    return nanosleep(&(struct timespec){ .tv_nsec = SHORT_NS }, NULL) == 0;
}
static bool wait_until_a_time(void)
{
    struct timespec at = in_ms(SHORT_MS);

    return clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &at, NULL) == 0;
}
static bool wait_recv(void)
{
    char byte;

    return recv(fds[0], &byte, 1, 0) < 0 && errno == EAGAIN;
}
static bool wait_read(void)
{
    char byte;

    return read(fds[0], &byte, 1) < 0 && errno == EAGAIN;
}
static bool wait_semaphore(void)
{
    struct timespec at = in_ms(SHORT_MS);

    return sem_timedwait(&semaphore, &at) < 0 && errno == ETIMEDOUT;
}
static bool wait_futex(void)
{
    struct timespec time = { .tv_nsec = SHORT_NS };
    long rc;

    /* syscall(2) itself shows no number: the instruction stands here. */
    register struct timespec *r10 __asm__("r10") = &time;
    __asm__ volatile("mov $202, %%eax\n\tsyscall"
                     : "=a"(rc)
                     : "D"(&futex_word), "S"(FUTEX_WAIT_PRIVATE), "d"(0), "r"(r10)
                     : "rcx", "r11", "memory");
    return rc == -ETIMEDOUT;
}
static bool wait_semop(void)
{
    struct sembuf down = { .sem_op = -1 };

    return semtimedop(semaphores, &down, 1, &(struct timespec){ .tv_nsec = SHORT_NS }) < 0 &&
           errno == EAGAIN;
}
static bool wait_signal(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    return sigtimedwait(&set, NULL, &(struct timespec){ .tv_nsec = SHORT_NS }) < 0 &&
           errno == EAGAIN;
}
static bool wait_accept(void)
{
    return accept(fds[1], NULL, NULL) < 0 && errno == EAGAIN;
}

static const struct {
    const char *says;
    bool (*wait)(void);
} waits[] = {
    { "poll", wait_poll },
    { "ppoll", wait_ppoll },
    { "select", wait_select },
    { "pselect", wait_pselect },
    { "epoll_wait", wait_epoll },
    { "epoll_pwait", wait_epoll_p },
    { "nanosleep", wait_nanosleep },
    { "clock_nanosleep", wait_until_a_time },
    { "recv", wait_recv },
    { "read", wait_read },
    { "sem_timedwait", wait_semaphore },
    { "futex", wait_futex },
    { "semtimedop", wait_semop },
    { "sigtimedwait", wait_signal },
    { "accept", wait_accept },
};

static void *waiter_main(void *context)
{
    bool (*const *wait)(void) = context;
    stakeout_call call = stakeout_call_begin(stakeout_interface("waiter"));
    bool is_whole;

    atomic_store(&waiter_tid, (uint32_t)syscall(SYS_gettid));
    is_whole = (*wait)();
    atomic_store(&waiter_is_done, true);
    stakeout_call_end(call, 0);
    return is_whole ? NULL : context;
}

static void sockets_open(void)
{
    struct timeval time = { .tv_usec = SHORT_MS * 1000 };
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    fds[0] = pair[0];
    fds[1] = loopback_listen(0, NULL);
    setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    setsockopt(fds[1], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    sem_init(&semaphore, 0, 0);
    semaphores = semget(IPC_PRIVATE, 1, 0600);
    assert_true(semaphores >= 0);
}

static bool waiter_is_there(void *context)
{
    (void)context;
    return atomic_load(&waiter_tid) != 0;
}

/* Waits in a thread of its own, under signals. Returns whether the wait was whole. */
static bool wait_under_signals(bool (*const *wait)(void), int foreign)
{
    pthread_t thread;
    void *failed;

    atomic_store(&waiter_tid, 0);
    atomic_store(&waiter_is_done, false);
    assert_int_equal(pthread_create(&thread, NULL, waiter_main, (void *)(uintptr_t)wait), 0);
    assert_true(wait_until(waiter_is_there, NULL, 10000));
    for (int i = 0; i < 20 && !atomic_load(&waiter_is_done); i++) {
        signal_waiter(true);
        if (foreign != 0 && i == 10) pthread_kill(thread, foreign);
    }
    pthread_join(thread, &failed);
    return failed == NULL;
}

static void a_call_that_waits_sees_nothing_of_our_signals(void **state)
{
    uint32_t before = left_count();

    (void)state;
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        if (!wait_under_signals(&waits[i].wait, 0)) fail_msg("%s: interrupted", waits[i].says);
        if (left_count() != before) fail_msg("%s: counted as interrupted", waits[i].says);
    }
}

static bool poll_once(void)
{
    return poll(NULL, 0, 30000) < 0 && errno == EINTR;
}

static bool (*const poll_once_wait)(void) = poll_once;

static void a_signal_of_the_hosts_interrupts_as_ever(void **state)
{
    uint32_t before = atomic_load(&foreign_count);

    (void)state;
    assert_true(wait_under_signals(&poll_once_wait, SIGUSR1));
    assert_int_equal(atomic_load(&foreign_count), before + 1);
}

/* Nobody knows how much of its time-out is left. */
static bool epoll_until_interrupted(void)
{
    struct epoll_event event;
    int rc = epoll_wait(epoll_fd, &event, 1, 10000);

    return rc < 0 && errno == EINTR;
}

static void an_old_call_is_left_and_counted(void **state)
{
    static bool (*const wait)(void) = epoll_until_interrupted;
    uint32_t before = left_count();
    pthread_t thread;
    void *failed;

    (void)state;
    atomic_store(&waiter_tid, 0);
    atomic_store(&waiter_is_done, false);
    assert_int_equal(pthread_create(&thread, NULL, waiter_main, (void *)(uintptr_t)&wait), 0);
    assert_true(wait_until(waiter_is_there, NULL, 10000));
    while (!atomic_load(&waiter_is_done)) {
        signal_waiter(false);
    }
    pthread_join(thread, &failed);
    assert_null(failed);
    assert_int_equal(left_count(), before + 1);
}

/* The registers of the waiter in its wait; false: it is not there yet. */
static bool waiter_sleeps(void *order)
{
    struct loan_order *ret = order;
    char path[64], line[256] = "";
    long number = -1;
    int fd;

    snprintf(path, sizeof path, "/proc/self/task/%u/syscall", atomic_load(&waiter_tid));
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    if (read(fd, line, sizeof line - 1) > 0)
        sscanf(line, "%ld %*s %*s %*s %*s %*s %*s %lx %lx", &number, &ret->old_sp, &ret->old_pc);
    close(fd);
    return number == SYS_epoll_wait;
}

/* Signals an epoll_wait() that waits. Returns whether it ended. */
static bool epoll_ends(bool by_its_age, bool is_old_wait)
{
    static bool (*const wait)(void) = epoll_until_interrupted;
    struct loan_order order = { .record = 0,
                                .state = UINT64_MAX,
                                .account = 7,
                                .may_repair = true,
                                .was_running = true,
                                .was_awake = true };
    uint32_t before = left_count();
    pthread_t thread;
    bool has_ended;

    atomic_store(&waiter_tid, 0);
    atomic_store(&waiter_is_done, false);
    assert_int_equal(pthread_create(&thread, NULL, waiter_main, (void *)(uintptr_t)&wait), 0);
    assert_true(wait_until(waiter_is_there, NULL, 10000));
    assert_true(wait_until(waiter_sleeps, &order, 10000));
    if (!is_old_wait) order.old_sp++;
    order.tid = atomic_load(&waiter_tid);
    order.seen_ticks = by_its_age ? ticks_now() - LATE_TICKS : ticks_now() + LATE_TICKS;
    signal_by(order);
    has_ended = left_count() == before + 1;
    while (!atomic_load(&waiter_is_done)) {
        signal_waiter(false);
    }
    pthread_join(thread, NULL);
    return has_ended;
}

static void a_wait_is_young_only_right_after_the_look(void **state)
{
    (void)state;
    assert_false(epoll_ends(false, false));
    assert_true(epoll_ends(true, false));
}

static void a_wait_that_was_seen_before_is_not_young(void **state)
{
    (void)state;
    assert_true(epoll_ends(false, true));
}

/* A child of vfork() has our handler, and its parent's memory, and another tid. */
static bool wait_for_vfork(void)
{
    pid_t pid = vfork();
    int status = 0;

    if (pid == 0) {
        syscall(SYS_nanosleep, &(struct timespec){ .tv_nsec = 30000000 }, NULL);
        _exit(42);
    }
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 42;
}

static void a_vfork_is_not_disturbed(void **state)
{
    static bool (*const wait)(void) = wait_for_vfork;

    (void)state;
    assert_true(wait_under_signals(&wait, 0));
}

static int open_all(void **state)
{
    struct sigaction action = { .sa_handler = on_foreign };

    (void)state;
    sigaction(SIGUSR1, &action, NULL);
    sockets_open();
    if (memory_open(true) < 0) return -1;
    return stack_copy_open(SIGURG);
}

static int close_all(void **state)
{
    (void)state;
    return semctl(semaphores, 0, IPC_RMID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_number_is_read_where_it_is_certain),
        cmocka_unit_test(a_call_is_made_again_where_that_is_exact),
        cmocka_unit_test(what_is_no_interrupted_call_is_left_alone),
        cmocka_unit_test(a_short_count_is_known_where_a_signal_may_make_one),
        cmocka_unit_test(a_call_that_waits_sees_nothing_of_our_signals),
        cmocka_unit_test(a_signal_of_the_hosts_interrupts_as_ever),
        cmocka_unit_test(an_old_call_is_left_and_counted),
        cmocka_unit_test(a_wait_is_young_only_right_after_the_look),
        cmocka_unit_test(a_wait_that_was_seen_before_is_not_young),
        cmocka_unit_test(a_vfork_is_not_disturbed),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
