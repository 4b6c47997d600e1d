/* SPDX-License-Identifier: Apache-2.0 */
/* The proof of allowance.h, tried: whatever is asked for, and whenever, ten seconds never hold more
 * than their share. */
#include "probe/agent/engine/allowance.h"

#include "tests/support/test.h"

#define MS     NS_PER_MS
#define START  (1000 * MS)
#define SHARE  10000     /* 1 % */
#define SECOND (10 * MS) /* what it gives in a second */

static void a_new_one_is_full_with_what_two_seconds_give(void **state)
{
    struct allowance allowance = { 0 };

    (void)state;
    allowance_refill(&allowance, SHARE, START);
    assert_true(allowance_covers(&allowance, SHARE, 2 * SECOND));
    allowance_spend(&allowance, SHARE, 1);
    assert_true(allowance_covers(&allowance, SHARE, 2 * SECOND - 1));
    assert_false(allowance_covers(&allowance, SHARE, 2 * SECOND));
}

static void it_covers_again_after_the_time_that_it_says_and_not_before(void **state)
{
    struct allowance allowance = { 0 };
    uint64_t wait_ns;

    (void)state;
    allowance_refill(&allowance, SHARE, START);
    allowance_spend(&allowance, SHARE, 2 * SECOND);
    wait_ns = allowance_wait_ns(&allowance, SHARE, 3 * MS);
    assert_in_range(wait_ns, 400 * MS, 400 * MS + 1);
    allowance_refill(&allowance, SHARE, START + wait_ns - 1000);
    assert_false(allowance_covers(&allowance, SHARE, 3 * MS));
    allowance_refill(&allowance, SHARE, START + wait_ns + 1000);
    assert_true(allowance_covers(&allowance, SHARE, 3 * MS));
}

static void a_debt_is_bounded_by_what_ten_seconds_give(void **state)
{
    struct allowance allowance = { 0 };

    (void)state;
    allowance_refill(&allowance, SHARE, START);
    allowance_spend(&allowance, SHARE, UINT64_MAX);
    assert_in_range(allowance_wait_ns(&allowance, SHARE, 0), 0, 10000 * MS + 1);
    assert_false(allowance_covers(&allowance, SHARE, 0));
    allowance_refill(&allowance, SHARE, START + 10000 * MS);
    assert_true(allowance_covers(&allowance, SHARE, 0));
}

static void what_costs_more_than_a_full_one_asks_for_a_full_one(void **state)
{
    struct allowance allowance = { 0 };

    (void)state;
    allowance_refill(&allowance, SHARE, START);
    assert_true(allowance_covers(&allowance, SHARE, UINT64_MAX));
    allowance_spend(&allowance, SHARE, 1000);
    assert_false(allowance_covers(&allowance, SHARE, UINT64_MAX));
}

static void times_too_short_to_give_anything_add_up(void **state)
{
    struct allowance allowance = { 0 };

    (void)state;
    allowance_refill(&allowance, SHARE, START);
    allowance_spend(&allowance, SHARE, 2 * SECOND);
    for (uint64_t i = 1; i <= 100 * MS / 50; i++) {
        allowance_refill(&allowance, SHARE, START + 50 * i);
    }
    assert_true(allowance_covers(&allowance, SHARE, SECOND / 10 * 3 / 5)); /* 3/4, less rounding */
}

/* The worst that can ask: always, at once, again; and what it asks for turns out dearer. */
static void no_ten_seconds_hold_more_than_their_share(void **state)
{
    enum { EVENTS = 400000 };
    static uint64_t at[EVENTS], sums[EVENTS + 1];
    uint64_t seed = 0x5eed, now_ns = START;
    struct allowance allowance = { 0 };
    uint32_t first = 0;

    (void)state;
    for (uint32_t i = 0; i < EVENTS; i++) {
        uint64_t r = seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t expected_ns = 1000 + (r >> 40) % 90000, really_ns = expected_ns * 2;

        now_ns += (r >> 20) % 7 == 0 ? (r >> 30) % (20 * MS) : (r >> 30) % 2000;
        if ((r >> 24) % 50000 == 0) now_ns += 5000 * MS; /* a rest, and then a burst */
        allowance_refill(&allowance, SHARE, now_ns);
        if (!allowance_covers(&allowance, SHARE, expected_ns)) really_ns = 0;
        allowance_spend(&allowance, SHARE, really_ns);
        at[i] = now_ns;
        sums[i + 1] = sums[i] + really_ns;
        while (at[first] + ALLOWANCE_WINDOW_NS < now_ns) {
            first++;
        }
        assert_in_range(sums[i + 1] - sums[first], 0, 10 * SECOND);
    }
    assert_true(sums[EVENTS] > 0 && first > 0);
    /* And it is used: three quarters and more of it, in the long run. */
    assert_true(sums[EVENTS] > (now_ns - START) / 1000000 * SHARE / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_one_is_full_with_what_two_seconds_give),
        cmocka_unit_test(it_covers_again_after_the_time_that_it_says_and_not_before),
        cmocka_unit_test(a_debt_is_bounded_by_what_ten_seconds_give),
        cmocka_unit_test(what_costs_more_than_a_full_one_asks_for_a_full_one),
        cmocka_unit_test(times_too_short_to_give_anything_add_up),
        cmocka_unit_test(no_ten_seconds_hold_more_than_their_share),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
