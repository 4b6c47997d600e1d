/* SPDX-License-Identifier: Apache-2.0 */
/* Every limit of a task on both sides of its edge, and the sentence that refuses. */
#include "common/model/task_spec.h"

#include "common/model/problem.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

#define NOW_MS   UINT64_C(1763694727482)
#define AHEAD_MS (START_AHEAD_S_MAX * UINT64_C(1000))

static struct task_spec sound(void)
{
    struct task_spec spec = TASK_SPEC_DEFAULT;

    snprintf(spec.application, sizeof spec.application, "shop");
    snprintf(spec.interface, sizeof spec.interface, "POST /checkout");
    spec.duration_min = 5;
    spec.threshold_ms = 100;
    return spec;
}

/* `size` times the letter, and a zero if there is room. */
static void fill(char *array, size_t size)
{
    memset(array, 'x', size);
    array[size] = '\0';
}

/* clang-format off */
#define CHANGES(name) static void name(struct task_spec *s)
CHANGES(as_it_is)         { (void)s; }
CHANGES(application_none) { s->application[0] = '\0'; }
CHANGES(application_128)  { fill(s->application, 128); }
CHANGES(application_129)  { memset(s->application, 'x', 129); }
CHANGES(application_tab)  { strncpy(s->application, "a\tb", 4); }
CHANGES(application_bad)  { strncpy(s->application, "a\xff", 3); }
CHANGES(interface_none)   { s->interface[0] = '\0'; }
CHANGES(interface_512)    { fill(s->interface, 512); }
CHANGES(interface_513)    { memset(s->interface, 'x', 513); }
CHANGES(interface_prefix) { strncpy(s->interface, "GET /*", 7); }
CHANGES(interface_star)   { strncpy(s->interface, "*", 2); }
CHANGES(interface_stars)  { strncpy(s->interface, "**", 3); }
CHANGES(interface_inner)  { strncpy(s->interface, "GET /*/x", 9); }
CHANGES(duration_0)       { s->duration_min = 0; }
CHANGES(duration_6)       { s->duration_min = 6; }
CHANGES(duration_10)      { s->duration_min = 10; }
CHANGES(duration_15)      { s->duration_min = 15; }
CHANGES(duration_20)      { s->duration_min = 20; }
CHANGES(threshold_49)     { s->threshold_ms = 49; }
CHANGES(threshold_50)     { s->threshold_ms = 50; }
CHANGES(threshold_30000)  { s->threshold_ms = 30000; }
CHANGES(threshold_30001)  { s->threshold_ms = 30001; }
CHANGES(threshold_least)  { s->threshold_ms = INT64_MIN; }
CHANGES(frequency_4)      { s->frequency_ms = 4; }
CHANGES(frequency_5)      { s->frequency_ms = 5; }
CHANGES(frequency_1000)   { s->frequency_ms = 1000; }
CHANGES(frequency_1001)   { s->frequency_ms = 1001; }
CHANGES(cap_0)            { s->sample_cap = 0; }
CHANGES(cap_1)            { s->sample_cap = 1; }
CHANGES(cap_100)          { s->sample_cap = 100; }
CHANGES(cap_101)          { s->sample_cap = 101; }
CHANGES(start_now)        { s->start_wall_ms = NOW_MS; }
CHANGES(start_past)       { s->start_wall_ms = NOW_MS - 1; }
CHANGES(start_1970)       { s->start_wall_ms = 1; }
CHANGES(start_30_days)    { s->start_wall_ms = NOW_MS + AHEAD_MS; }
CHANGES(start_later)      { s->start_wall_ms = NOW_MS + AHEAD_MS + 1; }
CHANGES(lookback_on)      { s->lookback = true; }
CHANGES(note_500)         { fill(s->note, 500); }
CHANGES(note_501)         { memset(s->note, 'x', 501); }
CHANGES(note_lines)       { strncpy(s->note, "a\nb", 4); }
CHANGES(author_64)        { fill(s->author, 64); }
CHANGES(author_65)        { memset(s->author, 'x', 65); }
CHANGES(instances_64)
{
    s->instance_count = 64;
    for (int i = 0; i < 64; i++) snprintf(s->instances[i], sizeof s->instances[i], "host-%d", i);
}
CHANGES(instances_65)     { instances_64(s); s->instance_count = 65; }
CHANGES(instance_255)     { s->instance_count++; fill(s->instances[0], 255); }
CHANGES(instance_256)     { s->instance_count++; memset(s->instances[0], 'x', 256); }
CHANGES(instance_none)    { s->instance_count = 1; }
CHANGES(instance_twice)   { instances_64(s); s->instances[9][5] = '3'; }

#define NAMES      "1 to 128 bytes of printable UTF-8."
#define INTERFACES "1 to 512 bytes of printable UTF-8, with '*' at its end alone, for a prefix."
#define INSTANCES  "at most 64 host names, host IPs or instance names, each different, of 1 to " \
                   "255 bytes of printable UTF-8."
#define STARTS     "a time (RFC 3339, or ms since 1970) from now to 30 days ahead."

/* clang-format on */

static const struct {
    const char *says;
    void (*change)(struct task_spec *spec);
    const char *field, *sentence; /* NULL: accepted */
} cases[] = {
    { "the defaults", as_it_is, NULL, NULL },
    { "no application", application_none, "application",
      "'application' is empty; it must be " NAMES },
    { "application of 128", application_128, NULL, NULL },
    { "application of 129", application_129, "application",
      "'application' is 129 bytes long; it must be " NAMES },
    { "a tab in it", application_tab, "application",
      "'application' has a control character; it must be " NAMES },
    { "not UTF-8", application_bad, "application",
      "'application' is not UTF-8; it must be " NAMES },
    { "no interface", interface_none, "interface", "'interface' is empty; it must be " INTERFACES },
    { "interface of 512", interface_512, NULL, NULL },
    { "interface of 513", interface_513, "interface",
      "'interface' is 513 bytes long; it must be " INTERFACES },
    { "a prefix", interface_prefix, NULL, NULL },
    { "every interface", interface_star, NULL, NULL },
    { "two stars", interface_stars, "interface",
      "'interface' has a '*' before its end; it must be " INTERFACES },
    { "a star within", interface_inner, "interface",
      "'interface' has a '*' before its end; it must be " INTERFACES },
    { "no duration", duration_0, "duration_min", "'duration_min' is 0; it must be 5, 10 or 15." },
    { "6 minutes", duration_6, "duration_min", "'duration_min' is 6; it must be 5, 10 or 15." },
    { "10 minutes", duration_10, NULL, NULL },
    { "15 minutes", duration_15, NULL, NULL },
    { "20 minutes", duration_20, "duration_min", "'duration_min' is 20; it must be 5, 10 or 15." },
    { "threshold 49", threshold_49, "threshold_ms",
      "'threshold_ms' is 49; it must be 50 to 30000, or p50, p90 or p99." },
    { "threshold 50", threshold_50, NULL, NULL },
    { "threshold 30000", threshold_30000, NULL, NULL },
    { "threshold 30001", threshold_30001, "threshold_ms",
      "'threshold_ms' is 30001; it must be 50 to 30000, or p50, p90 or p99." },
    { "the least number", threshold_least, "threshold_ms",
      "'threshold_ms' is -9223372036854775808; it must be 50 to 30000, or p50, p90 or p99." },
    { "frequency 4", frequency_4, "frequency_ms", "'frequency_ms' is 4; it must be 5 to 1000." },
    { "frequency 5", frequency_5, NULL, NULL },
    { "frequency 1000", frequency_1000, NULL, NULL },
    { "frequency 1001", frequency_1001, "frequency_ms",
      "'frequency_ms' is 1001; it must be 5 to 1000." },
    { "cap 0", cap_0, "sample_cap", "'sample_cap' is 0; it must be 1 to 100." },
    { "cap 1", cap_1, NULL, NULL },
    { "cap 100", cap_100, NULL, NULL },
    { "cap 101", cap_101, "sample_cap", "'sample_cap' is 101; it must be 1 to 100." },
    { "start now", start_now, NULL, NULL },
    { "start 1 ms ago", start_past, "start",
      "'start' is 2025-11-21T03:12:07.481Z; it must be " STARTS },
    { "start in 1970", start_1970, "start",
      "'start' is 1970-01-01T00:00:00.001Z; it must be " STARTS },
    { "start in 30 days", start_30_days, NULL, NULL },
    { "start 1 ms later", start_later, "start",
      "'start' is 2025-12-21T03:12:07.483Z; it must be " STARTS },
    { "looking back", lookback_on, NULL, NULL },
    { "note of 500", note_500, NULL, NULL },
    { "note of 501", note_501, "note",
      "'note' is 501 bytes long; it must be at most 500 bytes of printable UTF-8." },
    { "note of two lines", note_lines, "note",
      "'note' has a control character; it must be at most 500 bytes of printable UTF-8." },
    { "author of 64", author_64, NULL, NULL },
    { "author of 65", author_65, "author",
      "'author' is 65 bytes long; it must be at most 64 bytes of printable UTF-8." },
    { "64 instances", instances_64, NULL, NULL },
    { "65 instances", instances_65, "instances", "'instances' are 65; it must be " INSTANCES },
    { "instance of 255", instance_255, NULL, NULL },
    { "instance of 256", instance_256, "instances",
      "One of 'instances' is 256 bytes long; it must be 1 to 255 bytes of printable UTF-8." },
    { "instance without name", instance_none, "instances",
      "One of 'instances' is empty; it must be 1 to 255 bytes of printable UTF-8." },
    { "an instance twice", instance_twice, "instances",
      "'instances' has the same name twice; it must be " INSTANCES },
};

static void spec_is_accepted_or_refused_with_a_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct task_spec spec = sound();
        struct problem problem = { 0 };
        int rc;

        cases[i].change(&spec);
        rc = task_spec_check(&spec, NOW_MS, &problem);
        if (!cases[i].field) {
            if (rc != 0) fail_msg("%s: refused: %s", cases[i].says, problem.detail);
            assert_int_equal(problem.code, PROBLEM_NONE);
            continue;
        }
        if (rc != -1) fail_msg("%s: accepted", cases[i].says);
        if (strcmp(problem.field, cases[i].field) != 0 ||
            strcmp(problem.detail, cases[i].sentence) != 0)
            fail_msg("%s: '%s': %s", cases[i].says, problem.field, problem.detail);
        assert_int_equal(problem.code, PROBLEM_BAD_FIELD);
    }
}

/* The words of a row name the numbers of the row. */
static void the_table_says_what_it_checks(void **state)
{
    size_t count;
    const struct task_field *fields = task_fields(&count);

    (void)state;
    assert_int_equal(count, 10);
    for (size_t i = 0; i < count; i++) {
        const struct task_field *field = &fields[i];
        char number[32];

        assert_ptr_equal(task_field_find(text_of(field->name)), field);
        assert_true(field->accepts[0] != '\0' && field->says[0] != '\0');
        if (field->kind == TASK_FIELD_TIME || field->kind == TASK_FIELD_FLAG) continue;
        snprintf(number, sizeof number, "%lld", (long long)field->maximum);
        if (!strstr(field->accepts, number)) fail_msg("%s: %s", field->name, field->accepts);
        for (const int64_t *choice = field->choices; choice && *choice; choice++) {
            snprintf(number, sizeof number, "%lld", (long long)*choice);
            if (!strstr(field->accepts, number)) fail_msg("%s: %s", field->name, field->accepts);
        }
        if (field->kind == TASK_FIELD_INTEGER && !field->is_required)
            assert_in_range(field->fallback, field->minimum, field->maximum);
    }
    assert_null(task_field_find(TEXT("threshold")));
}

static void a_value_of_the_wrong_form_is_shown_where_it_can_be(void **state)
{
    struct problem problem = { 0 };

    (void)state;
    assert_int_equal(task_field_refuse("threshold_ms", TEXT("\"fast\""), &problem), -1);
    assert_string_equal(problem.detail,
                        "'threshold_ms' is \"fast\"; it must be 50 to 30000, or p50, p90 or p99.");
    task_field_refuse("threshold_ms", TEXT("\x1b[2J"), &problem);
    assert_string_equal(
        problem.detail,
        "'threshold_ms' is not acceptable; it must be 50 to 30000, or p50, p90 or p99.");
    task_field_refuse("colour", TEXT("red"), &problem);
    assert_string_equal(problem.detail, "'colour' is not a field of a task.");
    assert_string_equal(problem.field, "colour");
}

static void a_reported_name_has_no_star(void **state)
{
    struct problem problem = { 0 };

    (void)state;
    assert_int_equal(interface_name_check(TEXT("GET /item/{id}"), &problem), 0);
    assert_int_equal(interface_name_check(TEXT("GET /*"), &problem), -1);
    assert_string_equal(problem.field, "interface");
    assert_int_equal(interface_name_check(TEXT(""), &problem), -1);
}

static void patterns_match_and_overlap(void **state)
{
    static const struct {
        struct text left, right;
        bool overlap;
        bool matches; /* left, a pattern, matches right, a name */
    } pairs[] = {
        { TEXT("a"), TEXT("a"), true, true },
        { TEXT("a"), TEXT("b"), false, false },
        { TEXT("a"), TEXT("ab"), false, false },
        { TEXT("a*"), TEXT("a"), true, true },
        { TEXT("a*"), TEXT("ab"), true, true },
        { TEXT("a*"), TEXT("b"), false, false },
        { TEXT("ab*"), TEXT("a"), false, false },
        { TEXT("*"), TEXT("anything"), true, true },
        { TEXT("a*"), TEXT("ab*"), true, true },
        { TEXT("ab*"), TEXT("a*"), true, false },
        { TEXT("ab*"), TEXT("ac*"), false, false },
        { TEXT("*"), TEXT("*"), true, true },
        { TEXT("GET /cart"), TEXT("GET /*"), true, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(pairs); i++) {
        if (interfaces_overlap(pairs[i].left, pairs[i].right) != pairs[i].overlap ||
            interfaces_overlap(pairs[i].right, pairs[i].left) != pairs[i].overlap)
            fail_msg("pair %zu: overlap", i);
        if (interface_matches(pairs[i].left, pairs[i].right) != pairs[i].matches)
            fail_msg("pair %zu: match", i);
    }
}

static void a_task_admits_instances_by_name_host_or_ip(void **state)
{
    struct task_spec spec = sound();
    struct text ip = TEXT("10.0.0.7");

    (void)state;
    assert_true(task_spec_admits(&spec, TEXT("host-1:4711"), ip));
    spec.instance_count = 1;
    snprintf(spec.instances[0], sizeof spec.instances[0], "host-1");
    assert_true(task_spec_admits(&spec, TEXT("host-1:4711"), ip));
    assert_true(task_spec_admits(&spec, TEXT("host-1"), ip));
    assert_false(task_spec_admits(&spec, TEXT("host-10:4711"), ip));
    assert_false(task_spec_admits(&spec, TEXT(""), (struct text){ 0 }));
    snprintf(spec.instances[0], sizeof spec.instances[0], "host-1:4711");
    assert_true(task_spec_admits(&spec, TEXT("host-1:4711"), ip));
    assert_false(task_spec_admits(&spec, TEXT("host-1:4712"), ip));
    snprintf(spec.instances[0], sizeof spec.instances[0], "10.0.0.7");
    assert_true(task_spec_admits(&spec, TEXT("host-2:1"), ip));
    assert_false(task_spec_admits(&spec, TEXT("host-2:1"), TEXT("10.0.0.8")));
    spec.instance_count = 2;
    snprintf(spec.instances[1], sizeof spec.instances[1], "fe80::1:8");
    assert_true(task_spec_admits(&spec, TEXT("x:1"), TEXT("fe80::1:8")));
}

/* clang-format off */
static const bool moves[TASK_STATE_COUNT][TASK_STATE_COUNT] = {
    [TASK_SCHEDULED] = { [TASK_ACTIVE] = true, [TASK_CANCELLED] = true },
    [TASK_ACTIVE] = { [TASK_EXPIRED] = true, [TASK_FILLED] = true, [TASK_CANCELLED] = true },
};
/* clang-format on */

static void a_task_moves_as_the_design_says_and_no_other_way(void **state)
{
    (void)state;
    for (unsigned from = 0; from < TASK_STATE_COUNT; from++) {
        enum task_state parsed;
        bool has_moves = false;

        for (unsigned to = 0; to < TASK_STATE_COUNT; to++) {
            assert_int_equal(task_may_move(from, to), moves[from][to]);
            has_moves |= moves[from][to];
        }
        assert_int_equal(task_state_is_final(from), !has_moves);
        assert_int_equal(task_state_parse(text_of(task_state_name(from)), &parsed), 0);
        assert_int_equal(parsed, from);
    }
    assert_false(task_may_move(TASK_STATE_COUNT, TASK_ACTIVE));
    assert_false(task_state_is_final(TASK_STATE_COUNT));
    assert_int_not_equal(task_state_parse(TEXT("active"), &(enum task_state){ 0 }), 0);
}

static void durations_follow_each_other(void **state)
{
    (void)state;
    assert_int_equal(duration_next(5), 10);
    assert_int_equal(duration_next(10), 15);
    assert_int_equal(duration_next(15), 0);
    assert_string_equal(threshold_from_name(THRESHOLD_FROM_P99), "p99");
    assert_string_equal(threshold_from_name(THRESHOLD_FROM_MS), "ms");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spec_is_accepted_or_refused_with_a_sentence),
        cmocka_unit_test(the_table_says_what_it_checks),
        cmocka_unit_test(a_value_of_the_wrong_form_is_shown_where_it_can_be),
        cmocka_unit_test(a_reported_name_has_no_star),
        cmocka_unit_test(patterns_match_and_overlap),
        cmocka_unit_test(a_task_admits_instances_by_name_host_or_ip),
        cmocka_unit_test(a_task_moves_as_the_design_says_and_no_other_way),
        cmocka_unit_test(durations_follow_each_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
