/* SPDX-License-Identifier: Apache-2.0 */
/* rest.c: waits on in the signal handler.
 *
 * INVARIANT: between the host's call and restart_syscall, nothing of ours waits in a way that the
 * kernel would keep in the same place; and none of the host's handlers returns unnoticed: their
 * return clears the place. So what is made to go on is the host's call, or nothing. */
#include "probe/hot/rest.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SIGNALS_SIZE = 8 }; /* bytes of the kernel's signal set */

static _Atomic bool is_rest_allowed; /* outlives forks, as filters of system calls do */

void rest_allow(bool is_allowed)
{
    atomic_store_explicit(&is_rest_allowed, is_allowed, memory_order_relaxed);
}

struct unfinished *rest_begin(const struct made_call *call, const ucontext_t *context)
{
    struct unfinished *rest;

    if (!atomic_load_explicit(&is_rest_allowed, memory_order_relaxed)) return NULL;
    rest = unfinished_take();
    if (rest) unfinished_show(rest, call, context);
    return rest;
}

static void mask_set(uint64_t mask)
{
    syscall(SYS_rt_sigprocmask, (long)SIG_SETMASK, &mask, NULL, (long)SIGNALS_SIZE);
}

void rest_wait(struct unfinished *rest, ucontext_t *context)
{
    long rc;

    mask_set(unfinished_mask(context));
    rc = syscall(SYS_restart_syscall);
    context->uc_mcontext.gregs[REG_RAX] = rc < 0 ? -errno : rc;
    mask_set(UINT64_MAX);
    unfinished_give_back(rest);
}
