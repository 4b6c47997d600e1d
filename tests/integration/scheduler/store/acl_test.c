/* SPDX-License-Identifier: Apache-2.0 */
/* The user of Redis' ACL that scheduler/PRODUCTION.md recommends may do all that we do: its rule is
 * read from there. */
#include <stdio.h>
#include <string.h>

#include "tests/integration/scheduler/store/store_fixture.h"
#include "tests/support/test.h"

/* "user stakeout on >PASSWORD ...\n" */
static void read_rule(char *ret, int size)
{
    FILE *page = fopen(PRODUCTION_PAGE, "re");
    bool found = false;

    assert_non_null(page);
    while (!found && fgets(ret, size, page)) {
        found = strncmp(ret, "    user stakeout on >PASSWORD ", 31) == 0;
    }
    fclose(page);
    assert_true(found);
}

static struct fixture *join_as_user(struct fixture *host)
{
    char rule[256], config[512];

    read_rule(rule, sizeof(rule));
    snprintf(config, sizeof(config), "user default off\n%s\n", rule + strspn(rule, " "));
    redis_process_start(&host->redis, config);
    snprintf(host->redis.url, sizeof(host->redis.url), "redis+unix://stakeout:PASSWORD@%s",
             host->redis.socket);
    return fixture_join(host);
}

struct answers {
    unsigned count;
    char says[PROBLEM_DETAIL_SIZE];
};

static bool all_came(struct fixture *fixture, void *context)
{
    (void)fixture;
    return ((struct answers *)context)->count == 3;
}

static void note(void *context, const struct problem *problem)
{
    struct answers *answers = context;

    answers->count++;
    if (problem) memcpy(answers->says, problem->detail, sizeof(answers->says));
}

static void on_trimmed(void *context, const struct store_trimmed *trimmed,
                       const struct problem *problem)
{
    (void)trimmed;
    note(context, problem);
}

static void the_user_that_is_recommended_may_do_all_that_we_do(void **state)
{
    struct fixture host = { .base = NULL };
    struct fixture *fixture = join_as_user(&host);
    struct task_spec spec = spec_of("shop", "GET /");
    struct task task = create_ok(fixture, &spec);
    struct sample *sample = sample_of(&task);
    struct task_ledger row = { .task = task.id, .incarnation = 7 };
    struct answers answers = { 0 };
    struct store_health health;

    (void)state;
    assert_int_equal(report(fixture, sample).outcome, REPORT_ACCEPTED);
    assert_int_equal(extend(fixture, &task.id).code, PROBLEM_NONE);
    store_ledger_put(fixture->store, TEXT("shop"), &row, note, &answers);
    store_gone(fixture->store, TEXT("shop"), &task.id, (struct store_departure){ .incarnation = 7 },
               note, &answers);
    assert_int_equal(cancel(fixture, &task.id).code, PROBLEM_NONE);
    assert_int_equal(find(fixture, &task.id).task.state, TASK_CANCELLED);
    store_trim(fixture->store, TEXT("shop"), 0, 1, on_trimmed, &answers);
    fixture_wait(fixture, all_came, &answers);
    assert_string_equal(answers.says, "");
    store_health(fixture->store, &health);
    assert_string_equal(health.appendfsync, "off"); /* it may look */
    sample_free(sample);
    fixture_free(fixture);
    redis_process_stop(&host.redis);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_user_that_is_recommended_may_do_all_that_we_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
