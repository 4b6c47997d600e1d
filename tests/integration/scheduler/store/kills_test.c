/* SPDX-License-Identifier: Apache-2.0 */
/* Ten times kill -9 of Redis under load, with appendfsync always and reports that are sent again
 * until they are acknowledged: nothing that was acknowledged is lost, nothing is counted twice,
 * the cap is exact. */
#include "tests/integration/scheduler/store/storm.h"
#include "tests/support/test.h"

enum { KILLS = 10 };

static void ten_kills_lose_nothing_and_count_nothing_twice(void **state)
{
    struct fixture *fixture = fixture_new("appendonly yes\nappendfsync always\n");
    struct storm *storm = storm_new(fixture);

    (void)state;
    for (unsigned kill = 0; kill < KILLS; kill++) {
        storm_until(storm, (kill + 1) * (STORM_CAP / (KILLS + 1)));
        redis_process_kill(&fixture->redis); /* with up to STORM_SENDERS reports under way */
        fixture_wait_down(fixture);
        redis_process_restart(&fixture->redis);
        fixture_wait_ready(fixture);
    }
    storm_end(storm);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_kills_lose_nothing_and_count_nothing_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
