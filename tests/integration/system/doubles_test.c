/* SPDX-License-Identifier: Apache-2.0 */
/* doubles_test.c: a second scheduler on the state directory of one that runs refuses, and says
 * whose it is; the first one loses nothing by it, neither its Redis nor a sample. A second one
 * that does not refuse does not end: then the time of the test does. */
#include "tests/integration/system/house_fixture.h"
#include "tests/integration/system/reporters.h"
#include "tests/support/test.h"

#include "common/base/own.h"

#include <stdio.h>
#include <string.h>

static struct reporters reporters;

static void assert_refused(void)
{
    static const char *const words[] = { "--listen", "127.0.0.1:0", NULL };
    OWN(buf_done) struct buf log = BUF_INIT(SCHEDULER_LOG_SIZE_MAX);
    char output[64], owner[128];

    assert_int_equal(scheduler_process_command(&house.scheduler, words, output, sizeof output), 1);
    scheduler_process_read_log(&house.scheduler, &log);
    snprintf(owner, sizeof owner, "is in use by another stakeoutd, process %d",
             (int)house.scheduler.pid);
    if (!strstr(log.data, owner)) fail_msg("nobody said '%s' in:\n%s", owner, log.data);
}

static void a_second_one_on_the_same_directory_refuses(void **state)
{
    (void)state;
    reporters_start(&reporters, &house, "reports");
    reporters_allow(&reporters, REPORTERS_CAP / 2);
    assert_refused(); /* after some patience: the one before may be about to end */
    reporters_allow(&reporters, REPORTERS_ALL);
    assert_true(reporters_await_full(&reporters));
    reporters_stop(&reporters);
    reporters_assert_nothing_was_lost(&reporters);
    assert_int_equal(reporters.again_count, 0);
    printf("the second refused; %d reports acknowledged to the first, none sent again\n",
           REPORTERS_CAP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_one_on_the_same_directory_refuses),
    };

    return cmocka_run_group_tests(tests, house_setup, house_teardown);
}
