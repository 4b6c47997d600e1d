/* SPDX-License-Identifier: Apache-2.0 */
/* cutter_test.c: heads and bodies are the same, in whatever parts their bytes come. */
#include "scheduler/http/cutter.h"

#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

#define HEAD_1 "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
#define HEAD_2 "POST /b HTTP/1.1\r\nHost: x\r\n\r\n"
#define BODY_2 "GET not a head\r\n\r\n"

static const char stream[] = HEAD_1 HEAD_2 BODY_2 HEAD_1;

/* What a cutter made of a stream: each head in brackets, each body behind its head. */
struct seen {
    char text[512];
    size_t size;
    enum cut_kind last;
};

static void note(struct seen *seen, const char *before, struct text text, const char *after)
{
    int size = snprintf(seen->text + seen->size, sizeof seen->text - seen->size, "%s%.*s%s", before,
                        TEXT_ARGS(text), after);

    assert_true(size >= 0 && (size_t)size < sizeof seen->text - seen->size);
    seen->size += (size_t)size;
}

/* Heads of POST have BODY_2 behind them. */
static void feed(struct cutter *cutter, struct text bytes, struct seen *seen)
{
    while (bytes.size > 0) {
        struct cut cut = cutter_next(cutter, bytes);

        seen->last = cut.kind;
        if (cut.kind == CUT_TOO_LONG || cut.kind == CUT_NO_HEAD) return;
        assert_true(cut.used_size > 0 && cut.used_size <= bytes.size);
        if (cut.kind == CUT_BODY) note(seen, "", cut.text, "");
        if (cut.kind == CUT_HEAD) {
            bool has_body = text_starts_with(cut.text, TEXT("POST"));

            note(seen, "[", cut.text, "]");
            cutter_expect(cutter, has_body ? strlen(BODY_2) : 0);
        }
        bytes.data += cut.used_size;
        bytes.size -= cut.used_size;
    }
}

static void any_three_parts_are_cut_like_the_whole(void **state)
{
    size_t size = sizeof stream - 1;

    (void)state;
    for (size_t i = 0; i <= size; i++) {
        for (size_t j = i; j <= size; j++) {
            struct cutter cutter = CUTTER_INIT;
            struct seen seen = { .size = 0 };

            feed(&cutter, (struct text){ stream, i }, &seen);
            feed(&cutter, (struct text){ stream + i, j - i }, &seen);
            feed(&cutter, (struct text){ stream + j, size - j }, &seen);
            assert_string_equal(seen.text, "[" HEAD_1 "][" HEAD_2 "]" BODY_2 "[" HEAD_1 "]");
            assert_true(cutter_is_between(&cutter));
            cutter_done(&cutter);
        }
    }
}

static void it_is_between_where_the_next_byte_begins_a_head(void **state)
{
    struct cutter cutter = CUTTER_INIT;
    struct seen seen = { .size = 0 };

    (void)state;
    for (size_t i = 0; i < sizeof stream - 1; i++) {
        bool begins = i == 0 || i == strlen(HEAD_1) || i == strlen(HEAD_1 HEAD_2 BODY_2);

        if (cutter_is_between(&cutter) != begins) fail_msg("at byte %zu", i);
        feed(&cutter, (struct text){ stream + i, 1 }, &seen);
    }
    assert_true(cutter_is_between(&cutter));
    cutter_done(&cutter);
}

/* A head of that many bytes, given in parts of `part` bytes. */
static enum cut_kind cut_of_size(size_t size, size_t part)
{
    static char head[HEAD_SIZE_MAX + 16];
    struct cutter cutter = CUTTER_INIT;
    struct seen seen = { .size = 0 };

    memset(head, 'G', sizeof head);
    memcpy(head + size - 4, "\r\n\r\n", 4);
    for (size_t at = 0; at < size && seen.last != CUT_TOO_LONG; at += part) {
        struct text bytes = { head + at, part < size - at ? part : size - at };

        seen.last = cutter_next(&cutter, bytes).kind;
    }
    cutter_done(&cutter);
    return seen.last;
}

static void a_head_in_parts_may_be_as_long_as_any_and_no_longer(void **state)
{
    static const size_t parts[] = { 1, 7, 4096, HEAD_SIZE_MAX - 1 };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        assert_int_equal(cut_of_size(HEAD_SIZE_MAX, parts[i]), CUT_HEAD);
        assert_int_equal(cut_of_size(HEAD_SIZE_MAX + 1, parts[i]), CUT_TOO_LONG);
    }
}

static void what_can_be_no_head_is_known_before_its_end(void **state)
{
    static const struct text rows[] = {
        TEXT("\r\n"),  TEXT("get /"),        TEXT(" GET"), TEXT("\n"), TEXT("GET / HTTP/1.1\nHost"),
        TEXT("GE\0T"), TEXT("\x16\x03\x01"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct cutter whole = CUTTER_INIT, parts = CUTTER_INIT;
        struct seen seen = { .size = 0 };

        if (cutter_next(&whole, rows[i]).kind != CUT_NO_HEAD) fail_msg("row %zu", i);
        for (size_t at = 0; at < rows[i].size && seen.last != CUT_NO_HEAD; at++) {
            feed(&parts, (struct text){ rows[i].data + at, 1 }, &seen);
        }
        if (seen.last != CUT_NO_HEAD) fail_msg("row %zu, byte by byte", i);
        cutter_done(&whole);
        cutter_done(&parts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_three_parts_are_cut_like_the_whole),
        cmocka_unit_test(it_is_between_where_the_next_byte_begins_a_head),
        cmocka_unit_test(a_head_in_parts_may_be_as_long_as_any_and_no_longer),
        cmocka_unit_test(what_can_be_no_head_is_known_before_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
