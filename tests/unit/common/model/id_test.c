/* SPDX-License-Identifier: Apache-2.0 */
#include "common/model/id.h"

#include "common/base/own.h"
#include "tests/support/test.h"

#include <errno.h>
#include <string.h>

#define TRACE  "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"
#define ZERO16 "0000000000000000"

/* clang-format off */
static const struct {
    const char *says;
    struct text header;
    bool is_accepted;
} headers[] = {
    { "the recommendation's own",  TEXT("00-" TRACE "-" PARENT "-01"),       true },
    { "not sampled",               TEXT("00-" TRACE "-" PARENT "-00"),       true },
    { "unknown flags",             TEXT("00-" TRACE "-" PARENT "-ff"),       true },
    { "a later version",           TEXT("cc-" TRACE "-" PARENT "-01"),       true },
    { "a later one with more",     TEXT("cc-" TRACE "-" PARENT "-01-what"),  true },
    { "a later one, run together", TEXT("cc-" TRACE "-" PARENT "-01what"),   false },
    { "version 00 with more",      TEXT("00-" TRACE "-" PARENT "-01-what"),  false },
    { "version ff",                TEXT("ff-" TRACE "-" PARENT "-01"),       false },
    { "a version that is no hex",  TEXT("0g-" TRACE "-" PARENT "-01"),       false },
    { "an upper-case version",     TEXT("CC-" TRACE "-" PARENT "-01"),       false },
    { "zero trace",                TEXT("00-" ZERO16 ZERO16 "-" PARENT "-01"), false },
    { "zero parent",               TEXT("00-" TRACE "-" ZERO16 "-01"),       false },
    { "upper-case trace",          TEXT("00-4BF92F" ZERO16 "3577B34DA6-" PARENT "-01"), false },
    { "upper-case parent",         TEXT("00-" TRACE "-00F067AA0BA902B7-01"), false },
    { "flags that are no hex",     TEXT("00-" TRACE "-" PARENT "-0x"),       false },
    { "no first dash",             TEXT("00_" TRACE "-" PARENT "-01"),       false },
    { "no second dash",            TEXT("00-" TRACE "_" PARENT "-01"),       false },
    { "no third dash",             TEXT("00-" TRACE "-" PARENT "_01"),       false },
    { "one too short",             TEXT("00-" TRACE "-" PARENT "-0"),        false },
    { "a space before",            TEXT(" 00-" TRACE "-" PARENT "-01"),      false },
    { "nothing",                   TEXT(""),                                 false },
};
/* clang-format on */

static void traceparent_is_read_as_the_recommendation_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(headers); i++) {
        OWN(mem_freep) char *exact = mem_alloc(headers[i].header.size); /* for ASan */
        struct trace_id trace = { "untouched" };
        int rc;

        memcpy(exact, headers[i].header.data, headers[i].header.size);
        rc = traceparent_parse((struct text){ exact, headers[i].header.size }, &trace);
        if (rc != (headers[i].is_accepted ? 0 : -EINVAL)) fail_msg("%s: %d", headers[i].says, rc);
        assert_string_equal(trace.text, headers[i].is_accepted ? TRACE : "untouched");
    }
    assert_int_equal(traceparent_parse((struct text){ 0 }, &(struct trace_id){ "" }), -EINVAL);
}

static void no_truncation_of_a_traceparent_is_accepted(void **state)
{
    struct text whole = TEXT("00-" TRACE "-" PARENT "-01");
    struct trace_id trace;

    (void)state;
    for (size_t size = 0; size < whole.size; size++) {
        assert_int_equal(traceparent_parse((struct text){ whole.data, size }, &trace), -EINVAL);
    }
}

static void an_id_of_another_form_is_not_an_id(void **state)
{
    static const struct text refused[] = {
        TEXT(""),
        TEXT("0193e5f1a2b0000000f"),
        TEXT("0193e5f1a2b0000000f1a"),
        TEXT("0193E5f1a2b0000000f1"),
        TEXT("00000000000000000000"),
        TEXT("../../../../etc/pass"),
        TEXT("0193e5f1a2b0000000f\0"),
        TEXT(TRACE TRACE),
        TEXT(ZERO16 ZERO16),
        TEXT(ZERO16),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
        struct task_id task;
        struct sample_id sample;
        struct trace_id trace;
        uint64_t incarnation;

        assert_int_equal(task_id_parse(refused[i], &task), -EINVAL);
        assert_int_equal(sample_id_parse(refused[i], &sample), -EINVAL);
        assert_int_equal(trace_id_parse(refused[i], &trace), -EINVAL);
        assert_int_equal(incarnation_parse(refused[i], &incarnation), -EINVAL);
    }
}

static void made_ids_are_ids_and_differ(void **state)
{
    struct task_id before = task_id_make(0);

    (void)state;
    for (uint64_t ms = 1; ms < UINT64_C(1) << 44; ms = ms * 5 + 1) {
        struct task_id id = task_id_make(ms), parsed;
        struct sample_id sample = sample_id_make(), sample_parsed;
        struct trace_id trace = trace_id_make(), trace_parsed;

        assert_int_equal(task_id_parse(text_of(id.text), &parsed), 0);
        assert_memory_equal(&id, &parsed, sizeof id);
        assert_int_equal(task_id_wall_ms(&id), ms);
        assert_true(strcmp(before.text, id.text) < 0); /* later ones sort behind */
        assert_int_equal(sample_id_parse(text_of(sample.text), &sample_parsed), 0);
        assert_int_equal(trace_id_parse(text_of(trace.text), &trace_parsed), 0);
        assert_memory_not_equal(sample.text, trace.text, SAMPLE_ID_SIZE);
        before = id;
    }
}

static void incarnations_come_back(void **state)
{
    static const uint64_t values[] = { 1, 0xf, UINT64_C(0x0123456789abcdef), UINT64_MAX };
    char text[INCARNATION_SIZE + 1];

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
        uint64_t value = 0;

        incarnation_format(values[i], text);
        assert_int_equal(incarnation_parse(text_of(text), &value), 0);
        assert_int_equal(value, values[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(traceparent_is_read_as_the_recommendation_says),
        cmocka_unit_test(no_truncation_of_a_traceparent_is_accepted),
        cmocka_unit_test(an_id_of_another_form_is_not_an_id),
        cmocka_unit_test(made_ids_are_ids_and_differ),
        cmocka_unit_test(incarnations_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
