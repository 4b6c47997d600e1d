/* SPDX-License-Identifier: Apache-2.0 */
/* filter_trial.c: one child after the other; each begins behind the call at which the one before
 * it died.
 *
 * WHICH CALL MAKES THE CHILD. A filter may kill that, too. clone3 is what the C library makes
 * threads by; its flags are in memory, where a filter cannot look: one that allows our threads
 * allows the child. Where clone3 is answered with an error (a container's filter does, so that the
 * flags of clone can be looked at), clone makes it, but only under filters that the program was
 * begun with. A program that has set its own may have forbidden itself just that.
 *
 * WHY IT IS A COPY. A child that shares the memory (as of vfork) is cheaper, but up to Linux 5.15
 * one that dumps core takes all with it that have the same memory, and to be killed by a filter is
 * to dump core.
 *
 * The child makes system calls and nothing else: its C library believes to be the parent. */
#include "probe/agent/base/filter_trial.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    SIGNALS_SIZE = 8, /* bytes of the kernel's signal set */
    NO_FILE = -1,
    NO_PROCESS = 0x7fffffff, /* above what a kernel gives */
    NO_TLS = -1,             /* clone refuses it, after the filter has let it pass */
    RESTORER = 0x04000000,   /* SA_RESTORER */
};

#define NOTHING 0L

/* As glibc makes threads where there is no clone3. */
#define THREAD_FLAGS                                                                    \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_SIGHAND | CLONE_THREAD | \
     CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

struct kernel_action {
    void (*handler)(int number);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

static const struct rlimit tried_core = { 1, 1 }; /* 1: also none to a program that takes dumps */
static const struct timespec tried_time;
static const uint64_t tried_word; /* a futex; an empty set of signals */

/* What the child is at. Shared with it, and kept for the next trial. */
static volatile uint32_t *progress;

static const char *const names[TRIED_CALLS] = {
#define VITAL(name, ...) #name,
#define SPARE(name, ...) #name,
#include "probe/agent/base/tried_calls.def"
#undef VITAL
#undef SPARE
};

static const bool vital[TRIED_CALLS] = {
#define VITAL(name, ...) [TRIED_##name] = true,
#define SPARE(name, ...)
#include "probe/agent/base/tried_calls.def"
#undef VITAL
#undef SPARE
};

bool filter_trial_is_vital(enum tried_call call)
{
    return vital[call];
}

const char *filter_trial_name(enum tried_call call)
{
    return names[call];
}

/* ---- in the child ---- */

__attribute__((naked)) static void return_from_signal(void)
{
    __asm__ volatile("mov %0, %%eax\n\tsyscall" : : "i"(SYS_rt_sigreturn));
}

static void on_try(int number)
{
    (void)number;
    *progress = TRIED_rt_sigreturn; /* is what comes next */
}

/* A signal to itself, as our handler will get it, and the return from it. */
static void try_signal(void)
{
    struct kernel_action action = { on_try, RESTORER, return_from_signal, 0 };
    uint64_t ours = UINT64_C(1) << (SIGURG - 1);
    siginfo_t info = { .si_signo = SIGURG, .si_code = SI_QUEUE };
    long pid = syscall(SYS_getpid);

    syscall(SYS_rt_sigaction, SIGURG, &action, NOTHING, SIGNALS_SIZE);
    syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &ours, NOTHING, SIGNALS_SIZE);
    syscall(SYS_rt_tgsigqueueinfo, pid, pid, SIGURG, &info);
}

/* As glibc: clone only where clone3 is not known. */
static void try_thread(void)
{
    if (syscall(SYS_clone3, NOTHING, NOTHING) < 0 && errno == ENOSYS)
        syscall(SYS_clone, THREAD_FLAGS, NOTHING, NOTHING, NOTHING, (long)NO_TLS);
}

#define CALL_WITH_SIX(number, a, b, c, d, e, f, ...) syscall(number, a, b, c, d, e, f)

static void try_call(enum tried_call call)
{
    switch (call) {
#define VITAL(name, ...) SPARE(name, __VA_ARGS__)
#define SPARE(name, ...)                                                                         \
    case TRIED_##name:                                                                           \
        CALL_WITH_SIX(SYS_##name, __VA_ARGS__, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, 0L); \
        break;
#include "probe/agent/base/tried_calls.def"
#undef VITAL
#undef SPARE
    case TRIED_CALLS:
        break;
    }
}

static void child_run(uint32_t first)
{
    for (uint32_t call = first; call < TRIED_CALLS; call++) {
        *progress = call;
        if (call == TRIED_rt_tgsigqueueinfo) {
            try_signal();
        } else if (call == TRIED_clone3) {
            try_thread();
        } else if (call != TRIED_rt_sigreturn) {
            try_call((enum tried_call)call);
        }
    }
}

/* ---- in the parent ---- */

static long child_make(bool is_inherited)
{
    struct clone_args arguments = { 0 };
    long pid = syscall(SYS_clone3, &arguments, sizeof arguments);

    if (pid < 0 && is_inherited) pid = syscall(SYS_clone, NOTHING, NOTHING, NOTHING, NOTHING, 0L);
    return pid < 0 ? -errno : pid;
}

/* Runs one child from `first` on. Returns where it died; TRIED_CALLS: it did not; or -errno. */
static int child_try(bool is_inherited, uint32_t first)
{
    long pid = child_make(is_inherited), rc;
    int status = 0;

    if (pid < 0) return (int)pid;
    if (pid == 0) {
        child_run(first);
        for (;;) {
            syscall(SYS_exit_group, 0L);
        }
    }
    do {
        rc = syscall(SYS_wait4, pid, &status, (long)__WALL, NOTHING);
    } while (rc < 0 && errno == EINTR);
    /* Where somebody else waited for it: one that came to its last call ended by that. */
    if (*progress == TRIED_exit && (rc < 0 || WIFEXITED(status))) return TRIED_CALLS;
    return (int)*progress;
}

static int try_all(bool is_inherited, bool ret_killed[TRIED_CALLS])
{
    uint32_t first = 0;

    memset(ret_killed, 0, TRIED_CALLS * sizeof *ret_killed);
    while (first < TRIED_CALLS) {
        int at = child_try(is_inherited, first);

        if (at < 0) return at;
        if (at == TRIED_CALLS) break;
        ret_killed[at] = true;
        first = (uint32_t)at + 1;
    }
    return 0;
}

int filter_trial(bool is_inherited, bool ret_killed[TRIED_CALLS])
{
    sigset_t all, before;
    int rc;

    if (!progress) {
        void *page =
            mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        if (page == MAP_FAILED) return -errno;
        progress = page;
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = try_all(is_inherited, ret_killed);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}
