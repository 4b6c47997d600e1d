/* SPDX-License-Identifier: Apache-2.0 */
/* exports_test.c: names from hell through every format. Real readers of the formats are in
 * tests/integration/scheduler/exports. */
#include "tests/support/test.h"

#include "common/base/clock.h"
#include "scheduler/analysis/escape.h"
#include "scheduler/analysis/private.h"
#include "tests/unit/scheduler/analysis/made_sample.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { BUF_MAX = 64 << 20 };

static const struct {
    const char *says, *name, *folded, *xml;
} hostile[] = {
    { "HTML", "<script>alert(1)</script>", "<script>alert(1)</script>",
      "&lt;script&gt;alert(1)&lt;/script&gt;" },
    { "quotes", "a\"b'c", "a\"b'c", "a&quot;b&#39;c" },
    { "an entity", "&amp;]]>", "&amp:]]>", "&amp;amp;]]&gt;" },
    { "a semicolon", "a;b", "a:b", "a;b" },
    { "a newline", "a\nb 7", "a\u240ab 7", "a\u240ab 7" },
    { "a right-to-left mark", "a\u202eb", "a<U+202E>b", "a&lt;U+202E&gt;b" },
    { "an emoji", "\U0001f600", "\U0001f600", "\U0001f600" },
    { "no UTF-8", "a\xff\xc0z", "a\ufffd\ufffdz", "a\ufffd\ufffdz" },
    { "delete and C1", "\x7f\xc2\x85", "\u2421<U+0085>", "\u2421&lt;U+0085&gt;" },
    { "a noncharacter", "\uffff", "<U+FFFF>", "&lt;U+FFFF&gt;" },
};

static void texts_are_escaped(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(hostile); i++) {
        OWN(buf_done) struct buf folded = BUF_INIT(4096), xml = BUF_INIT(4096);
        OWN(buf_done) struct buf quoted = BUF_INIT(4096), valid = BUF_INIT(4096);
        json_t *json;

        escape_folded(&folded, text_of(hostile[i].name));
        if (strcmp(folded.data, hostile[i].folded) != 0)
            fail_msg("%s: '%s'", hostile[i].says, folded.data);
        escape_xml(&xml, text_of(hostile[i].name));
        if (strcmp(xml.data, hostile[i].xml) != 0) fail_msg("%s: '%s'", hostile[i].says, xml.data);

        /* JSON gives back what went in, but for bytes that are no UTF-8. */
        buf_text(&quoted, TEXT("[\""));
        escape_json(&quoted, text_of(hostile[i].name));
        buf_text(&quoted, TEXT("\"]"));
        json = json_loadb(quoted.data, quoted.size, 0, NULL);
        if (!json) fail_msg("%s: '%s'", hostile[i].says, quoted.data);
        escape_invalid(&valid, text_of(hostile[i].name));
        assert_string_equal(json_string_value(json_array_get(json, 0)), valid.data);
        json_decref(json);
    }
}

/* One stack per name; and names of 10 KB, which the tables cut. */
static struct analysis *hostile_analysis(void)
{
    struct look looks[ARRAY_COUNT(hostile) + 1];
    static char names[ARRAY_COUNT(hostile) + 1][10300];
    struct analysis *analysis;
    struct sample *sample;

    for (size_t i = 0; i < ARRAY_COUNT(hostile); i++) {
        snprintf(names[i], sizeof names[i], "%s", hostile[i].name);
        looks[i] = (struct look){ 100, 100, 0, WAIT_NONE, NULL, names[i] };
    }
    memset(names[ARRAY_COUNT(hostile)], 'N', 10240);
    looks[ARRAY_COUNT(hostile)] =
        (struct look){ 100, 0, 0, WAIT_LOCK, "mutex <b>&\"\n", names[ARRAY_COUNT(hostile)] };
    sample = made_sample(100 * (ARRAY_COUNT(looks) + 1), 100, looks, ARRAY_COUNT(looks));
    made_owner(sample, ARRAY_COUNT(hostile), "</script>\"\n\u202e", names[0]);
    analysis = analysis_new((const struct sample *const[]){ sample }, NULL, 1);
    sample_free(sample);
    return analysis;
}

static void each_format_takes_any_name(void **state)
{
    struct analysis *analysis = hostile_analysis();

    (void)state;
    for (int format = 0; format < EXPORT_COUNT; format++) {
        OWN(buf_done) struct buf text = BUF_INIT(BUF_MAX);

        assert_int_equal(analysis_export(analysis, (enum export_format)format,
                                         TEXT("</title><b>\xff\u202e\""), &text),
                         0);
        assert_true(text.size > 0);
        if (format != EXPORT_PPROF) assert_true(text_is_utf8(buf_peek(&text)));
        if (format == EXPORT_JSON || format == EXPORT_SPEEDSCOPE) {
            json_t *json = json_loadb(text.data, text.size, 0, NULL);

            assert_non_null(json);
            json_decref(json);
        }
        if (format == EXPORT_SVG) {
            assert_null(strstr(text.data, "<script"));
            assert_null(strstr(text.data, "<b>"));
            assert_null(strstr(text.data, "\u202e"));
        }
    }
    analysis_free(analysis);
}

static void collapsed_stacks_are_lines_that_sum_up(void **state)
{
    struct analysis *analysis = hostile_analysis();
    OWN(buf_done) struct buf text = BUF_INIT(BUF_MAX);
    unsigned long long sum_us = 0;
    uint32_t lines = 0;

    (void)state;
    assert_int_equal(analysis_export(analysis, EXPORT_FOLDED, TEXT(""), &text), 0);
    for (const char *line = text.data; *line != '\0';) {
        const char *end = strchr(line, '\n'), *space;

        assert_non_null(end);
        space = memrchr(line, ' ', (size_t)(end - line));
        assert_non_null(space);
        sum_us += strtoull(space + 1, NULL, 10);
        lines++;
        line = end + 1;
    }
    assert_int_equal(lines, ARRAY_COUNT(hostile) + 1);
    assert_int_equal(sum_us, analysis->listened_ns / NS_PER_US);
    analysis_free(analysis);
}

static void a_buffer_that_is_too_small_is_said_to_be(void **state)
{
    struct analysis *analysis = hostile_analysis();

    (void)state;
    for (int format = 0; format < EXPORT_COUNT; format++) {
        OWN(buf_done) struct buf text = BUF_INIT(50);

        assert_int_equal(analysis_export(analysis, (enum export_format)format, TEXT(""), &text),
                         -ENOBUFS);
    }
    analysis_free(analysis);
}

static void comparisons_have_json_and_svg_alone(void **state)
{
    struct analysis *analysis = hostile_analysis(), *diff = analysis_diff(analysis, analysis);

    (void)state;
    for (int format = 0; format < EXPORT_COUNT; format++) {
        bool exists = format == EXPORT_JSON || format == EXPORT_SVG;
        OWN(buf_done) struct buf text = BUF_INIT(BUF_MAX);

        assert_int_equal(analysis_export(diff, (enum export_format)format, TEXT(""), &text),
                         exists ? 0 : -EOPNOTSUPP);
    }
    analysis_free(diff);
    analysis_free(analysis);
}

static void formats_are_known_by_their_slugs(void **state)
{
    enum export_format format = EXPORT_COUNT;

    (void)state;
    for (int i = 0; i < EXPORT_COUNT; i++) {
        assert_int_equal(
            export_format_parse(text_of(export_format_slug((enum export_format)i)), &format), 0);
        assert_int_equal(format, i);
        assert_non_null(strchr(export_format_type(format), '/'));
        assert_true(strlen(export_format_suffix(format)) > 0);
    }
    assert_int_equal(export_format_parse(TEXT("xml"), &format), -EINVAL);
    assert_int_equal(export_format_parse(TEXT(""), &format), -EINVAL);
}

/* Of one lock that worker-3 held, first writing, then not known how. */
static struct analysis *analysis_of_owners(void)
{
    static const struct look looks[] = {
        { 600, 0, 0, WAIT_LOCK, "mutex cart_lock", "pthread_mutex_lock@/lib/libc.so.6 < reserve" },
        { 300, 0, 0, WAIT_LOCK, "mutex cart_lock", "pthread_mutex_lock@/lib/libc.so.6 < reserve" },
        { 100, 100, 0, WAIT_NONE, NULL, "reserve" },
    };
    struct sample *sample = made_sample(1000, 0, looks, ARRAY_COUNT(looks));
    struct analysis *analysis;

    made_owner(sample, 0, "worker-3", "fsync@/lib/libc.so.6 < save_order < work");
    made_owner(sample, 1, "worker-3", NULL);
    analysis = analysis_new((const struct sample *const[]){ sample }, NULL, 1);
    sample_free(sample);
    return analysis;
}

static const char *function_at(const json_t *json, const json_t *index)
{
    const json_t *frame =
        json_array_get(json_object_get(json, "frames"), (size_t)json_integer_value(index));

    return json_string_value(json_object_get(frame, "function"));
}

static void json_tells_who_held_a_lock(void **state)
{
    struct analysis *analysis = analysis_of_owners();
    OWN(buf_done) struct buf text = BUF_INIT(BUF_MAX);
    const json_t *timeline, *owner, *locks, *lock;
    json_t *json;

    (void)state;
    assert_int_equal(analysis_export(analysis, EXPORT_JSON, TEXT(""), &text), 0);
    json = json_loadb(text.data, text.size, 0, NULL);
    timeline = json_object_get(json, "timeline");
    owner = json_object_get(json_array_get(timeline, 0), "lock_owner");
    assert_string_equal(json_string_value(json_object_get(owner, "thread")), "worker-3");
    assert_true(json_integer_value(json_object_get(owner, "thread_id")) > 0);
    assert_int_equal(json_array_size(json_object_get(owner, "stack")), 3);
    assert_string_equal(function_at(json, json_array_get(json_object_get(owner, "stack"), 1)),
                        "save_order");
    owner = json_object_get(json_array_get(timeline, 1), "lock_owner");
    assert_int_equal(json_array_size(json_object_get(owner, "stack")), 0);
    assert_true(json_is_null(json_object_get(json_array_get(timeline, 2), "lock_owner")));

    locks = json_object_get(json, "locks");
    assert_int_equal(json_array_size(locks), 2);
    lock = json_array_get(locks, 0);
    assert_string_equal(json_string_value(json_object_get(lock, "waiting_for")), "mutex cart_lock");
    assert_int_equal((int)json_number_value(json_object_get(lock, "wait_ms")), 600);
    assert_string_equal(function_at(json, json_object_get(lock, "held_in")), "save_order");
    assert_string_equal(function_at(json, json_object_get(lock, "called")), "fsync");
    lock = json_array_get(locks, 1);
    assert_int_equal((int)json_number_value(json_object_get(lock, "wait_ms")), 300);
    assert_true(json_is_null(json_object_get(lock, "held_in")));
    assert_int_equal(json_integer_value(json_object_get(lock, "owners")), 1);
    json_decref(json);
    analysis_free(analysis);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_escaped),
        cmocka_unit_test(each_format_takes_any_name),
        cmocka_unit_test(collapsed_stacks_are_lines_that_sum_up),
        cmocka_unit_test(a_buffer_that_is_too_small_is_said_to_be),
        cmocka_unit_test(comparisons_have_json_and_svg_alone),
        cmocka_unit_test(formats_are_known_by_their_slugs),
        cmocka_unit_test(json_tells_who_held_a_lock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
