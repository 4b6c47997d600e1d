/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/api/task_request.h"

#include "common/base/clock.h"
#include "tests/support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DAY_MS = 86400000 };
static const uint64_t now_wall_ms = 1795311127000; /* 2026-11-22T01:32:07Z */

/* What the census of these tests knows of `shop`. */
static int percentile_of(void *context, struct text application, struct text interface,
                         unsigned percent, uint64_t *ret_ns)
{
    static const struct {
        const char *interface;
        uint64_t p50_ns, p90_ns, p99_ns;
    } known[] = {
        { "POST /checkout", 31 * NS_PER_MS, 96 * NS_PER_MS, 183 * NS_PER_MS + 1 },
        { "GET /quick", 18 * NS_PER_US, 49 * NS_PER_MS, 49 * NS_PER_MS + 1 },
        { "GET /hung", 30000 * NS_PER_MS, 30000 * NS_PER_MS + 1, 60000 * NS_PER_MS },
    };

    (void)context;
    if (!text_is_equal(application, TEXT("shop"))) return -ENOENT;
    for (size_t i = 0; i < ARRAY_COUNT(known); i++) {
        if (!text_is_equal(interface, text_of(known[i].interface))) continue;
        *ret_ns = percent == 50   ? known[i].p50_ns
                  : percent == 90 ? known[i].p90_ns
                                  : known[i].p99_ns;
        return 0;
    }
    return -ENOENT;
}

static const struct threshold_source source = { .percentile_ns = percentile_of };

static int parse(const char *body, struct task_spec *ret, struct problem *problem)
{
    return task_request_parse(text_of(body), &source, now_wall_ms, ret, problem);
}

#define GOOD "\"application\":\"shop\",\"interface\":\"POST /checkout\","
#define REST "\"duration_min\":5,\"threshold_ms\":100"

static void a_whole_order_is_read_as_it_was_written(void **state)
{
    struct problem problem = { 0 };
    struct task_spec spec;

    (void)state;
    assert_int_equal(
        parse("{" GOOD REST ",\"frequency_ms\":20,\"sample_cap\":7,\"instances\":[\"a\",\"b:1\"],"
              "\"start\":\"2026-11-23T01:32:07Z\",\"lookback\":false,\"note\":\"why \\u00fc\"}",
              &spec, &problem),
        0);
    assert_string_equal(spec.application, "shop");
    assert_string_equal(spec.interface, "POST /checkout");
    assert_int_equal(spec.duration_min, 5);
    assert_int_equal(spec.threshold_ms, 100);
    assert_int_equal(spec.threshold_from, THRESHOLD_FROM_MS);
    assert_int_equal(spec.frequency_ms, 20);
    assert_int_equal(spec.sample_cap, 7);
    assert_int_equal(spec.instance_count, 2);
    assert_string_equal(spec.instances[1], "b:1");
    assert_int_equal(spec.start_wall_ms, now_wall_ms + DAY_MS);
    assert_string_equal(spec.note, "why \xc3\xbc");
}

static void four_fields_are_enough(void **state)
{
    struct problem problem = { 0 };
    struct task_spec spec;

    (void)state;
    assert_int_equal(parse("{" GOOD REST "}", &spec, &problem), 0);
    assert_int_equal(spec.frequency_ms, FREQUENCY_MS_DEFAULT);
    assert_int_equal(spec.sample_cap, SAMPLE_CAP_DEFAULT);
    assert_int_equal(spec.start_wall_ms, 0);
    assert_int_equal(spec.instance_count, 0);
}

/* Each row is accepted, or refused by a sentence that has these words. */
static const struct {
    const char *says, *body;
    const char *field; /* NULL: accepted; "": refused, no field is to blame */
    const char *sentence;
} cases[] = {
    /* numbers, on both sides of their edges */
    { "smallest threshold", "{" GOOD "\"duration_min\":5,\"threshold_ms\":50}", NULL, NULL },
    { "threshold below", "{" GOOD "\"duration_min\":5,\"threshold_ms\":49}", "threshold_ms",
      "'threshold_ms' is 49; it must be 50 to 30000, or p50, p90 or p99." },
    { "largest threshold", "{" GOOD "\"duration_min\":5,\"threshold_ms\":30000}", NULL, NULL },
    { "threshold above", "{" GOOD "\"duration_min\":5,\"threshold_ms\":30001}", "threshold_ms",
      "'threshold_ms' is 30001; it must be 50 to 30000, or p50, p90 or p99." },
    { "smallest frequency", "{" GOOD REST ",\"frequency_ms\":5}", NULL, NULL },
    { "frequency below", "{" GOOD REST ",\"frequency_ms\":4}", "frequency_ms",
      "'frequency_ms' is 4; it must be 5 to 1000." },
    { "largest frequency", "{" GOOD REST ",\"frequency_ms\":1000}", NULL, NULL },
    { "frequency above", "{" GOOD REST ",\"frequency_ms\":1001}", "frequency_ms",
      "'frequency_ms' is 1001; it must be 5 to 1000." },
    { "smallest cap", "{" GOOD REST ",\"sample_cap\":1}", NULL, NULL },
    { "cap below", "{" GOOD REST ",\"sample_cap\":0}", "sample_cap",
      "'sample_cap' is 0; it must be 1 to 100." },
    { "largest cap", "{" GOOD REST ",\"sample_cap\":100}", NULL, NULL },
    { "cap above", "{" GOOD REST ",\"sample_cap\":101}", "sample_cap",
      "'sample_cap' is 101; it must be 1 to 100." },
    { "duration 10", "{" GOOD "\"threshold_ms\":50,\"duration_min\":10}", NULL, NULL },
    { "duration 15", "{" GOOD "\"threshold_ms\":50,\"duration_min\":15}", NULL, NULL },
    { "duration 6", "{" GOOD "\"threshold_ms\":50,\"duration_min\":6}", "duration_min",
      "'duration_min' is 6; it must be 5, 10 or 15." },
    { "negative number", "{" GOOD REST ",\"sample_cap\":-1}", "sample_cap",
      "'sample_cap' is -1; it must be 1 to 100." },

    /* what is no integer */
    { "fraction", "{" GOOD REST ",\"frequency_ms\":20.5}", "frequency_ms",
      "'frequency_ms' is 20.5; it must be 5 to 1000." },
    { "whole number as a fraction", "{" GOOD REST ",\"frequency_ms\":20.0}", "frequency_ms",
      "'frequency_ms' is 20.0; it must be 5 to 1000." },
    { "number as a string", "{" GOOD REST ",\"sample_cap\":\"10\"}", "sample_cap",
      "'sample_cap' is \"10\"; it must be 1 to 100." },
    { "null", "{" GOOD REST ",\"sample_cap\":null}", "sample_cap",
      "'sample_cap' is null; it must be 1 to 100." },
    { "true", "{" GOOD "\"duration_min\":true,\"threshold_ms\":50}", "duration_min",
      "'duration_min' is true; it must be 5, 10 or 15." },

    /* texts */
    { "application missing", "{\"interface\":\"x\"," REST "}", "application",
      "'application' is missing; it must be 1 to 128 bytes of printable UTF-8." },
    { "application empty", "{\"application\":\"\",\"interface\":\"x\"," REST "}", "application",
      "'application' is empty; it must be 1 to 128 bytes" },
    { "application a number", "{\"application\":7,\"interface\":\"x\"," REST "}", "application",
      "'application' is 7; it must be 1 to 128 bytes" },
    { "interface null", "{\"application\":\"a\",\"interface\":null," REST "}", "interface",
      "'interface' is null;" },
    { "interface a prefix", "{\"application\":\"a\",\"interface\":\"GET *\"," REST "}", NULL,
      NULL },
    { "interface with a star inside", "{\"application\":\"a\",\"interface\":\"GET */x\"," REST "}",
      "interface", "'interface' has a '*' before its end" },
    { "control character", "{\"application\":\"a\\u0007\",\"interface\":\"x\"," REST "}",
      "application", "'application' has a control character" },
    { "zero byte", "{\"application\":\"a\\u0000b\",\"interface\":\"x\"," REST "}", "",
      "The body is not JSON" },
    { "note a list", "{" GOOD REST ",\"note\":[]}", "note",
      "'note' is []; it must be at most 500" },
    { "lookback on", "{" GOOD REST ",\"lookback\":true}", NULL, NULL },
    { "lookback off", "{" GOOD REST ",\"lookback\":false}", NULL, NULL },
    { "lookback a number", "{" GOOD REST ",\"lookback\":0}", "lookback",
      "'lookback' is 0; it must be true or false." },
    { "instances a string", "{" GOOD REST ",\"instances\":\"a\"}", "instances",
      "'instances' is \"a\";" },
    { "instances with a number", "{" GOOD REST ",\"instances\":[\"a\",1]}", "instances",
      "One of 'instances' is 1; it must be 1 to 255 bytes of printable UTF-8." },
    { "instances with an empty name", "{" GOOD REST ",\"instances\":[\"\"]}", "instances",
      "One of 'instances' is empty;" },
    { "instances twice the same", "{" GOOD REST ",\"instances\":[\"a\",\"a\"]}", "instances",
      "'instances' has the same name twice" },

    /* times */
    { "start in a day, in ms", "{" GOOD REST ",\"start\":1795397527000}", NULL, NULL },
    { "start now", "{" GOOD REST ",\"start\":1795311127000}", NULL, NULL },
    { "start 1 ms ago", "{" GOOD REST ",\"start\":1795311126999}", "start",
      "'start' is 2026-11-22T01:32:06.999Z; it must be a time" },
    { "start in 30 days", "{" GOOD REST ",\"start\":1797903127000}", NULL, NULL },
    { "start 1 ms beyond", "{" GOOD REST ",\"start\":1797903127001}", "start", "30 days ahead" },
    { "a date of 1970", "{" GOOD REST ",\"start\":\"1970-01-01T00:00:00Z\"}", "start",
      "'start' is \"1970-01-01T00:00:00Z\"; it must be a time" },
    { "zero", "{" GOOD REST ",\"start\":0}", "start", "'start' is 0; it must be a time" },
    { "no such day", "{" GOOD REST ",\"start\":\"2026-02-30T00:00:00Z\"}", "start",
      "'start' is \"2026-02-30T00:00:00Z\";" },
    { "start null", "{" GOOD REST ",\"start\":null}", "start", "'start' is null;" },

    /* percentiles */
    { "p90", "{" GOOD "\"duration_min\":5,\"threshold_ms\":\"p90\"}", NULL, NULL },
    { "p50 below the smallest", "{" GOOD "\"duration_min\":5,\"threshold_ms\":\"p50\"}",
      "threshold_ms",
      "'threshold_ms' is p50, which was 31 ms in the last 15 minutes; it must be 50 to 30000." },
    { "p50 of microseconds",
      "{\"application\":\"shop\",\"interface\":\"GET /quick\",\"duration_min\":5,\"threshold_ms\":"
      "\"p50\"}",
      "threshold_ms",
      "'threshold_ms' is p50, which was 0.018 ms in the last 15 minutes; it must be 50 to 30000." },
    { "p90 just below the smallest",
      "{\"application\":\"shop\",\"interface\":\"GET /quick\",\"duration_min\":5,\"threshold_ms\":"
      "\"p90\"}",
      "threshold_ms", "'threshold_ms' is p90, which was 49 ms in the last 15 minutes;" },
    { "p99 that rounds up to the smallest",
      "{\"application\":\"shop\",\"interface\":\"GET /quick\",\"duration_min\":5,\"threshold_ms\":"
      "\"p99\"}",
      NULL, NULL },
    { "p99 beyond the largest",
      "{\"application\":\"shop\",\"interface\":\"GET /hung\",\"duration_min\":5,\"threshold_ms\":"
      "\"p99\"}",
      "threshold_ms",
      "'threshold_ms' is p99, which was 60000 ms in the last 15 minutes; it must be 50 to 30000." },
    { "p50 at the largest",
      "{\"application\":\"shop\",\"interface\":\"GET /hung\",\"duration_min\":5,\"threshold_ms\":"
      "\"p50\"}",
      NULL, NULL },
    { "p90 a fraction beyond the largest",
      "{\"application\":\"shop\",\"interface\":\"GET /hung\",\"duration_min\":5,\"threshold_ms\":"
      "\"p90\"}",
      "threshold_ms", "which was 30001 ms" },
    { "p99 without data",
      "{\"application\":\"shop\",\"interface\":\"GET /new\",\"duration_min\":5,\"threshold_ms\":"
      "\"p99\"}",
      "threshold_ms",
      "'threshold_ms' is p99, but no call of this interface was seen in the last 15 minutes; it "
      "must be 50 to 30000." },
    { "p99 of a prefix",
      "{\"application\":\"shop\",\"interface\":\"GET /*\",\"duration_min\":5,\"threshold_ms\":"
      "\"p99\"}",
      "threshold_ms", "'threshold_ms' is p99, which a prefix of many interfaces does not have;" },
    { "a number beyond all integers",
      "{" GOOD "\"duration_min\":100000000000000000000,\"threshold_ms\":100}", "duration_min",
      "'duration_min' is 1e+20; it must be 5, 10 or 15." },
    { "a number below all integers",
      "{" GOOD "\"duration_min\":5,\"threshold_ms\":-100000000000000000000}", "threshold_ms",
      "'threshold_ms' is -1e+20; it must be 50 to 30000, or p50, p90 or p99." },
    { "a huge number in no field of ours", "{\"x\":100000000000000000000}", "",
      "The body is not JSON: too big integer" },
    { "a NUL", "{\"application\":\"a\\u0000\"}", "", "a text has a NUL character" },
    { "p95", "{" GOOD "\"duration_min\":5,\"threshold_ms\":\"p95\"}", "threshold_ms",
      "'threshold_ms' is \"p95\"; it must be 50 to 30000, or p50, p90 or p99" },

    /* bodies */
    { "empty", "", "", "The body is not JSON" },
    { "broken", "{\"application\":", "", "The body is not JSON" },
    { "a list", "[]", "", "The body must be a JSON object" },
    { "a number", "7", "", "The body must be a JSON object" },
    { "two bodies", "{" GOOD REST "}{}", "", "The body is not JSON" },
    { "invalid UTF-8", "{\"application\":\"\xff\xfe\",\"interface\":\"x\"," REST "}", "",
      "The body is not JSON" },
    { "unknown field", "{" GOOD REST ",\"treshold_ms\":50}", "treshold_ms",
      "'treshold_ms' is not a field of a task." },
    { "field twice", "{" GOOD REST ",\"threshold_ms\":60}", "threshold_ms",
      "'threshold_ms' is given twice." },
};

static void orders_are_accepted_or_refused_by_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct problem problem = { 0 };
        struct task_spec spec;
        int rc = parse(cases[i].body, &spec, &problem);

        if (!cases[i].field) {
            if (rc != 0) fail_msg("%s: refused: %s", cases[i].says, problem.detail);
            continue;
        }
        if (rc == 0) fail_msg("%s: accepted", cases[i].says);
        if (strcmp(problem.field, cases[i].field) != 0)
            fail_msg("%s: blamed '%s' (%s)", cases[i].says, problem.field, problem.detail);
        if (!strstr(problem.detail, cases[i].sentence))
            fail_msg("%s: said: %s", cases[i].says, problem.detail);
    }
}

static void a_percentile_is_rounded_up_and_remembered(void **state)
{
    struct problem problem = { 0 };
    struct task_spec spec;

    (void)state;
    assert_int_equal(
        parse("{" GOOD "\"duration_min\":5,\"threshold_ms\":\"p99\"}", &spec, &problem), 0);
    assert_int_equal(spec.threshold_ms, 184);
    assert_int_equal(spec.threshold_from, THRESHOLD_FROM_P99);
}

/* A body whose `field` is a text of `size` bytes. */
static int parse_long(const char *field, size_t size, struct problem *problem)
{
    bool is_instance = strcmp(field, "instances") == 0;
    size_t body_size_max = size + 300;
    char *body = mem_alloc(body_size_max), *text = mem_alloc(size + 1);
    struct task_spec spec;
    int rc;

    memset(text, 'x', size);
    text[size] = '\0';
    snprintf(body, body_size_max, "{%s%s" REST ",\"%s\":%s\"%s\"%s}",
             strcmp(field, "application") == 0 ? "" : "\"application\":\"a\",",
             strcmp(field, "interface") == 0 ? "" : "\"interface\":\"i\",", field,
             is_instance ? "[" : "", text, is_instance ? "]" : "");
    rc = parse(body, &spec, problem);
    free(text);
    free(body);
    return rc;
}

static void texts_are_refused_one_byte_past_their_limit(void **state)
{
    static const struct {
        const char *field;
        size_t size_max;
    } texts[] = {
        { "application", APPLICATION_SIZE_MAX },
        { "interface", INTERFACE_SIZE_MAX },
        { "note", NOTE_SIZE_MAX },
        { "instances", INSTANCE_SIZE_MAX },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        struct problem problem = { 0 };

        if (parse_long(texts[i].field, texts[i].size_max, &problem) < 0)
            fail_msg("%s: refused: %s", texts[i].field, problem.detail);
        if (parse_long(texts[i].field, texts[i].size_max + 1, &problem) == 0)
            fail_msg("%s: accepted past its limit", texts[i].field);
        assert_string_equal(problem.field, texts[i].field);
        if (parse_long(texts[i].field, 10240, &problem) == 0)
            fail_msg("%s: 10 KB accepted", texts[i].field);
        assert_non_null(strstr(problem.detail, "is 10240 bytes long; it must be"));
    }
}

static int parse_instances(int count, struct problem *problem)
{
    char body[4096];
    struct task_spec spec;
    int at = snprintf(body, sizeof body, "{" GOOD REST ",\"instances\":[");

    for (int i = 0; i < count; i++) {
        at += snprintf(body + at, sizeof body - (size_t)at, "%s\"host%d\"", i > 0 ? "," : "", i);
    }
    snprintf(body + at, sizeof body - (size_t)at, "]}");
    return parse(body, &spec, problem);
}

static void at_most_64_instances_are_taken(void **state)
{
    struct problem problem = { 0 };

    (void)state;
    assert_int_equal(parse_instances(TASK_INSTANCES_MAX, &problem), 0);
    assert_int_equal(parse_instances(TASK_INSTANCES_MAX + 1, &problem), -1);
    assert_string_equal(problem.field, "instances");
    assert_non_null(strstr(problem.detail, "'instances' are 65;"));
}

static void a_refused_order_leaves_the_result_alone(void **state)
{
    struct problem problem = { 0 };
    struct task_spec spec = { .sample_cap = 42 };

    (void)state;
    assert_int_equal(parse("{" GOOD "\"duration_min\":5,\"threshold_ms\":1}", &spec, &problem), -1);
    assert_int_equal(spec.sample_cap, 42);
    assert_int_equal(parse("{" GOOD REST ",\"lookback\":1}", &spec, &problem), -1);
    assert_false(spec.lookback);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_order_is_read_as_it_was_written),
        cmocka_unit_test(four_fields_are_enough),
        cmocka_unit_test(orders_are_accepted_or_refused_by_field),
        cmocka_unit_test(a_percentile_is_rounded_up_and_remembered),
        cmocka_unit_test(texts_are_refused_one_byte_past_their_limit),
        cmocka_unit_test(at_most_64_instances_are_taken),
        cmocka_unit_test(a_refused_order_leaves_the_result_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
