/* SPDX-License-Identifier: Apache-2.0 */
/* index_stack.h: a lock-free stack of indices into an array, for free slots and free records.
 *
 * The head is one word: a tag that every change raises, and the top's index + 1 (0: empty). The tag
 * makes a top that was popped and pushed again a different head. The links lie in the elements;
 * a reader may find a link that is being reused, and its exchange then fails on the tag.
 *
 * Threads: any. Async-signal-safe, and never waits: the exchange fails only when another one
 * succeeded. */
#ifndef STAKEOUT_PROBE_HOT_INDEX_STACK_H
#define STAKEOUT_PROBE_HOT_INDEX_STACK_H

#include <stdatomic.h>
#include <stdint.h>

#define INDEX_NONE UINT32_MAX

/* Where the link of the element `index` lies. */
typedef _Atomic uint32_t *(*index_link_fn)(uint32_t index);

static inline void index_stack_push(_Atomic uint64_t *head, index_link_fn link, uint32_t index)
{
    uint64_t old = atomic_load_explicit(head, memory_order_relaxed), new;

    do {
        atomic_store_explicit(link(index), (uint32_t)old, memory_order_relaxed);
        new = ((old >> 32) + 1) << 32 | (index + 1);
    } while (!atomic_compare_exchange_weak_explicit(head, &old, new, memory_order_release,
                                                    memory_order_relaxed));
}

static inline uint32_t index_stack_pop(_Atomic uint64_t *head, index_link_fn link)
{
    uint64_t old = atomic_load_explicit(head, memory_order_acquire), new;

    do {
        if ((uint32_t)old == 0) return INDEX_NONE;
        new = ((old >> 32) + 1) << 32 |
              atomic_load_explicit(link((uint32_t)old - 1), memory_order_relaxed);
    } while (!atomic_compare_exchange_weak_explicit(head, &old, new, memory_order_acquire,
                                                    memory_order_acquire));
    return (uint32_t)old - 1;
}

#endif
