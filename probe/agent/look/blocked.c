/* SPDX-License-Identifier: Apache-2.0 */
/* blocked.c: from a system call to a sentence.
 *
 * One table says of each system call that can block what kind of waiting it is, and which of its
 * arguments is a descriptor (descriptor_names.c); where an argument points to what is waited for,
 * wait_arguments.c follows it. Futex waits are told apart by the function that waits, known by
 * where its unwind entry begins; the C library's waiting functions are looked up once. */
#include "probe/agent/look/blocked.h"

#include "probe/agent/base/errand.h"
#include "probe/agent/base/program.h"
#include "probe/agent/look/descriptor_names.h"
#include "probe/agent/look/wait_arguments.h"
#include "probe/agent/unwind/self_memory.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    NO_DESCRIPTOR = -1,
    FRAMES_OF_A_WAIT = 6,    /* a futex's waiter is that near to it */
    LOCKED_WITH_WAITERS = 2, /* the C library's lock word, while others wait */
    WRAPPER_SIZE_MAX = 160,  /* bytes of code that only turn arguments */
    JUMP = 0xe9,             /* and 32 bits, from the next instruction on */
    JUMP_SIZE = 5,
};

int blocked_parse(const char *line, struct wait_view *ret)
{
    struct wait_view wait = { .syscall = SYSCALL_NONE };
    char *at;

    if (strncmp(line, "running", 7) == 0) return -EAGAIN;
    errno = 0;
    wait.syscall = (int32_t)strtol(line, &at, 10);
    if (at == line) return -EINVAL;
    for (int i = 0; wait.syscall >= 0 && i < 6; i++) {
        wait.arguments[i] = strtoull(at, &at, 0);
    }
    wait.sp = strtoull(at, &at, 0);
    wait.pc = strtoull(at, &at, 0);
    if (errno != 0 || wait.sp == 0) return -EINVAL;
    if (wait.syscall < 0) wait.syscall = SYSCALL_NONE;
    *ret = wait;
    return 0;
}

/* clang-format off */
static const struct call_row {
    long number;
    enum wait_kind kind;   /* WAIT_NONE: as its descriptor says */
    int descriptor;        /* which argument; NO_DESCRIPTOR */
    const char *what;      /* "" : nothing to add */
} call_rows[] = {
    { SYS_pause,             WAIT_SLEEP,   NO_DESCRIPTOR, "a signal" },
    { SYS_rt_sigsuspend,     WAIT_SLEEP,   NO_DESCRIPTOR, "a signal" },
    { SYS_rt_sigtimedwait,   WAIT_OTHER,   NO_DESCRIPTOR, "a signal" },
    { SYS_accept,            WAIT_NETWORK, 0, "" },
    { SYS_accept4,           WAIT_NETWORK, 0, "" },
    { SYS_recvfrom,          WAIT_NETWORK, 0, "" },
    { SYS_recvmsg,           WAIT_NETWORK, 0, "" },
    { SYS_recvmmsg,          WAIT_NETWORK, 0, "" },
    { SYS_sendto,            WAIT_NETWORK, 0, "" },
    { SYS_sendmsg,           WAIT_NETWORK, 0, "" },
    { SYS_sendmmsg,          WAIT_NETWORK, 0, "" },
    { SYS_read,              WAIT_NONE,    0, "" },
    { SYS_readv,             WAIT_NONE,    0, "" },
    { SYS_pread64,           WAIT_NONE,    0, "" },
    { SYS_preadv,            WAIT_NONE,    0, "" },
    { SYS_preadv2,           WAIT_NONE,    0, "" },
    { SYS_write,             WAIT_NONE,    0, "" },
    { SYS_writev,            WAIT_NONE,    0, "" },
    { SYS_pwrite64,          WAIT_NONE,    0, "" },
    { SYS_pwritev,           WAIT_NONE,    0, "" },
    { SYS_pwritev2,          WAIT_NONE,    0, "" },
    { SYS_sendfile,          WAIT_NONE,    0, "" },
    { SYS_splice,            WAIT_NONE,    0, "" },
    { SYS_ioctl,             WAIT_NONE,    0, "" },
    { SYS_fsync,             WAIT_DISK,    0, "" },
    { SYS_fdatasync,         WAIT_DISK,    0, "" },
    { SYS_sync_file_range,   WAIT_DISK,    0, "" },
    { SYS_ftruncate,         WAIT_DISK,    0, "" },
    { SYS_fallocate,         WAIT_DISK,    0, "" },
    { SYS_getdents64,        WAIT_DISK,    0, "" },
    { SYS_copy_file_range,   WAIT_DISK,    0, "" },
    { SYS_sync,              WAIT_DISK,    NO_DESCRIPTOR, "" },
    { SYS_msync,             WAIT_DISK,    NO_DESCRIPTOR, "" },
    { SYS_open,              WAIT_DISK,    NO_DESCRIPTOR, "opening a file" },
    { SYS_openat,            WAIT_DISK,    NO_DESCRIPTOR, "opening a file" },
    { SYS_stat,              WAIT_DISK,    NO_DESCRIPTOR, "" },
    { SYS_newfstatat,        WAIT_DISK,    NO_DESCRIPTOR, "" },
    { SYS_statx,             WAIT_DISK,    NO_DESCRIPTOR, "" },
    { SYS_unlink,            WAIT_DISK,    NO_DESCRIPTOR, "" },
    { SYS_unlinkat,          WAIT_DISK,    NO_DESCRIPTOR, "" },
    { SYS_rename,            WAIT_DISK,    NO_DESCRIPTOR, "" },
    { SYS_renameat2,         WAIT_DISK,    NO_DESCRIPTOR, "" },
    { SYS_io_getevents,      WAIT_DISK,    NO_DESCRIPTOR, "asynchronous reads and writes" },
    { SYS_io_uring_enter,    WAIT_OTHER,   NO_DESCRIPTOR, "an io_uring" },
    { SYS_flock,             WAIT_LOCK,    0, "file lock of" },
    { SYS_semop,             WAIT_LOCK,    NO_DESCRIPTOR, "a System V semaphore" },
    { SYS_semtimedop,        WAIT_LOCK,    NO_DESCRIPTOR, "a System V semaphore" },
    { SYS_msgrcv,            WAIT_OTHER,   NO_DESCRIPTOR, "a System V message" },
    { SYS_mq_timedreceive,   WAIT_OTHER,   NO_DESCRIPTOR, "a POSIX message" },
    { SYS_wait4,             WAIT_OTHER,   NO_DESCRIPTOR, "a child process" },
    { SYS_waitid,            WAIT_OTHER,   NO_DESCRIPTOR, "a child process" },
};

/* What waits by a futex: the function's name in the C library, and what we call the thing. */
static struct waiter_row {
    const char *function, *thing;
    enum lock_family family;
    _Atomic uint64_t address; /* 0: not looked up, or not there */
    _Atomic uint64_t inner;   /* what it jumps to, if it does no more: it is on no stack then */
} waiter_rows[] = {
    { "pthread_mutex_lock",         "mutex",        LOCK_MUTEX, 0, 0 },
    { "pthread_mutex_timedlock",    "mutex",        LOCK_MUTEX, 0, 0 },
    { "pthread_mutex_clocklock",    "mutex",        LOCK_MUTEX, 0, 0 },
    { "pthread_rwlock_rdlock",      "read lock",    LOCK_RWLOCK, 0, 0 },
    { "pthread_rwlock_timedrdlock", "read lock",    LOCK_RWLOCK, 0, 0 },
    { "pthread_rwlock_clockrdlock", "read lock",    LOCK_RWLOCK, 0, 0 },
    { "pthread_rwlock_wrlock",      "write lock",   LOCK_RWLOCK, 0, 0 },
    { "pthread_rwlock_timedwrlock", "write lock",   LOCK_RWLOCK, 0, 0 },
    { "pthread_rwlock_clockwrlock", "write lock",   LOCK_RWLOCK, 0, 0 },
    { "pthread_cond_wait",          "condition",    LOCK_NONE, 0, 0 },
    { "pthread_cond_timedwait",     "condition",    LOCK_NONE, 0, 0 },
    { "pthread_cond_clockwait",     "condition",    LOCK_NONE, 0, 0 },
    { "sem_wait",                   "semaphore",    LOCK_NONE, 0, 0 },
    { "sem_timedwait",              "semaphore",    LOCK_NONE, 0, 0 },
    { "sem_clockwait",              "semaphore",    LOCK_NONE, 0, 0 },
    { "pthread_barrier_wait",       "barrier",      LOCK_NONE, 0, 0 },
    { "pthread_join",               "end of a thread", LOCK_NONE, 0, 0 },
    { "pthread_once",               "once",         LOCK_NONE, 0, 0 },
};
/* clang-format on */

enum {
    CALL_ROWS = sizeof call_rows / sizeof *call_rows,
    WAITER_ROWS = sizeof waiter_rows / sizeof *waiter_rows,
    WAITER_MUTEX = 0,
};

/* Where a small function jumps to when it is done with its arguments; 0: nowhere. */
static uint64_t wrapper_target(uint64_t address)
{
    unsigned char code[WRAPPER_SIZE_MAX];
    const ElfW(Sym) *symbol = NULL;
    Dl_info info;
    int32_t step;

    if (dladdr1((void *)(uintptr_t)address, &info, (void **)&symbol, RTLD_DL_SYMENT) == 0) return 0;
    if (!symbol || symbol->st_size > sizeof code) return 0;
    if (self_read(address, code, symbol->st_size) != symbol->st_size) return 0;
    for (uint64_t at = 0; at + JUMP_SIZE <= symbol->st_size; at++) {
        uint64_t target;

        memcpy(&step, code + at + 1, sizeof step);
        target = address + at + JUMP_SIZE + (uint64_t)(int64_t)step;
        if (code[at] == JUMP && target - address >= symbol->st_size) return target;
    }
    return 0;
}

static struct errand looking_up;

/* In the C library itself: the global scope may have another's function in front of it. */
static void waiters_look_up(void)
{
    void *library = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);

    if (!library) return;
    for (size_t i = 0; i < WAITER_ROWS; i++) {
        uint64_t address = (uint64_t)(uintptr_t)dlsym(library, waiter_rows[i].function);

        if (address == 0) continue;
        atomic_store_explicit(&waiter_rows[i].inner, wrapper_target(address), memory_order_relaxed);
        atomic_store_explicit(&waiter_rows[i].address, address, memory_order_relaxed);
    }
    dlclose(library);
}

void blocked_open(void)
{
    if (!program_is_static()) errand_run(&looking_up, waiters_look_up, ERRAND_PATIENCE_NS);
}

static bool is_function_of(const struct waiter_row *row, uint64_t function)
{
    return function != 0 &&
           (function == atomic_load_explicit(&row->address, memory_order_relaxed) ||
            function == atomic_load_explicit(&row->inner, memory_order_relaxed));
}

/* What the innermost frames wait for, or NULL. */
static const struct waiter_row *waiter_find(const struct walk *walk)
{
    if (!errand_is_done(&looking_up)) return NULL;
    for (uint32_t frame = 0; frame < walk->count && frame < FRAMES_OF_A_WAIT; frame++) {
        for (size_t i = 0; i < WAITER_ROWS; i++) {
            if (is_function_of(&waiter_rows[i], walk->frames[frame].function))
                return &waiter_rows[i];
        }
    }
    return NULL;
}

/* A condition was signalled, and its mutex is not free yet: the C library waits for that as for any
 * mutex, and for a condition it never waits so. */
static bool is_mutex_of_condition(const struct wait_view *wait)
{
    return ((int)wait->arguments[1] & FUTEX_CMD_MASK) == FUTEX_WAIT &&
           wait->arguments[2] == LOCKED_WITH_WAITERS;
}

/* A mutex whose owner is in its word: pthread_mutex_lock() jumps to an inner function for these,
 * and is not on the stack. */
static bool is_mutex_of_kernel(const struct wait_view *wait)
{
    switch ((int)wait->arguments[1] & FUTEX_CMD_MASK) {
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
        return lock_owner_is_in_word(wait->arguments[0]);
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
        return (wait->arguments[2] & FUTEX_WAITERS) && lock_owner_is_in_word(wait->arguments[0]);
    default:
        return false;
    }
}

/* The row of what waits; NULL: some futex. */
static const struct waiter_row *waiter_of(const struct wait_view *wait, const struct walk *walk)
{
    const struct waiter_row *waiter = waiter_find(walk);

    if (waiter && waiter->family != LOCK_NONE) return waiter;
    if ((waiter && strcmp(waiter->thing, "condition") == 0 && is_mutex_of_condition(wait)) ||
        is_mutex_of_kernel(wait))
        return &waiter_rows[WAITER_MUTEX];
    return waiter;
}

static void describe_futex(const struct blocked_names *names, const struct wait_view *wait,
                           const struct walk *walk, struct wait_account *ret)
{
    const struct waiter_row *waiter = waiter_of(wait, walk);
    const char *thing = waiter ? waiter->thing : "futex";
    uint64_t address = wait->arguments[0];
    char name[WAITING_FOR_SIZE_MAX / 2] = "";

    ret->kind = WAIT_LOCK;
    if (waiter) ret->lock = waiter->family;
    if (names->name_data && names->name_data(names->context, address, name, sizeof name) > 0 &&
        name[0] != '\0') {
        snprintf(ret->waiting_for, sizeof ret->waiting_for, "%s %s", thing, name);
    } else {
        snprintf(ret->waiting_for, sizeof ret->waiting_for, "%s at 0x%" PRIx64, thing, address);
    }
}

static void describe_descriptor(const struct blocked_names *names, uint64_t fd, const char *what,
                                struct wait_account *ret)
{
    char name[DESCRIPTOR_NAME_SIZE_MAX];
    enum wait_kind kind =
        descriptor_name(names->descriptors, names->tid, (int)fd, name, sizeof name);

    if (ret->kind == WAIT_NONE) ret->kind = kind;
    snprintf(ret->waiting_for, sizeof ret->waiting_for, "%s%s%s", what,
             what[0] != '\0' && name[0] != '\0' ? " " : "", name);
}

static bool describe_file_lock(const struct blocked_names *names, const struct wait_view *wait,
                               struct wait_account *ret)
{
    if (wait->syscall != SYS_fcntl) return false;
    if (wait->arguments[1] != F_SETLKW && wait->arguments[1] != F_OFD_SETLKW) return false;
    ret->kind = WAIT_LOCK;
    describe_descriptor(names, wait->arguments[0], "file lock of", ret);
    return true;
}

void blocked_describe(const struct blocked_names *names, const struct wait_view *wait,
                      const struct walk *walk, struct wait_account *ret)
{
    ret->kind = WAIT_OTHER;
    ret->waiting_for[0] = '\0';
    ret->lock = LOCK_NONE;
    if (wait->syscall == SYSCALL_NONE) {
        ret->kind = WAIT_DISK;
        snprintf(ret->waiting_for, sizeof ret->waiting_for, "a page of memory");
        return;
    }
    if (wait->syscall == SYS_futex) {
        describe_futex(names, wait, walk, ret);
        return;
    }
    if (wait_arguments_describe(names, wait, ret) || describe_file_lock(names, wait, ret)) return;
    for (size_t i = 0; i < CALL_ROWS; i++) {
        const struct call_row *row = &call_rows[i];

        if (row->number != wait->syscall) continue;
        ret->kind = row->kind;
        if (row->descriptor != NO_DESCRIPTOR) {
            describe_descriptor(names, wait->arguments[row->descriptor], row->what, ret);
        } else {
            snprintf(ret->waiting_for, sizeof ret->waiting_for, "%s", row->what);
        }
        return;
    }
}
