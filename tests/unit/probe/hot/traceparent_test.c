/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/hot/traceparent.h"

#include "common/model/id.h"
#include "tests/support/test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRACE  "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

/* clang-format off */
static const struct {
    const char *says, *header;
    bool is_valid;
} cases[] = {
    { "the recommendation's example", "00-" TRACE "-" PARENT "-01", true },
    { "a later version that goes on", "01-" TRACE "-" PARENT "-01-more", true },
    { "a later version that does not", "cc-" TRACE "-" PARENT "-00", true },
    { "version 00 that goes on",      "00-" TRACE "-" PARENT "-01-", false },
    { "a later one without a dash",   "01-" TRACE "-" PARENT "-01x", false },
    { "version ff",                   "ff-" TRACE "-" PARENT "-01", false },
    { "no header's content",          "", false },
    { "cut within the trace ID",      "00-4bf92f", false },
    { "cut before the flags",         "00-" TRACE "-" PARENT "-", false },
    { "upper case",                   "00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01", false },
    { "not hex",                      "00-" TRACE "-00f067aa0ba902bz-01", false },
    { "a trace ID of zeros",          "00-00000000000000000000000000000000-" PARENT "-01", false },
    { "a parent of zeros",            "00-" TRACE "-0000000000000000-01", false },
    { "a space in front",             " 00-" TRACE "-" PARENT "-01", false },
};
/* clang-format on */

static void a_header_is_read_as_the_recommendation_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint64_t trace[2] = { 7, 7 };
        bool is_valid = traceparent_read(cases[i].header, trace);

        if (is_valid != cases[i].is_valid) fail_msg("%s", cases[i].says);
        if (is_valid) {
            assert_int_equal(trace[0], UINT64_C(0x4bf92f3577b34da6));
            assert_int_equal(trace[1], UINT64_C(0xa3ce929d0e0e4736));
        } else {
            assert_int_equal(trace[0], 7);
        }
    }
    assert_false(traceparent_read(NULL, (uint64_t[2]){ 0 }));
}

static void the_model_reads_every_header_alike(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct trace_id id;
        int rc = traceparent_parse(text_of(cases[i].header), &id);

        if ((rc == 0) != cases[i].is_valid) fail_msg("%s: the model differs", cases[i].says);
    }
}

/* Nothing behind the terminating zero is read: the sanitizer watches. */
static void no_byte_behind_the_end_is_read(void **state)
{
    static const char whole[] = "01-" TRACE "-" PARENT "-01-more";

    (void)state;
    for (size_t size = 0; size < sizeof whole; size++) {
        char *part = malloc(size + 1);
        uint64_t trace[2];

        memcpy(part, whole, size);
        part[size] = '\0';
        traceparent_read(part, trace);
        free(part);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_is_read_as_the_recommendation_says),
        cmocka_unit_test(the_model_reads_every_header_alike),
        cmocka_unit_test(no_byte_behind_the_end_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
