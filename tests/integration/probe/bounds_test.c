/* SPDX-License-Identifier: Apache-2.0 */
/* The bounds of a probe, on both sides of each: what is within is watched; what is beyond is left
 * alone, harmless, and counted where an operator looks; what becomes free is used again. Against a
 * real scheduler, and by bounds_host.c. */
#include "common/base/clock.h"
#include "common/model/limits.h"
#include "tests/integration/system/house.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <stdio.h>
#include <string.h>

enum { SOON_MS = 30000 };

static struct house house;
static struct host_process *host;

static long ask(const char *answer, const char *format, long number)
{
    char command[64];
    const char *heard;
    long got = -1;

    snprintf(command, sizeof command, format, number);
    heard = host_process_ask(host, command);
    if (sscanf(heard, answer, &got) != 1) fail_msg("'%s' was answered '%s'", command, heard);
    return got;
}

static void tell(const char *command)
{
    assert_string_equal(host_process_ask(host, command), "ended");
}

/* What the API says of the one instance there is, until it is what is wanted. */
struct figure {
    const char *within, *name; /* within NULL: of the instance itself */
    json_int_t wanted, got;
    bool is_full; /* there is no record for one more call */
};

static bool is_figure(void *context)
{
    struct figure *figure = context;
    json_t *list, *object;

    /* A call that ends is news, told within a second; else it may take ten. */
    if (!figure->is_full) host_process_ask(host, "nest 1");
    list = house_get(&house, "/api/v1/instances?application=bounds");
    object = json_array_get(json_object_get(list, "instances"), 0);
    if (figure->within) object = json_object_get(object, figure->within);
    figure->got = json_integer_value(json_object_get(object, figure->name));
    json_decref(list);
    return figure->got == figure->wanted;
}

static void await_figure(const char *within, const char *name, json_int_t wanted)
{
    struct figure figure = { within, name, wanted, 0, wanted > CALLS_MAX };

    if (!wait_until(is_figure, &figure, SOON_MS))
        fail_msg("%s is %lld, not %lld", name, figure.got, wanted);
}

static void await_note(const char *slug, json_int_t count)
{
    await_figure("notes", slug, count);
}

/* The main thread has a record of its own beside those that all share. */
static void so_many_calls_in_flight_and_no_more(void **state)
{
    const long all = CALLS_MAX + 1;

    (void)state;
    assert_int_equal(ask("kept %ld", "calls %ld", all), all);
    await_figure(NULL, "calls_in_flight", all);
    tell("end-calls");
    await_figure(NULL, "calls_in_flight", 0);
    assert_int_equal(ask("kept %ld", "calls %ld", all + 3), all);
    assert_int_equal(ask("kept %ld", "swap", 0), 1);
    tell("end-calls");
    await_note("no-record", 3);
    await_figure(NULL, "calls_in_flight", 0);
    assert_int_equal(ask("kept %ld", "calls %ld", all), all);
    tell("end-calls");
    await_note("no-record", 3);
}

static void calls_nest_so_deep_and_no_deeper(void **state)
{
    (void)state;
    assert_int_equal(ask("kept %ld", "nest %ld", NESTING_MAX), NESTING_MAX);
    assert_int_equal(ask("kept %ld", "nest %ld", NESTING_MAX + 2), NESTING_MAX);
    await_note("too-deep", 2);
    assert_int_equal(ask("kept %ld", "nest %ld", NESTING_MAX), NESTING_MAX);
}

/* One slot is the main thread's, which has made calls. */
static void so_many_threads_and_no_more(void **state)
{
    const long all = THREADS_MAX - 1;

    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* their threads take far more each */
#endif
    assert_int_equal(ask("kept %ld", "threads %ld", all), all);
    await_figure(NULL, "threads", THREADS_MAX);
    tell("end-threads");
    await_figure(NULL, "threads", 1);
    assert_int_equal(ask("kept %ld", "threads %ld", all + 2), all);
    await_note("no-slot", 2);
    tell("end-threads");
    assert_int_equal(ask("kept %ld", "threads %ld", all), all);
    tell("end-threads");
    await_figure(NULL, "threads", 1);
    await_note("no-slot", 2);
}

static bool has_other(void *context)
{
    json_t *list = house_get(&house, "/api/v1/interfaces?application=bounds");
    char *text = json_dumps(list, JSON_COMPACT);
    bool has = strstr(text, "\"(other)\"") != NULL;

    (void)context;
    free(text);
    json_decref(list);
    return has;
}

/* Of ids, those of the claims above are taken. Last, because names are put in for ever. */
static void so_many_interfaces_then_other_and_a_warning(void **state)
{
    const char *says;
    long free_count = INTERFACES_MAX - ask("last %ld", "interfaces %ld", 1) + 1;
    int rc;

    (void)state;
    assert_int_equal(ask("last %ld", "interfaces %ld", free_count), INTERFACES_MAX);
    await_note("no-interface", 0);
    assert_false(has_other(NULL));
    assert_int_equal(ask("last %ld", "interfaces %ld", free_count + 1), INTERFACES_MAX + 1);
    await_note("no-interface", 1);
    assert_true(wait_until(has_other, NULL, SOON_MS));
    rc = house_cli(&house, (const char *const[]){ "doctor", NULL }, &says);
    if (!strstr(says, "Name interfaces by pattern")) fail_msg("%d: %s", rc, says);
    assert_int_equal(ask("last %ld", "interfaces %ld", free_count), INTERFACES_MAX);
}

/* A task is open all the while, so that what changes is told each second. */
static int start(void **state)
{
    struct task_id task;

    (void)state;
    house_open(&house);
    host = house_program(&house, BOUNDS_HOST, "bounds", "bounds");
    assert_int_equal(ask("start %ld", "start", 0), 0);
    house_order(&house, &(struct order){ .application = "bounds", .interface = "*" }, &task);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    assert_int_equal(host_process_end(host), 0);
    house_close(&house);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(so_many_calls_in_flight_and_no_more),
        cmocka_unit_test(calls_nest_so_deep_and_no_deeper),
        cmocka_unit_test(so_many_threads_and_no_more),
        cmocka_unit_test(so_many_interfaces_then_other_and_a_warning),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
