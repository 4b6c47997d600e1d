/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/intake/retry_after.h"

#include "tests/support/test.h"

#include <stdbool.h>

static void the_spread_goes_with_the_fleet(void **state)
{
    static const struct {
        const char *says;
        size_t instance_count;
        uint32_t latest_s;
    } fleets[] = {
        { "nobody is known yet", 0, 1 },
        { "three", 3, 1 },
        { "as many as may wait at once, less one", RETRY_PER_SECOND_MAX - 1, 1 },
        { "as many as may wait at once", RETRY_PER_SECOND_MAX, 2 },
        { "eight thousand", 8192, RETRY_AFTER_S_MAX },
        { "more than can be", SIZE_MAX, RETRY_AFTER_S_MAX },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(fleets); i++) {
        uint32_t seen[RETRY_AFTER_S_MAX + 2] = { 0 };

        for (uint64_t random = 0; random < 1000; random++) {
            uint32_t after_s = retry_after_s(fleets[i].instance_count, random);

            if (after_s < 1 || after_s > fleets[i].latest_s)
                fail_msg("%s: %u s", fleets[i].says, (unsigned)after_s);
            seen[after_s]++;
        }
        for (uint32_t s = 1; s <= fleets[i].latest_s; s++) { /* each second has its share */
            if (seen[s] < 1000 / fleets[i].latest_s)
                fail_msg("%s: %u come after %u s", fleets[i].says, (unsigned)seen[s], (unsigned)s);
        }
    }
}

/* Of those who are refused at once, hardly more come back in a second than may wait then. */
static void no_second_is_crowded(void **state)
{
    (void)state;
    for (size_t count = 1; count < (size_t)RETRY_AFTER_S_MAX * RETRY_PER_SECOND_MAX; count += 97) {
        size_t seen[RETRY_AFTER_S_MAX + 1] = { 0 };

        for (uint64_t i = 0; i < count; i++) {
            seen[retry_after_s(count, i)]++;
        }
        for (size_t s = 1; s <= RETRY_AFTER_S_MAX; s++) {
            assert_true(seen[s] <= RETRY_PER_SECOND_MAX);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_spread_goes_with_the_fleet),
        cmocka_unit_test(no_second_is_crowded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
