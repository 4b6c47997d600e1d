/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "scheduler/http/route.h"

#include <errno.h>
#include <string.h>

static const struct {
    const char *pattern, *path;
    const char *value; /* of the one parameter; NULL: no match; "": none */
} cases[] = {
    { "/tasks", "/tasks", "" },
    { "/tasks", "/tasks/", NULL },
    { "/tasks", "/task", NULL },
    { "/tasks", "/tasksx", NULL },
    { "/tasks", "/", NULL },
    { "/", "/", "" },
    { "/tasks/{id}", "/tasks/7", "7" },
    { "/tasks/{id}", "/tasks/", NULL },
    { "/tasks/{id}", "/tasks/7/", NULL },
    { "/tasks/{id}", "/tasks/7/8", NULL },
    { "/tasks/{id}", "/tasks/a%20b%2Fc", "a b/c" },
    { "/tasks/{id}", "/tasks/a+b", "a+b" },
    { "/tasks/{id}", "/tasks/%zz", NULL },
    { "/tasks/{id}", "/tasks/%4", NULL },
    { "/tasks/{id}", "/tasks/%", NULL },
    { "/tasks/{id}", "/tasks/a%00b", NULL },
    { "/tasks/{id}/log", "/tasks/7/log", "7" },
    { "/tasks/{id}/log", "/tasks/7/logs", NULL },
    { "/tasks/{id}/log", "/tasks//log", NULL },
};

static void paths_match_their_patterns_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct pieces pieces = { 0 };
        bool matches = route_matches(cases[i].pattern, text_of(cases[i].path), &pieces);
        const struct piece *id = pieces_find(pieces.params, pieces.param_count, "id");

        if (matches != (cases[i].value != NULL))
            fail_msg("%s, %s: %d", cases[i].pattern, cases[i].path, matches);
        if (matches && strcmp(id ? id->value.data : "", cases[i].value) != 0)
            fail_msg("%s: '%s'", cases[i].path, id ? id->value.data : "");
        pieces_done(&pieces);
    }
}

static void two_parameters_are_told_apart(void **state)
{
    struct pieces pieces = { 0 };

    (void)state;
    assert_true(route_matches("/a/{x}/b/{y}", TEXT("/a/1/b/2"), &pieces));
    assert_string_equal(pieces_find(pieces.params, pieces.param_count, "x")->value.data, "1");
    assert_string_equal(pieces_find(pieces.params, pieces.param_count, "y")->value.data, "2");
    assert_null(pieces_find(pieces.params, pieces.param_count, "z"));
    pieces_done(&pieces);
}

static void queries_are_decoded(void **state)
{
    struct pieces pieces = { 0 };

    (void)state;
    assert_int_equal(pieces_parse_query(TEXT("a=1&b=x+y%2Bz&&c=&d&e=%C3%A4&f=a=b"), &pieces), 0);
    assert_int_equal(pieces.query_count, 6);
    assert_string_equal(pieces_find(pieces.queries, 6, "a")->value.data, "1");
    assert_string_equal(pieces_find(pieces.queries, 6, "b")->value.data, "x y+z");
    assert_string_equal(pieces_find(pieces.queries, 6, "c")->value.data, "");
    assert_string_equal(pieces_find(pieces.queries, 6, "d")->value.data, "");
    assert_string_equal(pieces_find(pieces.queries, 6, "e")->value.data, "\xc3\xa4");
    assert_string_equal(pieces_find(pieces.queries, 6, "f")->value.data, "a=b");
    pieces_done(&pieces);
}

static void malformed_queries_are_refused(void **state)
{
    static const char *const bad[] = { "a=%", "a=%4", "a=%gg", "%=1", "a=%00", "ok=1&b=%0" };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct pieces pieces = { 0 };

        if (pieces_parse_query(text_of(bad[i]), &pieces) != -EINVAL) fail_msg("%s", bad[i]);
        pieces_done(&pieces);
    }
}

static void queries_have_at_most_32_parameters(void **state)
{
    static const char query[] = "a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a";
    struct pieces pieces = { 0 };

    (void)state;
    assert_int_equal(pieces_parse_query((struct text){ query, 63 }, &pieces), 0);
    assert_int_equal(pieces.query_count, QUERY_PARAMS_MAX);
    pieces_done(&pieces);
    assert_int_equal(pieces_parse_query((struct text){ query, 65 }, &pieces), -EINVAL);
    pieces_done(&pieces);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_match_their_patterns_alone),
        cmocka_unit_test(two_parameters_are_told_apart),
        cmocka_unit_test(queries_are_decoded),
        cmocka_unit_test(malformed_queries_are_refused),
        cmocka_unit_test(queries_have_at_most_32_parameters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
