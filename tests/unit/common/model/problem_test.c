/* SPDX-License-Identifier: Apache-2.0 */
#include "common/model/problem.h"

#include "common/base/text.h"
#include "tests/support/test.h"

#include <string.h>

static void every_problem_has_a_slug_a_title_and_a_status(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PROBLEM_COUNT; i++) {
        int status = problem_status(i);

        assert_true(strlen(problem_title(i)) > 0);
        assert_true(i == PROBLEM_NONE ? status == 200 : status >= 400 && status < 600);
        for (unsigned j = 0; j < i; j++) {
            assert_string_not_equal(problem_slug(i), problem_slug(j));
        }
        for (const char *c = problem_slug(i); *c; c++) {
            assert_true((*c >= 'a' && *c <= 'z') || *c == '-');
        }
    }
    assert_int_equal(problem_status(PROBLEM_COUNT), 500);
    assert_string_equal(problem_slug(PROBLEM_COUNT), "unknown");
}

static void a_problem_names_its_code_and_field(void **state)
{
    struct problem problem = { 0 };

    (void)state;
    assert_int_equal(problem_set(&problem, PROBLEM_OVERLAP, "task %d", 7), -1);
    assert_int_equal(problem.code, PROBLEM_OVERLAP);
    assert_string_equal(problem.field, "");
    assert_int_equal(problem_set_field(&problem, "note", "it is %s", "long"), -1);
    assert_int_equal(problem.code, PROBLEM_BAD_FIELD);
    assert_string_equal(problem.field, "note");
    assert_string_equal(problem.detail, "it is long");
    assert_int_equal(problem_set_body(&problem, "a field with a name of more than 32", "x"), -1);
    assert_int_equal(problem.code, PROBLEM_BAD_BODY);
    assert_int_equal(strlen(problem.field), PROBLEM_FIELD_SIZE - 1);
}

/* Wherever the cut falls in a row of characters of 1 to 4 bytes, the rest is UTF-8. */
static void a_long_sentence_is_cut_at_a_character(void **state)
{
    (void)state;
    for (size_t shift = 0; shift < 10; shift++) {
        struct problem problem = { 0 };
        char text[1024];
        size_t size = shift;

        memset(text, 'x', shift);
        for (; size + 10 < sizeof text; size += 10) {
            memcpy(text + size, "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 10);
        }
        text[size] = '\0';
        problem_set(&problem, PROBLEM_INTERNAL, "%s", text);
        assert_true(text_is_utf8(text_of(problem.detail)));
        assert_in_range(strlen(problem.detail), PROBLEM_DETAIL_SIZE - 5, PROBLEM_DETAIL_SIZE - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_problem_has_a_slug_a_title_and_a_status),
        cmocka_unit_test(a_problem_names_its_code_and_field),
        cmocka_unit_test(a_long_sentence_is_cut_at_a_character),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
