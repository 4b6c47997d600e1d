/* SPDX-License-Identifier: Apache-2.0 */
/* What a rule may be, what it matches, and what a request is called where none does. The probe does
 * not run: an interface's id is its name's place in the registry. */
#include <stakeout/naming.h>

#include "common/base/check.h"
#include "tests/support/test.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SEGMENT_32 "abcdefghijklmnopqrstuvwxyzabcdef"
#define BYTES_100                                                                                \
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefghijklmnopqr" \
    "stuvwxyz01"
#define BYTES_500 BYTES_100 BYTES_100 BYTES_100 BYTES_100 BYTES_100

static void a_rule_has_no_fault_or_says_which(void **state)
{
    static const struct {
        const char *rule, *fault; /* NULL: none */
    } cases[] = {
        { "GET /item/{id}", NULL },
        { "GET /", NULL },
        { "ANY /a/{b}/c/{rest...}", NULL },
        { "M-SEARCH /x", NULL },
        { "GET /item/v{major}.json", NULL },
        { "POST /cart cart.Total of all", NULL },
        { "GET /health -", NULL },
        { "GET /" BYTES_500 "abcdefg", NULL }, /* 512 bytes */
        { "GET /" BYTES_500 "abcdefgh", "longer than 512" },
        { "", "method" },
        { "get /x", "method" },
        { "GET", "method" },
        { "/x", "method" },
        { "GET  /x", "begin with '/'" },
        { "GET x", "begin with '/'" },
        { "GET /a*", "without '*'" },
        { "GET /a?b", "without '*'" },
        { "GET /a#b", "without '*'" },
        { "GET /\xc3\xa4", "visible ASCII" },
        { "GET /a/{id", "no partner" },
        { "GET /a/id}", "no partner" },
        { "GET /a/}id{", "no partner" },
        { "GET /a/{b/c}", "no partner" },
        { "GET /a/{b}{c}", "more than one" },
        { "GET /a/{{b}}", "more than one" },
        { "GET /a/{}", "name nothing" },
        { "GET /a/{b.c}", "within braces" },
        { "GET /a/{...}", "within braces" },
        { "GET /a/{b...}/c", "whole last" },
        { "GET /a/x{b...}", "whole last" },
        { "GET /a ", "is empty" },
        { "GET /a  b", "is empty" },
        { "GET /a b*", "the name must" },
        { "GET /a b\n", "the name must" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        const char *fault = stakeout_rule_fault(cases[i].rule);

        if (!cases[i].fault && fault) fail_msg("'%s': %s", cases[i].rule, fault);
        if (cases[i].fault && (!fault || !strstr(fault, cases[i].fault)))
            fail_msg("'%s': %s", cases[i].rule, fault ? fault : "accepted");
    }
}

static void a_rule_matches_what_it_says(void **state)
{
    static const struct {
        const char *rule, *method, *target;
        bool matches;
    } cases[] = {
        { "GET /item/{id}", "GET", "/item/7", true },
        { "GET /item/{id}", "GET", "/item/7?all=1", true },
        { "GET /item/{id}", "GET", "/item/7#x", true },
        { "GET /item/{id}", "GET", "http://shop.example/item/7?a", true },
        { "GET /item/{id}", "POST", "/item/7", false },
        { "GET /item/{id}", "GETX", "/item/7", false },
        { "GET /item/{id}", "GE", "/item/7", false },
        { "GET /item/{id}", "GET", "/item/", false },
        { "GET /item/{id}", "GET", "/item", false },
        { "GET /item/{id}", "GET", "/item/7/8", false },
        { "GET /item/{id}", "GET", "/item/7/", false },
        { "GET /item/{id}", "GET", "/items/7", false },
        { "GET /item/{id} name of it", "GET", "/item/7", true },
        { "ANY /a", "DELETE", "/a", true },
        { "ANY /a", "ANY", "/b", false },
        { "GET /", "GET", "/", true },
        { "GET /", "GET", "/a", false },
        { "GET /", "GET", "", false },
        { "GET /a", "OPTIONS", "*", false },
        { "ANY /{all...}", "OPTIONS", "*", false },
        { "ANY /{all...}", "GET", "/", true },
        { "ANY /{all...}", "GET", "/a/b/c", true },
        { "GET /files/{path...}", "GET", "/files/a/b", true },
        { "GET /files/{path...}", "GET", "/files/", true },
        { "GET /files/{path...}", "GET", "/files", false },
        { "GET /v{n}.json", "GET", "/v12.json", true },
        { "GET /v{n}.json", "GET", "/v.json", false },
        { "GET /v{n}.json", "GET", "/x12.json", false },
        { "GET /v{n}.json", "GET", "/v12.xml", false },
        { "GET /a%20b", "GET", "/a%20b", true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        bool does = stakeout_rule_matches(cases[i].rule, cases[i].method, cases[i].target) != 0;

        if (does != cases[i].matches)
            fail_msg("'%s' and %s %s", cases[i].rule, cases[i].method, cases[i].target);
    }
}

static void a_default_name_has_no_ids(void **state)
{
    static const struct {
        const char *method, *target, *name;
    } cases[] = {
        { "GET", "/", "GET /" },
        { "GET", "//", "GET /" },
        { "GET", "", "GET (other)" },
        { "OPTIONS", "*", "OPTIONS (other)" },
        { "BREW", "/pot", "OTHER /pot" },
        { "GET", "/a/b/c", "GET /a/b/c" },
        { "GET", "/a/b/c/", "GET /a/b/c" },
        { "GET", "/a/b/c/d", "GET /a/b/c/..." },
        { "GET", "/a//b?x=/1", "GET /a/b" },
        { "GET", "/v1/users/7", "GET /v1/users/{id}" },
        { "GET", "/item/123.json", "GET /item/{id}.json" },
        { "GET", "/style.min.css", "GET /style.min.css" },
        { "GET", "/jquery-3.6.js", "GET /jquery-3.6.js" },
        { "GET", "/o/8f14e45fceea167a", "GET /o/{id}" },
        { "GET", "/o/8f14e45-deadbee", "GET /o/{id}" },
        { "GET", "/o/6ba7b810-9dad-11d1-80b4-00c04fd430c8", "GET /o/{id}" },
        { "GET", "/o/deadbeef", "GET /o/deadbeef" }, /* a word, for all one can see */
        { "GET", "/o/beef12", "GET /o/beef12" },     /* 6 of 8 */
        { "GET", "/o/order-123", "GET /o/order-123" },
        { "GET", "/o/order-1234", "GET /o/{id}" },
        { "GET", "/o/a%20b", "GET /o/{id}" },
        { "GET", "/o/\xc3\xa4", "GET /o/{id}" },
        { "GET", "/o/x*", "GET /o/{id}" },
        { "GET", "/" SEGMENT_32, "GET /" SEGMENT_32 },
        { "GET", "/" SEGMENT_32 "g", "GET /{id}" },
        { "GET", "http://h/a", "GET /a" },
        { "GET", "http://h", "GET (other)" },
    };
    char name[STAKEOUT_NAME_SIZE];

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        stakeout_name_default(cases[i].method, cases[i].target, name);
        assert_string_equal(name, cases[i].name);
    }
}

static void the_longest_default_name_is_whole(void **state)
{
    char name[STAKEOUT_NAME_SIZE];

    (void)state;
    stakeout_name_default("PROPPATCH", "/" SEGMENT_32 "/" SEGMENT_32 "/" SEGMENT_32 "/x", name);
    assert_string_equal(name, "PROPPATCH /" SEGMENT_32 "/" SEGMENT_32 "/" SEGMENT_32 "/...");
}

static void the_first_rule_that_matches_counts(void **state)
{
    static const char *const rules[] = { "GET /health -", "GET /item/new", "GET /item/{id} item",
                                         "GET /item/{other}", NULL };
    static struct stakeout_names names = { .rules = rules };

    (void)state;
    assert_int_equal(stakeout_names_find(&names, "GET", "/health"), 0);
    assert_int_equal(stakeout_names_find(&names, "GET", "/item/new"),
                     stakeout_interface("GET /item/new"));
    assert_int_equal(stakeout_names_find(&names, "GET", "/item/7"), stakeout_interface("item"));
    assert_int_equal(stakeout_names_find(&names, "GET", "/x/7"), stakeout_interface("GET /x/{id}"));
}

/* A stranger's paths: 256 have names, the rest is one, and the first keep theirs. */
static void default_names_are_bounded(void **state)
{
    static struct stakeout_names names;
    stakeout_interface_id other = stakeout_interface("GET (other)"), id;
    char target[32], name[64];

    (void)state;
    for (unsigned i = 0; i < 2 * STAKEOUT_DEFAULT_NAMES_MAX; i++) {
        snprintf(target, sizeof target, "/try-%c%c%c", 'a' + i % 26, 'a' + i / 26 % 26,
                 'a' + i / 676 % 26);
        snprintf(name, sizeof name, "GET %s", target);
        id = stakeout_names_find(&names, "GET", target);
        if (i < STAKEOUT_DEFAULT_NAMES_MAX) {
            assert_int_equal(id, stakeout_interface(name));
        } else {
            assert_int_equal(id, other);
        }
    }
    assert_int_equal(stakeout_names_find(&names, "GET", "/try-aaa"),
                     stakeout_interface("GET /try-aaa"));
    assert_int_equal(names.seen_count, STAKEOUT_DEFAULT_NAMES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_has_no_fault_or_says_which),
        cmocka_unit_test(a_rule_matches_what_it_says),
        cmocka_unit_test(a_default_name_has_no_ids),
        cmocka_unit_test(the_longest_default_name_is_whole),
        cmocka_unit_test(the_first_rule_that_matches_counts),
        cmocka_unit_test(default_names_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
