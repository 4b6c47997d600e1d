/* SPDX-License-Identifier: Apache-2.0 */
/* What a page costs Redis, in commands, which no other process of the machine can change: of 20,000
 * tasks the first page as much as the last, whatever is asked for, and little more than it shows.
 * Times are bench_history's, over a million. */
#include "common/base/clock.h"
#include "tests/support/history_seed.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TASKS = 20000, STEP_MS = 1000, LIMIT = 10, TRIES = 5, COMMANDS_MORE_MAX = 20 };

static struct history_seed seed;

static int start(void **state)
{
    static char template[TASK_ID_SIZE + 1];
    char path[128];

    scheduler_setup_with_redis(state);
    scheduler_create_task("long", "", template);
    snprintf(path, sizeof path, "/api/v1/tasks/%s/cancel", template);
    json_decref(scheduler_ask(&(struct api_call){ .method = "POST", .path = path }, 200));
    seed = (struct history_seed){ .redis = &scheduler_redis,
                                  .application = "long",
                                  .template = template,
                                  .count = TASKS,
                                  .base_ms = ns_to_ms(clock_wall_ns()) - 2 * TASKS * STEP_MS,
                                  .step_ms = STEP_MS,
                                  .events = 3 };
    history_seed(&seed);
    return 0;
}

static long commands_of_redis(void)
{
    return strtol(
        redis_process_ask(&scheduler_redis, "info stats | sed -n 's/total_commands_processed://p'"),
        NULL, 10);
}

/* How many tasks it showed; the least commands of some tries, for the scheduler itself asks
 * something now and then. */
static size_t read_page(const char *path, long *ret_commands)
{
    size_t shown = 0;

    *ret_commands = LONG_MAX;
    for (int i = 0; i < TRIES; i++) {
        long before = commands_of_redis(), commands;
        json_t *page = scheduler_get(path);

        commands = commands_of_redis() - before;
        if (commands < *ret_commands) *ret_commands = commands;
        shown = json_array_size(json_object_get(page, "tasks"));
        json_decref(page);
    }
    return shown;
}

static void the_last_page_costs_what_the_first_costs(void **state)
{
    static const struct {
        const char *says, *query;
        size_t below; /* the number of the task below which there are as many as a page shows */
    } cases[] = {
        { "all", "", LIMIT },
        { "an application", "&application=long", LIMIT },
        { "a state", "&state=EXPIRED", LIMIT + 2 },
        { "a rare state", "&state=FILLED", 1000 * LIMIT },
        { "an interface", "&interface=GET%20/3", 20 * LIMIT },
        { "a rare interface", "&interface=GET%20/rare", 1000 * LIMIT },
        { "both", "&interface=GET%20/3&state=EXPIRED", 20 * LIMIT },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char path[256], cursor[TASK_ID_SIZE + 1];
        long first, last;

        snprintf(path, sizeof path, "/api/v1/tasks?limit=%d%s", LIMIT, cases[i].query);
        assert_int_equal(read_page(path, &first), LIMIT);
        history_seed_cursor(&seed, cases[i].below, cursor);
        snprintf(path, sizeof path, "/api/v1/tasks?limit=%d%s&cursor=%s", LIMIT, cases[i].query,
                 cursor);
        assert_int_equal(read_page(path, &last), LIMIT);
        printf("%s: %ld commands for the first page, %ld for the last\n", cases[i].says, first,
               last);
        assert_in_range(first, LIMIT, LIMIT + COMMANDS_MORE_MAX);
        assert_in_range(last, LIMIT, LIMIT + COMMANDS_MORE_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_page_costs_what_the_first_costs),
    };

    return cmocka_run_group_tests(tests, start, scheduler_teardown_with_redis);
}
