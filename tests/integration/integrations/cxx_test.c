/* SPDX-License-Identifier: Apache-2.0 */
/* stakeout.hpp in a real host, against a real stakeoutd: every call is there once, with the
 * response code that it should have. argv: the programs, by compiler and standard. */
#include "tests/integration/integrations/watched.h"
#include "tests/integration/system/house_fixture.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <stdio.h>
#include <string.h>

enum { SOON_MS = 20000 };

static const char *program;
static char name[64];

struct ended {
    const char *interface;
    int code;
};

static const struct ended expected[] = {
    { "cxx plain", 201 },   { "cxx thrown", 500 }, { "cxx thrown 503", 503 },
    { "cxx cleaner", 204 }, { "cxx caught", 200 }, { "cxx moved", 211 },
    { "cxx moved", 212 },   { "cxx moved", 214 },  { "cxx handed", 220 },
};
static const struct ended expected_of_coroutines[] = {
    { "cxx coroutine", 230 },
    { "cxx coroutine thrown", 500 },
};

static size_t count_samples(const json_t *samples, const struct ended *ended)
{
    size_t count = 0, i;
    json_t *sample;

    json_array_foreach(json_object_get(samples, "samples"), i, sample)
    {
        const char *interface = json_string_value(json_object_get(sample, "interface"));

        if (strcmp(interface, ended->interface) == 0 &&
            json_integer_value(json_object_get(sample, "response_code")) == ended->code)
            count++;
    }
    return count;
}

struct samples_wait {
    const struct task_id *task;
    size_t wanted;
};

static bool has_samples(void *context)
{
    const struct samples_wait *wait = context;

    return house_samples_count(&house, wait->task) >= wait->wanted;
}

static void assert_ended(const json_t *samples, const struct ended *ended, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t found = count_samples(samples, &ended[i]);

        if (found == 1) continue;
        json_dumpf(samples, stdout, JSON_INDENT(1));
        fail_msg("%zu calls of %s ended with %d", found, ended[i].interface, ended[i].code);
    }
}

static void calls_end_once_and_with_the_right_code(void **state)
{
    struct host_process *host = house_program(&house, program, name, name);
    struct samples_wait wait = { .wanted = ARRAY_COUNT(expected) };
    struct task_id task;
    bool has_coroutines;
    json_t *samples;

    (void)state;
    house_order(
        &house,
        &(struct order){
            .application = name, .interface = "cxx *", .threshold_ms = 50, .sample_cap = 20 },
        &task);
    house_wait_armed(&house, &task, 1);
    has_coroutines = strstr(host_process_ask(host, "go"), "coroutines") != NULL;
    if (has_coroutines) wait.wanted += ARRAY_COUNT(expected_of_coroutines);
    wait.task = &task;
    if (!wait_until(has_samples, &wait, SOON_MS)) fail_msg("not all samples came");
    samples = house_get(&house, "/api/v1/tasks/%s/samples?limit=1000", task.text);
    assert_ended(samples, expected, ARRAY_COUNT(expected));
    if (has_coroutines)
        assert_ended(samples, expected_of_coroutines, ARRAY_COUNT(expected_of_coroutines));
    assert_int_equal(json_array_size(json_object_get(samples, "samples")), wait.wanted);
    json_decref(samples);
    house_cancel(&house, &task);
    assert_int_equal(host_process_end(host), 0);
}

/* From where it waits to where the program began, whatever the compiler made of the constructor. */
static void a_waiting_call_has_its_whole_stack(void **state)
{
    static const char *const functions[] = { "(anonymous namespace)::nap()",
                                             "(anonymous namespace)::plain()", "main" };
    struct host_process *host = house_program(&house, program, name, "waiting");
    struct watched_sample sample;
    struct task_id task;

    (void)state;
    house_order(
        &house,
        &(struct order){
            .application = name, .interface = "cxx plain", .threshold_ms = 50, .sample_cap = 1 },
        &task);
    house_wait_armed(&house, &task, 1);
    host_process_ask(host, "go");
    watched_wait_sample(&house, &task, &sample);
    for (size_t i = 0; i < ARRAY_COUNT(functions); i++) {
        watched_assert_share(&sample, functions[i], 95);
    }
    watched_sample_done(&sample);
    assert_int_equal(host_process_end(host), 0);
}

/* Which thread it is on shows in the stacks: waiting while it is handed over, then its work. */
static void a_coroutine_is_told_on_both_threads(void **state)
{
    struct host_process *host = house_program(&house, program, name, "coroutine");
    struct watched_sample sample;
    struct task_id task;
    bool has_coroutines;

    (void)state;
    house_order(&house,
                &(struct order){ .application = name,
                                 .interface = "cxx coroutine",
                                 .threshold_ms = 50,
                                 .sample_cap = 1 },
                &task);
    house_wait_armed(&house, &task, 1);
    has_coroutines = strstr(host_process_ask(host, "go"), "coroutines") != NULL;
    if (has_coroutines) {
        watched_wait_sample(&house, &task, &sample);
        assert_in_range(watched_detached_share(&sample, "detached: elsewhere"), 60, 95);
        watched_assert_share(&sample, "(anonymous namespace)::after_resuming()", 5);
        watched_sample_done(&sample);
    }
    assert_int_equal(host_process_end(host), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_end_once_and_with_the_right_code),
        cmocka_unit_test(a_waiting_call_has_its_whole_stack),
        cmocka_unit_test(a_coroutine_is_told_on_both_threads),
    };

    CHECK(argc == 2);
    program = argv[1];
    snprintf(name, sizeof name, "%s", strrchr(program, '/') + 1);
    return cmocka_run_group_tests(tests, house_setup, house_teardown);
}
