/* SPDX-License-Identifier: Apache-2.0 */
/* handover_test.c: a lock that changes hands thousands of times a second, and what is said of it.
 *
 * Each thread takes the lock in a function of its own, and holds it nowhere else: so an owner's
 * stack tells whether its thread held the lock at that moment. In between each runs or sleeps where
 * it does not hold it, which is what a wrong snapshot would show. */
#include "common/base/clock.h"
#include "probe/agent/engine/sampler.h"
#include "tests/integration/probe/owners/watched_call.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { HOLDERS = 4, CALL_MS = 4000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool is_over;
static _Atomic uint32_t tids[HOLDERS], handovers;

static void sleep_us(uint64_t us)
{
    struct timespec time = ns_to_timespec(us * NS_PER_US);

    nanosleep(&time, NULL);
}

static void spin_us(uint64_t us)
{
    uint64_t until_ns = clock_monotonic_ns() + us * NS_PER_US;

    while (clock_monotonic_ns() < until_ns) {
    }
}

/* Every way of holding: for a moment, running, asleep. */
static void hold(uint32_t turn)
{
    if (turn % 4 == 1) spin_us(turn % 300);
    if (turn % 4 == 3) sleep_us(turn % 100);
    atomic_fetch_add_explicit(&handovers, 1, memory_order_relaxed);
}

/* clang-format off */
#define HOLDER(name)                                             \
    static void __attribute__((noinline)) name(uint32_t turn)    \
    {                                                            \
        pthread_mutex_lock(&lock);                               \
        hold(turn);                                              \
        pthread_mutex_unlock(&lock);                             \
        __asm__ volatile("");                                    \
    }
HOLDER(hold_first)
HOLDER(hold_second)
HOLDER(hold_third)
HOLDER(hold_fourth)
/* clang-format on */

static void (*const holders[HOLDERS])(uint32_t) = { hold_first, hold_second, hold_third,
                                                    hold_fourth };

/* Also at once: an owner that gives the lock up may have it again before anybody else wakes. */
static void *holder_main(void *argument)
{
    size_t mine = (size_t)(uintptr_t)argument;

    atomic_store(&tids[mine], (uint32_t)syscall(SYS_gettid));
    for (uint32_t turn = (uint32_t)mine; !atomic_load(&is_over); turn += 7) {
        holders[mine](turn);
        if (turn % 3 == 0) spin_us(turn % 200);
        if (turn % 11 == 0) sleep_us(turn % 150);
    }
    return NULL;
}

struct tally {
    uint32_t waits, owners, stacks, right, cut, wrong;
};

static void tally_add(struct tally *tally, const struct sample *sample, uint32_t snapshot)
{
    const struct lock_owner *owner = sample_owner(sample, snapshot);
    size_t holder = 0;

    tally->waits += sample->snapshots[snapshot].wait == WAIT_LOCK;
    if (!owner) return;
    tally->owners++;
    while (holder < HOLDERS && atomic_load(&tids[holder]) != owner->thread_id) {
        holder++;
    }
    if (holder == HOLDERS) tally->wrong++;
    if (holder == HOLDERS || owner->stack == 0) return;
    tally->stacks++;
    if (stack_has(sample, owner->stack - 1, (const void *)(uintptr_t)holders[holder])) {
        tally->right++;
    } else if (stack_is_cut(sample, owner->stack - 1)) {
        tally->cut++;
    } else {
        tally->wrong++;
    }
}

static void an_owner_is_never_shown_where_it_holds_nothing(void **state)
{
    stakeout_interface_id interface = watched_interface("handover");
    uint64_t until_ns = clock_monotonic_ns() + CALL_MS * NS_PER_MS;
    OWN(sample_freep) struct sample *sample = NULL;
    pthread_t threads[HOLDERS];
    struct tally tally = { 0 };
    stakeout_call call;

    (void)state;
    for (size_t i = 0; i < HOLDERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, holder_main, (void *)(uintptr_t)i), 0);
    call = stakeout_call_begin(interface);
    while (clock_monotonic_ns() < until_ns) {
        pthread_mutex_lock(&lock);
        pthread_mutex_unlock(&lock);
    }
    stakeout_call_end(call, 0);
    atomic_store(&is_over, true);
    for (size_t i = 0; i < HOLDERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    sample = watched_sample();
    for (uint32_t i = 0; i < sample->snapshot_count; i++)
        tally_add(&tally, sample, i);
    print_message("  %u snapshots, %u waits, %u owners, %u stacks, %u right, %u cut, %u wrong; "
                  "%u turns\n",
                  sample->snapshot_count, tally.waits, tally.owners, tally.stacks, tally.right,
                  tally.cut, tally.wrong, atomic_load(&handovers));
    assert_int_equal(tally.wrong, 0);
    assert_true(tally.right >= 10);
    assert_true(tally.cut * 20 <= tally.stacks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_owner_is_never_shown_where_it_holds_nothing),
    };

    return cmocka_run_group_tests(tests, watched_start, watched_stop);
}
