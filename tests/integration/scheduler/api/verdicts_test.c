/* SPDX-License-Identifier: Apache-2.0 */
/* verdicts_test.c: the interfaces that were seen, and what a task says by them: warnings when it
 * is made, a verdict when it caught nothing. */
#include "common/base/clock.h"
#include "tests/support/fake_probe.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <stdio.h>
#include <string.h>

static void a_prefix_of_a_known_interface_is_not_warned_of(void **state)
{
    struct fake_probe probe = FAKE_PROBE(scheduler.port, "prefix", "host-1:1");
    struct fake_calls calls = { .interface = "GET /item/{sku}",
                                .count = 100,
                                .each_ns = 184 * NS_PER_MS };
    static const struct {
        const char *interface;
        size_t warnings;
    } cases[] = { { "GET /it*", 0 }, { "PUT /it*", 1 } };

    (void)state;
    fake_probe_pulse(&probe, &calls, 1);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char body[256];
        json_t *task;

        snprintf(body, sizeof body,
                 "{\"application\":\"prefix\",\"interface\":\"%s\",\"duration_min\":5,"
                 "\"threshold_ms\":100}",
                 cases[i].interface);
        task = scheduler_post("/api/v1/tasks", body, 201);
        assert_int_equal(json_array_size(json_object_get(task, "warnings")), cases[i].warnings);
        json_decref(task);
    }
}

static size_t interface_count(const char *path)
{
    json_t *list = scheduler_get(path);
    size_t count = json_array_size(json_object_get(list, "interfaces"));

    json_decref(list);
    return count;
}

/* More than a thousand are written by a child; what one application has, and what all have. */
static void a_long_list_of_interfaces_is_whole(void **state)
{
    enum { PULSES = 70, PER_PULSE = 16, NAME_SIZE = 32 };
    struct fake_probe probe = FAKE_PROBE(scheduler.port, "many", "host-1:1");
    static char names[PER_PULSE][NAME_SIZE];
    size_t others = interface_count("/api/v1/interfaces");

    (void)state;
    assert_true(others > 0);
    for (int pulse = 0; pulse < PULSES; pulse++) {
        struct fake_calls calls[PER_PULSE];

        for (int i = 0; i < PER_PULSE; i++) {
            snprintf(names[i], NAME_SIZE, "GET /%d/%d", pulse, i);
            calls[i] =
                (struct fake_calls){ .interface = names[i], .count = 5, .each_ns = NS_PER_MS };
        }
        fake_probe_pulse(&probe, calls, PER_PULSE);
    }
    assert_int_equal(interface_count("/api/v1/interfaces?application=many"), PULSES * PER_PULSE);
    assert_int_equal(interface_count("/api/v1/interfaces"), PULSES * PER_PULSE + others);
    assert_int_equal(interface_count("/api/v1/interfaces?application=nobody"), 0);
}

struct verdict_wait {
    const char *task, *words;
};

static bool has_verdict(void *context)
{
    const struct verdict_wait *wait = context;
    json_t *ledger = scheduler_get_task(wait->task, "/ledger");
    bool is_there = strstr(text_at(ledger, "verdict"), wait->words) != NULL;

    json_decref(ledger);
    return is_there;
}

static void wait_for_verdict(const char *task, const char *words)
{
    struct verdict_wait wait = { task, words };
    json_t *ledger;

    if (wait_until(has_verdict, &wait, 10000)) return;
    ledger = scheduler_get_task(task, "/ledger");
    fail_msg("the verdict is: %s", text_at(ledger, "verdict"));
}

static void a_misspelt_interface_is_warned_of_and_explained(void **state)
{
    struct fake_probe probe = FAKE_PROBE(scheduler.port, "misspelt", "host-1:1");
    struct fake_calls calls = { .interface = "POST /checkout",
                                .count = 100,
                                .each_ns = 184 * NS_PER_MS };
    char id[TASK_ID_SIZE + 1];
    json_t *answer;

    (void)state;
    fake_probe_pulse(&probe, &calls, 1);
    answer = scheduler_post("/api/v1/tasks",
                            "{\"application\":\"misspelt\",\"interface\":\"POST /chekout\","
                            "\"duration_min\":5,\"threshold_ms\":100}",
                            201);
    snprintf(id, sizeof id, "%s", text_at(answer, "id"));
    assert_non_null(
        strstr(json_string_value(json_array_get(json_object_get(answer, "warnings"), 0)),
               "'POST /checkout'"));
    json_decref(answer);
    assert_int_equal(fake_probe_poll(&probe), 1);
    wait_for_verdict(id, "Not delivered: ");
    fake_probe_park(&probe);
    wait_for_verdict(id, "No such interface: no instance has called 'POST /chekout'. Nearest: "
                         "'POST /checkout' (");
    answer = scheduler_get_task(id, "/ledger");
    assert_int_equal(json_array_size(json_object_get(answer, "nearest")), 1);
    json_decref(answer);
    fake_probe_done(&probe);
}

static void a_misspelt_application_is_warned_of_and_explained(void **state)
{
    struct fake_probe probe = FAKE_PROBE(scheduler.port, "warehouse", "host-1:1");
    struct fake_calls calls = { .interface = "POST /checkout",
                                .count = 100,
                                .each_ns = 184 * NS_PER_MS };
    char id[TASK_ID_SIZE + 1];
    const char *warning;
    json_t *answer;

    (void)state;
    fake_probe_pulse(&probe, &calls, 1);
    answer = scheduler_post("/api/v1/tasks",
                            "{\"application\":\"warehuose\",\"interface\":\"POST /checkout\","
                            "\"duration_min\":5,\"threshold_ms\":100}",
                            201);
    snprintf(id, sizeof id, "%s", text_at(answer, "id"));
    warning = json_string_value(json_array_get(json_object_get(answer, "warnings"), 0));
    assert_non_null(strstr(warning, "No instance of an application 'warehuose' has reported. "
                                    "Nearest: 'warehouse'"));
    json_decref(answer);
    wait_for_verdict(id, "No instance: no process of 'warehuose' polls this scheduler. Nearest: "
                         "'warehouse'");
    fake_probe_done(&probe);
}

static void the_verdict_follows_what_probes_say(void **state)
{
    struct fake_probe probe = FAKE_PROBE(scheduler.port, "verdict", "host-1:1");
    struct fake_calls calls = {
        .interface = "POST /checkout", .count = 212, .each_ns = 90 * NS_PER_MS, .seen = 212
    };
    char id[TASK_ID_SIZE + 1];

    (void)state;
    scheduler_create_task("verdict", "", id);
    wait_for_verdict(id, "No instance: no process of 'verdict' polls this scheduler.");
    assert_int_equal(fake_probe_poll(&probe), 1);
    calls.task = id;
    fake_probe_pulse(&probe, &calls, 1);
    wait_for_verdict(id, "212 calls so far, all below 100 ms; the slowest took 90.0 ms.");
    assert_int_equal(fake_probe_report(&probe, &(struct fake_sample){ .task = id }),
                     REPORT_ACCEPTED);
    wait_for_verdict(id, "1 of 1 slow call sampled.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prefix_of_a_known_interface_is_not_warned_of),
        cmocka_unit_test(a_long_list_of_interfaces_is_whole),
        cmocka_unit_test(a_misspelt_interface_is_warned_of_and_explained),
        cmocka_unit_test(a_misspelt_application_is_warned_of_and_explained),
        cmocka_unit_test(the_verdict_follows_what_probes_say),
    };

    return cmocka_run_group_tests(tests, scheduler_setup, scheduler_teardown);
}
