/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator sets for an application reaches its instances: the switch, both ways, and the
 * budget; it is kept, shown, and refused where it makes no sense. And the memory that the probe
 * holds, under all that load. */
#include "common/base/clock.h"
#include "common/model/limits.h"
#include "tests/integration/system/house.h"
#include "tests/support/api_client.h"
#include "tests/support/process_usage.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <stdio.h>
#include <string.h>

enum { SOON_MS = 30000 };

#define SETTINGS "/api/v1/applications/shop/settings"

static struct house house;
static struct host_process *host;

static int put(const char *body, char *ret_field, size_t size)
{
    struct api_answer answer;
    const char *field;
    int status;

    api_ask(&(struct api_call){ .port = house.scheduler.port,
                                .method = "PUT",
                                .path = SETTINGS,
                                .body = text_of(body) },
            &answer);
    status = answer.status;
    field = json_string_value(json_object_get(answer.json, "field"));
    snprintf(ret_field, size, "%s", field ? field : "");
    api_answer_done(&answer);
    return status;
}

/* A figure of the one instance. */
static json_t *instance_field(const char *name)
{
    json_t *list = house_get(&house, "/api/v1/instances?application=shop");
    json_t *instance = json_array_get(json_object_get(list, "instances"), 0);
    json_t *value = json_incref(json_object_get(instance, name));

    json_decref(list);
    return value;
}

static bool probe_is(void *context)
{
    json_t *value = instance_field("probe");
    bool is_so = value && strcmp(json_string_value(value), context) == 0;

    json_decref(value);
    return is_so;
}

static void await_probe(const char *word)
{
    if (!wait_until(probe_is, (void *)(uintptr_t)word, SOON_MS)) fail_msg("it is not %s", word);
}

static void cli(const char *const *words, int rc, const char *has)
{
    const char *says;

    assert_int_equal(house_cli(&house, words, &says), rc);
    if (!strstr(says, has)) fail_msg("'%s' is not in: %s", has, says);
}

static bool has_seen(void *context)
{
    return house_ledger_sum(&house, context, "seen") > 0;
}

static void off_is_off_and_on_is_on(void **state)
{
    static const struct order order = { .interface = "GET /x" };
    struct task_id task;
    json_t *shown;

    (void)state;
    house_order(&house, &order, &task);
    assert_true(wait_until(has_seen, &task, SOON_MS));
    house_cancel(&house, &task);

    cli((const char *const[]){ "application", "set", "shop", "--probe", "off", NULL }, 0, "off");
    await_probe("off");
    cli((const char *const[]){ "instance", "list", NULL }, 0, "off");
    cli((const char *const[]){ "application", "list", NULL }, 0, "off");
    cli((const char *const[]){ "doctor", NULL }, 0, "switched off by an operator");

    house_order(&house, &order, &task);
    shown = house_get(&house, "/api/v1/tasks/%s", task.text);
    assert_non_null(strstr(json_string_value(json_array_get(json_object_get(shown, "warnings"), 0)),
                           "switched off"));
    json_decref(shown);
    /* It makes calls all the while; a second call of the host's proves that it runs. */
    host_process_ask(host, "run 1 5 GET /x");
    assert_int_equal(house_ledger_sum(&house, &task, "seen"), 0);

    house_kill(&house, HOUSE_BOTH);
    house_recover(&house);
    cli((const char *const[]){ "application", "show", "shop", NULL }, 0, "off");

    cli((const char *const[]){ "application", "set", "shop", "--probe", "on", NULL }, 0, "on");
    await_probe("on");
    host_process_ask(host, "run 1 5 GET /x");
    assert_true(wait_until(has_seen, &task, SOON_MS));
    house_cancel(&house, &task);
}

static void budgets_are_kept_and_refused_with_their_field(void **state)
{
    static const struct {
        const char *body, *field;
        int status;
    } cases[] = {
        { "{\"budget_core_percent\":0.1}", "", 200 },
        { "{\"budget_core_percent\":0.0999}", "budget_core_percent", 400 },
        { "{\"budget_core_percent\":100}", "", 200 },
        { "{\"budget_core_percent\":100.1}", "budget_core_percent", 400 },
        { "{\"budget_core_percent\":-1}", "budget_core_percent", 400 },
        { "{\"budget_core_percent\":\"1\"}", "budget_core_percent", 400 },
        { "{\"budget_thread_percent\":0}", "", 200 },
        { "{\"budget_thread_percent\":null}", "", 200 },
        { "{\"budget_thread_percent\":true}", "budget_thread_percent", 400 },
        { "{\"probe\":\"maybe\"}", "probe", 400 },
        { "{\"probe\":null}", "probe", 400 },
        { "{\"colour\":1}", "colour", 400 },
        { "[]", "", 400 },
        { "{", "", 400 },
        { "{\"budget_core_percent\":2,\"budget_thread_percent\":0.25}", "", 200 },
    };
    char field[64];
    json_t *shown;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (put(cases[i].body, field, sizeof field) != cases[i].status ||
            strcmp(field, cases[i].field) != 0)
            fail_msg("%s: field '%s'", cases[i].body, field);
    }
    shown = house_get(&house, SETTINGS);
    assert_true(json_real_value(json_object_get(shown, "budget_core_percent")) == 2);
    assert_true(json_real_value(json_object_get(shown, "budget_thread_percent")) == 0.25);
    assert_string_equal(json_string_value(json_object_get(shown, "probe")), "on");
    json_decref(shown);
    cli((const char *const[]){ "application", "show", "shop", NULL }, 0, "0.25 %");
    cli((const char *const[]){ "application", "set", "shop", NULL }, 2, "Nothing is to be set");
    cli((const char *const[]){ "application", "set", "shop", "--budget-core", "101", NULL }, 2, "");
    cli((const char *const[]){ "application", "set", "shop", "--probe", "maybe", NULL }, 2,
        "must be on or off");
}

/* 8 MB that are there from the start, and beside them what is known of modules. */
static void memory_is_bounded_and_shown(void **state)
{
    static const struct order order = {
        .interface = "GET /slow", .threshold_ms = 50, .frequency_ms = 5, .sample_cap = 100
    };
    const uint64_t bound_kb = (8 * 1024 * 1024 + MODULES_SIZE_MAX + REPORTS_QUEUED_SIZE_MAX) / 1024;
    struct process_usage before, after;
    struct task_id task;
    json_t *memory;

    (void)state;
    process_usage_read(host_process_pid(host), &before);
    house_order(&house, &order, &task);
    host_process_ask(host, "run 16 120 GET /slow");
    house_wait_state(&house, &task, "FILLED", SOON_MS);
    process_usage_read(host_process_pid(host), &after);
    memory = instance_field("memory_bytes");
    print_message("  memory %lld KB as it says; resident %llu to %llu KB, %u to %u mappings\n",
                  json_integer_value(memory) / 1024, (unsigned long long)before.resident_kb,
                  (unsigned long long)after.resident_kb, before.mappings, after.mappings);
    assert_in_range(json_integer_value(memory), 7 * 1024 * 1024, (json_int_t)bound_kb * 1024);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_in_range(after.resident_kb, 1, before.resident_kb + bound_kb);
#endif
    json_decref(memory);
}

static int start(void **state)
{
    (void)state;
    house_open(&house);
    host = house_host(&house, "shop", "switched");
    host_process_ask(host, "run 2 5 GET /x");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    host_process_kill(host);
    house_close(&house);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(off_is_off_and_on_is_on),
        cmocka_unit_test(budgets_are_kept_and_refused_with_their_field),
        cmocka_unit_test(memory_is_bounded_and_shown),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
