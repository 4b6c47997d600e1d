/* SPDX-License-Identifier: Apache-2.0 */
/* unfinished.c: the places, each of one thread, and what the sampler sees of them.
 *
 * A view is a sequence lock of one writer: the version is odd while it is to be believed, and only
 * its thread's handler changes it. */
#include "probe/hot/unfinished.h"

#include "probe/hot/memory.h"
#include "probe/hot/slot.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { STACK_SIZE_MIN = 24576 }; /* two of the kernel's frames at their largest, and a handler */

struct unfinished *unfinished_take(void)
{
    uint32_t tid = (uint32_t)syscall(SYS_gettid);

    for (uint32_t wanted = tid;; wanted = 0) {
        for (int i = 0; i < UNFINISHED_MAX; i++) {
            uint32_t holder = wanted;

            if (atomic_compare_exchange_strong_explicit(&hot.unfinished[i].tid, &holder, tid,
                                                        memory_order_acquire, memory_order_relaxed))
                return &hot.unfinished[i];
        }
        if (wanted == 0) return NULL;
    }
}

void unfinished_show(struct unfinished *unfinished, const struct made_call *call,
                     const ucontext_t *context)
{
    /* Left odd if a jump left it behind: then nobody believes it while it is written anew. */
    atomic_fetch_and_explicit(&unfinished->version, ~1u, memory_order_relaxed);
    atomic_thread_fence(memory_order_release); /* pairs with the acquire in unfinished_read() */
    unfinished->view.call = *call;
    stack_copy_registers(context, unfinished->view.registers);
    atomic_fetch_add_explicit(&unfinished->version, 1, memory_order_release);
}

void unfinished_give_back(struct unfinished *unfinished)
{
    atomic_fetch_add_explicit(&unfinished->version, 1, memory_order_release);
    atomic_store_explicit(&unfinished->tid, 0, memory_order_release);
}

uint64_t unfinished_mask(const ucontext_t *context)
{
    uint64_t mask;

    /* The kernel's set is the first word of the C library's. */
    memcpy(&mask, &context->uc_sigmask, sizeof mask);
    return mask | UINT64_C(1) << (stack_copy_signal() - 1);
}

bool unfinished_has_stack(const ucontext_t *context, uint64_t low)
{
    uint64_t here = (uint64_t)(uintptr_t)__builtin_frame_address(0);
    uint64_t of_signals = (uint64_t)(uintptr_t)context->uc_stack.ss_sp;

    if (here - of_signals < context->uc_stack.ss_size) low = of_signals;
    return low == 0 || here - low >= STACK_SIZE_MIN;
}

void unfinished_sweep(void)
{
    for (int i = 0; i < UNFINISHED_MAX; i++) {
        struct unfinished *unfinished = &hot.unfinished[i];
        uint32_t tid = atomic_load_explicit(&unfinished->tid, memory_order_acquire);

        if (tid == 0 || !thread_is_gone(tid)) continue;
        if (atomic_load_explicit(&unfinished->held.fd, memory_order_relaxed) != 0)
            atomic_store_explicit(&hot.has_left_files, true, memory_order_relaxed);
        atomic_compare_exchange_strong_explicit(&unfinished->tid, &tid, 0, memory_order_release,
                                                memory_order_relaxed);
    }
}

bool unfinished_read(uint32_t tid, struct unfinished_view *ret)
{
    for (int i = 0; i < UNFINISHED_MAX; i++) {
        struct unfinished *unfinished = &hot.unfinished[i];
        uint32_t version = atomic_load_explicit(&unfinished->version, memory_order_acquire);

        if (atomic_load_explicit(&unfinished->tid, memory_order_relaxed) != tid) continue;
        if (version % 2 == 0) continue;
        *ret = unfinished->view;
        atomic_thread_fence(memory_order_acquire); /* pairs with the release in unfinished_show() */
        if (atomic_load_explicit(&unfinished->version, memory_order_relaxed) == version)
            return true;
    }
    return false;
}
