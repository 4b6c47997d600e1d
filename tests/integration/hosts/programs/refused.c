/* SPDX-License-Identifier: Apache-2.0 */
/* refused.c: a host whose policy (seccomp) refuses one system call of those that the probe makes.
 *
 *     HOST_MODE=CALL:WHEN            the call fails
 *     HOST_MODE=CALL:WHEN:kill       it kills the process; "trap": by a signal
 *
 * CALL "others": all calls that the probe does not make, by its own list.
 *
 *     early    for all threads, before the probe starts
 *     late     for all threads, while it watches
 *     thread   for the thread that makes the calls */
#include "tests/integration/hosts/programs/act.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { RUNS_MS = 200 }; /* the probe's threads have looked around */

static const struct {
    const char *name;
    unsigned number;
    unsigned error;
} calls[] = {
    { "process_vm_readv", SYS_process_vm_readv, EPERM },
    { "rt_tgsigqueueinfo", SYS_rt_tgsigqueueinfo, EPERM },
    { "rt_sigreturn", SYS_rt_sigreturn, EPERM },
    { "rt_sigtimedwait", SYS_rt_sigtimedwait, EPERM },
    { "tgkill", SYS_tgkill, EPERM },
    { "unshare", SYS_unshare, EPERM },
    { "close_range", SYS_close_range, ENOSYS },
    { "getpriority", SYS_getpriority, EPERM },
    { "setpriority", SYS_setpriority, EPERM },
    { "prctl", SYS_prctl, EPERM },
    { "pidfd_open", SYS_pidfd_open, EPERM },
    { "pidfd_getfd", SYS_pidfd_getfd, EPERM },
    { "getpeername", SYS_getpeername, EPERM },
    { "mincore", SYS_mincore, EPERM },
    { "pipe2", SYS_pipe2, EPERM },
    { "getrandom", SYS_getrandom, ENOSYS },
    { "openat", SYS_openat, EACCES },
    { "readlink", SYS_readlink, EACCES },
    { "pread64", SYS_pread64, EPERM },
    { "eventfd2", SYS_eventfd2, ENOSYS },
    { "poll", SYS_poll, EPERM },
    { "ppoll", SYS_ppoll, EPERM },
    { "socket", SYS_socket, EPERM },
    { "connect", SYS_connect, EPERM },
    { "sendto", SYS_sendto, EPERM },
    { "recvfrom", SYS_recvfrom, EPERM },
    { "getdents64", SYS_getdents64, EPERM },
    { "prlimit64", SYS_prlimit64, EPERM },
    { "fcntl", SYS_fcntl, EPERM },
    { "futex", SYS_futex, EPERM },
    { "gettid", SYS_gettid, EPERM },
    { "clock_gettime", SYS_clock_gettime, EPERM },
    { "sched_getaffinity", SYS_sched_getaffinity, EPERM },
    { "perf_event_open", SYS_perf_event_open, EPERM },
    { "madvise", SYS_madvise, EPERM },
};

static void filter_set(struct sock_fprog *program, unsigned flags)
{
    ACT_CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    ACT_CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, program) == 0);
}

static void refuse(unsigned number, unsigned answer, unsigned flags)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, answer),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof code / sizeof *code, code };

    filter_set(&program, flags);
}

/* A policy that allows what the probe says that it calls, and what this host does itself. */
static void refuse_others(unsigned answer, unsigned flags)
{
    static const unsigned allowed[] = {
#define VITAL(name, ...) SYS_##name,
#define SPARE(name, ...) SYS_##name,
#include "probe/agent/base/tried_calls.def"
#undef VITAL
#undef SPARE
        SYS_wait4, SYS_exit_group
    };
    enum { COUNT = sizeof allowed / sizeof *allowed };
    struct sock_filter code[COUNT + 3] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                                    offsetof(struct seccomp_data, nr)) };
    struct sock_fprog program = { COUNT + 3, code };

    for (int i = 0; i < COUNT; i++) {
        code[1 + i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i],
                                                   (unsigned char)(COUNT - i), 0);
    }
    code[1 + COUNT] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, answer);
    code[2 + COUNT] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter_set(&program, flags);
}

/* What becomes of the call. */
static unsigned answer_of(const char *mode, unsigned error)
{
    if (strstr(mode, ":kill")) return SECCOMP_RET_KILL_PROCESS;
    return strstr(mode, ":trap") ? SECCOMP_RET_TRAP : SECCOMP_RET_ERRNO | error;
}

static void refuse_by_name(unsigned flags)
{
    const char *mode = act_mode();
    size_t size = strcspn(mode, ":");

    if (strncmp(mode, "others:", strlen("others:")) == 0) {
        refuse_others(answer_of(mode, EPERM), flags);
        return;
    }
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (strlen(calls[i].name) == size && memcmp(calls[i].name, mode, size) == 0) {
            refuse(calls[i].number, answer_of(mode, calls[i].error), flags);
            return;
        }
    }
    act_fail("the name of a call", __FILE__, __LINE__);
}

static bool is_when(const char *when)
{
    const char *at = strchr(act_mode(), ':');

    return at && strncmp(at + 1, when, strlen(when)) == 0;
}

static void *caller_main(void *context)
{
    for (int i = 0; i < ACT_ROUNDS; i++) {
        struct act_call call = act_call_begin();

        act_spin_ms(ACT_CALL_MS / 2);
        act_rest_ms(ACT_CALL_MS / 2);
        act_call_end(&call, ACT_FIRST);
    }
    return context;
}

/* A thread that locked itself up. It asks for the time without a system call. */
static void *locked_main(void *context)
{
    struct act_call call = act_call_begin();

    act_call_end(&call, ACT_FIRST);
    refuse_by_name(0);
    for (int i = 0; i < ACT_ROUNDS; i++) {
        call = act_call_begin();
        while (act_goes_on(&call)) {
            /* It runs. */
        }
        act_call_end(&call, ACT_FIRST);
    }
    return context;
}

/* The probe's threads keep nothing open that the host closes: a pipe without a writer has ended. */
static void check_pipe(int ends[2])
{
    char byte;

    close(ends[1]);
    ACT_CHECK(read(ends[0], &byte, sizeof byte) == 0);
    close(ends[0]);
}

int main(void)
{
    pthread_t thread;
    int ends[2];
    bool is_skipped = ACT_IS_SANITIZED && strncmp(act_mode(), "others:", strlen("others:")) == 0;

    ACT_CHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    if (is_when("early") && !is_skipped) refuse_by_name(SECCOMP_FILTER_FLAG_TSYNC);
    act_begin_or_stay_off();
    if (is_skipped) act_skip("sanitizers make system calls of their own");
    check_pipe(ends);
    if (is_when("late")) {
        act_rest_ms(RUNS_MS);
        refuse_by_name(SECCOMP_FILTER_FLAG_TSYNC);
    }
    ACT_CHECK(pthread_create(&thread, NULL, is_when("thread") ? locked_main : caller_main, NULL) ==
              0);
    caller_main(NULL);
    pthread_join(thread, NULL);
    return act_end();
}
