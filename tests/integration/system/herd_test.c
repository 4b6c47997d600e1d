/* SPDX-License-Identifier: Apache-2.0 */
/* herd_test.c [INSTANCES [KILLS]]: a scheduler is killed while a herd waits at it for tasks, and
 * all of them come back in the moment that there is one again.
 *
 * Then: all of them are served again, and hear of the next task; an operator is answered while they
 * come; a real host's calls are sampled; and no sample that was acknowledged is lost. */
#include "tests/integration/system/herd.h"
#include "tests/integration/system/house_fixture.h"
#include "tests/integration/system/reporters.h"
#include "tests/support/api_client.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include "common/base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { PATIENCE_MS = 120000, SAMPLES = 3 };

static size_t instances = 500; /* where the command line says nothing */
static unsigned kills = 2;

static struct herd *herd;
static struct reporters reporters;

/* What an operator asks while they come, and how long that took. */
static struct {
    unsigned count;
    uint64_t slowest_ns;
} asked;

static void ask_as_operator(const struct task_id *task)
{
    uint64_t from_ns = clock_monotonic_ns(), ns;

    json_decref(house_get(&house, "/api/v1/tasks/%s", task->text));
    ns = clock_monotonic_ns() - from_ns;
    asked.count++;
    if (ns > asked.slowest_ns) asked.slowest_ns = ns;
}

static bool all_are_parked(void *context)
{
    ask_as_operator(context);
    return api_metric(house.scheduler.port, "stakeout_polls_parked") >= (double)instances;
}

static bool all_are_told(void *context)
{
    return herd_told_count(herd, *(uint32_t *)context) == instances;
}

static void await_parked(struct task_id *task)
{
    if (!wait_until(all_are_parked, task, PATIENCE_MS))
        fail_msg("only %g of %zu polls are parked",
                 api_metric(house.scheduler.port, "stakeout_polls_parked"), instances);
}

/* One more task, and everybody knows. */
static void order_for_all(uint32_t task_count, struct task_id *ret)
{
    char interface[32];

    snprintf(interface, sizeof interface, "GET /herd/%" PRIu32, task_count);
    house_order(&house, &(struct order){ .application = "herd", .interface = interface }, ret);
    if (!wait_until(all_are_told, &task_count, PATIENCE_MS))
        fail_msg("only %zu of %zu know of %" PRIu32 " tasks; of %g connections %g polls are parked",
                 herd_told_count(herd, task_count), instances, task_count,
                 api_metric(house.scheduler.port, "stakeout_http_connections"),
                 api_metric(house.scheduler.port, "stakeout_polls_parked"));
}

static void kill_it(struct task_id *task)
{
    struct herd_figures before = herd_figures(herd), after;
    uint64_t killed_ns;

    asked.count = 0, asked.slowest_ns = 0;
    house_kill(&house, HOUSE_SCHEDULER);
    killed_ns = clock_monotonic_ns();
    house_recover(&house);
    await_parked(task);
    after = herd_figures(herd);
    printf("%zu instances: %" PRIu32 " connections lost, all parked again %.1f s after the kill; "
           "%" PRIu32 " polls refused, %u requests of an operator answered meanwhile, the slowest "
           "in %.0f ms\n",
           instances, after.lost - before.lost,
           (double)(clock_monotonic_ns() - killed_ns) / (double)NS_PER_S,
           after.refused - before.refused, asked.count,
           (double)asked.slowest_ns / (double)NS_PER_MS);
    assert_true(after.lost - before.lost >= instances);
}

static void assert_host_is_served(void)
{
    struct host_process *host = house_host(&house, "shop", "host-1");
    struct task_id task;

    assert_string_equal(host_process_ask(host, "run 2 5 GET /x"), "running");
    house_order(&house, &(struct order){ .interface = "GET /x", .sample_cap = SAMPLES }, &task);
    house_wait_armed(&house, &task, 1);
    assert_string_equal(host_process_ask(host, "slow 3 400"), "done");
    house_wait_state(&house, &task, "FILLED", PATIENCE_MS);
    host_process_end(host);
}

static void all_come_back_at_once_and_are_served(void **state)
{
    struct task_id task;

    (void)state;
    reporters_start(&reporters, &house, "reports");
    herd = herd_start(house.scheduler.port, "herd", instances);
    order_for_all(1, &task);
    await_parked(&task);
    for (unsigned kill = 1; kill <= kills; kill++) {
        unsigned taken = kill * REPORTERS_CAP / (kills + 1);

        reporters_allow(&reporters, taken);
        assert_true(reporters_await_allowed(&reporters));
        reporters_allow(&reporters, taken + REPORTERS_COUNT); /* some are under way */
        kill_it(&task);
        order_for_all(kill + 1, &task);
        await_parked(&task);
    }
    assert_host_is_served();
    reporters_allow(&reporters, REPORTERS_ALL);
    assert_true(reporters_await_full(&reporters));
    reporters_stop(&reporters);
    reporters_assert_nothing_was_lost(&reporters);
    printf("%d samples acknowledged meanwhile: none lost, none twice; reports sent again %u\n",
           REPORTERS_CAP, reporters.again_count);
    herd_stop(herd);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_come_back_at_once_and_are_served),
    };

    if (argc > 1) instances = strtoul(argv[1], NULL, 10);
    if (argc > 2) kills = (unsigned)strtoul(argv[2], NULL, 10);
    house_allow_descriptors();
    return cmocka_run_group_tests(tests, house_setup, house_teardown);
}
