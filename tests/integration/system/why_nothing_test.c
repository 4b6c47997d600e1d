/* SPDX-License-Identifier: Apache-2.0 */
/* why_nothing_test.c: when a task caught nothing, the CLI says why, in a sentence. */
#include "tests/integration/system/house.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <stdio.h>
#include <string.h>

enum { SAYS_MS = 15000, OUTPUT_SIZE_MAX = 16384 };

static struct house house;
static struct host_process *host;

static int start_all(void **state)
{
    (void)state;
    house_open(&house);
    host = house_host(&house, "shop", "host-1");
    assert_string_equal(host_process_ask(host, "run 2 60 POST /checkout"), "running");
    return 0;
}

static int stop_all(void **state)
{
    (void)state;
    host_process_ask(host, "stop");
    host_process_end(host);
    house_close(&house);
    return 0;
}

/* What `stakeout task show` prints of a task, as one line: a sentence may be wrapped. */
static const char *show(const struct task_id *task)
{
    static char line[OUTPUT_SIZE_MAX];
    const char *output;

    house_cli(&house, (const char *const[]){ "task", "show", task->text, NULL }, &output);
    snprintf(line, sizeof line, "%s", output);
    for (char *c = line; *c; c++) {
        if (*c == '\n') *c = ' ';
    }
    return line;
}

struct saying {
    const struct task_id *task;
    const char *const *words;
};

static bool says_all(void *context)
{
    const struct saying *saying = context;
    const char *output = show(saying->task);

    for (const char *const *word = saying->words; *word; word++) {
        if (!strstr(output, *word)) return false;
    }
    return true;
}

static void expect(const struct task_id *task, const char *const *words)
{
    struct saying saying = { task, words };

    if (!wait_until(says_all, &saying, SAYS_MS)) fail_msg("it says: %s", show(task));
    house_cancel(&house, task);
}

static void a_misspelt_interface_is_answered_with_the_nearest_real_one(void **state)
{
    static const char *const words[] = { "POST /chekout", "POST /checkout", NULL };
    struct task_id task;

    (void)state;
    house_order(&house, &(struct order){ .interface = "POST /chekout" }, &task);
    expect(&task, words);
}

static void calls_that_were_all_faster_are_answered_with_the_slowest(void **state)
{
    static const char *const words[] = { "the slowest", " ms", NULL };
    struct task_id task;

    (void)state;
    house_order(&house, &(struct order){ .interface = "POST /checkout", .threshold_ms = 20000 },
                &task);
    expect(&task, words);
}

static void an_application_without_instances_is_said_to_have_none(void **state)
{
    static const char *const words[] = { "instance", "nowhere", NULL };
    struct task_id task;

    (void)state;
    house_order(&house, &(struct order){ .application = "nowhere", .interface = "GET /" }, &task);
    expect(&task, words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_misspelt_interface_is_answered_with_the_nearest_real_one),
        cmocka_unit_test(calls_that_were_all_faster_are_answered_with_the_slowest),
        cmocka_unit_test(an_application_without_instances_is_said_to_have_none),
    };

    return cmocka_run_group_tests(tests, start_all, stop_all);
}
