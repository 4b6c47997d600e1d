/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/hot/wake.h"

#include "common/base/clock.h"
#include "probe/hot/memory.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint32_t *wake_word(void)
{
    return (uint32_t *)&hot.wakes;
}

void wake_sampler(void)
{
    int error = errno;

    /* Sequentially consistent, as is the sampler's pair in wake_wait(): either it sees the new
     * count and does not sleep, or we see that it sleeps. */
    atomic_fetch_add_explicit(&hot.wakes, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&hot.sampler_sleeps, memory_order_seq_cst))
        syscall(SYS_futex, wake_word(), FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    errno = error;
}

uint32_t wake_now(void)
{
    return atomic_load_explicit(&hot.wakes, memory_order_acquire);
}

void wake_wait(uint32_t seen, uint64_t deadline_monotonic_ns)
{
    struct timespec until = ns_to_timespec(deadline_monotonic_ns);

    atomic_store_explicit(&hot.sampler_sleeps, true, memory_order_seq_cst);
    if (atomic_load_explicit(&hot.wakes, memory_order_seq_cst) == seen) {
        /* FUTEX_WAIT_BITSET takes an absolute time of CLOCK_MONOTONIC. */
        syscall(SYS_futex, wake_word(), FUTEX_WAIT_BITSET_PRIVATE, seen, &until, NULL,
                FUTEX_BITSET_MATCH_ANY);
    }
    atomic_store_explicit(&hot.sampler_sleeps, false, memory_order_relaxed);
}
