/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/probe/refusal.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <unistd.h>

enum { FAILED = 5, USER_FIRST = 1 << 24 }; /* users past 16 million are nobody's */

void refuse_calls(unsigned one, unsigned other, unsigned error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, one, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, other, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof code / sizeof *code, code };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) _exit(FAILED);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) _exit(FAILED);
}

int refuse_threads_past(unsigned count)
{
    struct rlimit limit = { count, count };
    uid_t user = USER_FIRST + (uid_t)getpid();
    int could_choose = geteuid() == 0;

    if (could_choose && setresuid(user, user, user) < 0) _exit(FAILED);
    /* What other users may not look into, it may not either: its own /proc above all. */
    if (could_choose) prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    if (setrlimit(RLIMIT_NPROC, &limit) < 0) _exit(FAILED);
    return could_choose;
}
