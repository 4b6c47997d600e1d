/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/task/refusals.h"

#include <string.h>

#include "tests/support/test.h"

static void every_verdict_has_its_code_and_names_what_is_in_the_way(void **state)
{
    static const struct {
        enum store_verdict verdict;
        enum problem_code code;
        const char *says[3];
    } cases[] = {
        { STORE_DONE, PROBLEM_NONE, { NULL } },
        { STORE_NOT_DUE, PROBLEM_NONE, { NULL } },
        { STORE_OVERLAP,
          PROBLEM_OVERLAP,
          { "Task 00000000000000000001 watches 'GET *'", "1970-01-01T00:00:01.000Z" } },
        { STORE_TOO_MANY_AT_ONCE,
          PROBLEM_TOO_MANY_TASKS,
          { "The application 'shop' has 64 tasks at one time already, which is the most." } },
        { STORE_TOO_MANY_LIVE,
          PROBLEM_TOO_MANY_TASKS,
          { "The application 'shop' has 1000 tasks that are not over yet, which is the most." } },
        { STORE_NO_TASK, PROBLEM_NO_SUCH_TASK, { "00000000000000000002" } },
        { STORE_OVER, PROBLEM_TASK_OVER, { "FILLED", "00000000000000000002" } },
        { STORE_LONGEST, PROBLEM_LONGEST, { "15 minutes", "00000000000000000002" } },
    };
    struct task_id id = { "00000000000000000002" };
    struct task task = { .id = id, .state = TASK_FILLED, .spec = { .duration_min = 15 } };
    struct refused_order order = { "shop", &id };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct store_answer answer = { .verdict = cases[i].verdict,
                                       .task = &task,
                                       .conflict = { .id = { "00000000000000000001" },
                                                     .interface = "GET *",
                                                     .is_active = true,
                                                     .starts_wall_ms = 1000 } };
        struct problem problem = { 0 };
        int rc = refusal_explain(&answer, &order, &problem);

        assert_int_equal(rc, cases[i].code == PROBLEM_NONE ? 0 : -1);
        assert_int_equal(problem.code, cases[i].code);
        for (size_t k = 0; k < ARRAY_COUNT(cases[i].says) && cases[i].says[k]; k++) {
            if (!strstr(problem.detail, cases[i].says[k])) fail_msg("%s", problem.detail);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_verdict_has_its_code_and_names_what_is_in_the_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
