/* SPDX-License-Identifier: Apache-2.0 */
/* refused.c: a host whose policy (seccomp) refuses one system call of those that our threads use:
 * HOST_MODE says which, "NAME:early" before the probe starts, or "NAME:late" while it watches. */
#include "tests/integration/hosts/programs/act.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
    const char *name;
    unsigned number;
    unsigned error;
} calls[] = {
    { "process_vm_readv", SYS_process_vm_readv, EPERM },
    { "rt_tgsigqueueinfo", SYS_rt_tgsigqueueinfo, EPERM },
    { "tgkill", SYS_tgkill, EPERM },
    { "unshare", SYS_unshare, EPERM },
    { "close_range", SYS_close_range, ENOSYS },
    { "setpriority", SYS_setpriority, EPERM },
    { "getrandom", SYS_getrandom, ENOSYS },
    { "openat", SYS_openat, EACCES },
    { "pread64", SYS_pread64, EPERM },
    { "eventfd2", SYS_eventfd2, ENOSYS },
    { "poll", SYS_poll, EPERM },
    { "sched_getaffinity", SYS_sched_getaffinity, EPERM },
    { "perf_event_open", SYS_perf_event_open, EPERM },
    { "madvise", SYS_madvise, EPERM },
};

static void refuse(unsigned number, unsigned error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof code / sizeof *code, code };

    ACT_CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    ACT_CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) ==
              0);
}

static void refuse_by_name(const char *mode)
{
    size_t size = strcspn(mode, ":");

    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (strlen(calls[i].name) == size && memcmp(calls[i].name, mode, size) == 0) {
            refuse(calls[i].number, calls[i].error);
            return;
        }
    }
    act_fail("the name of a call", __FILE__, __LINE__);
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

int main(void)
{
    const char *when = strchr(act_mode(), ':');
    pthread_t thread;

    if (when && strcmp(when, ":early") == 0) refuse_by_name(act_mode());
    act_begin();
    if (when && strcmp(when, ":late") == 0) refuse_by_name(act_mode());
    ACT_CHECK(pthread_create(&thread, NULL, caller_main, NULL) == 0);
    caller_main(NULL);
    pthread_join(thread, NULL);
    return act_end();
}
