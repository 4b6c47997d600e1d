/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "common/base/check.h"
#include "scheduler/token_order.h"

#include <string.h>

enum { WORDS_MAX = 80 };

static int read_words(const char *const *words, struct token_order *ret, struct problem *problem)
{
    int count = 0;

    while (words[count]) {
        count++;
    }
    return token_order_read(words, count, ret, problem);
}

static void an_order_says_all_of_it(void **state)
{
    static const char *const words[] = { "create", "--role=operator", "--application",
                                         "shop",   "alice",           "--application",
                                         "cart",   "--expires",       "90d",
                                         NULL };
    struct token_order order;
    struct problem problem;

    (void)state;
    assert_int_equal(read_words(words, &order, &problem), 0);
    assert_int_equal(order.verb, TOKEN_CREATE);
    assert_string_equal(order.name, "alice");
    assert_string_equal(order.role, "operator");
    assert_int_equal(order.application_count, 2);
    assert_true(text_is_equal(order.applications[1], TEXT("cart")));
    assert_int_equal(order.expires_ms, (uint64_t)90 * 24 * 3600 * 1000);
}

static void a_short_order_is_of_all_applications_for_ever(void **state)
{
    static const char *const words[] = { "create", "viewer", "eve", NULL };
    struct token_order order;
    struct problem problem;

    (void)state;
    assert_int_equal(read_words(words, &order, &problem), 0);
    assert_string_equal(order.name, "eve");
    assert_string_equal(order.role, "viewer");
    assert_int_equal(order.application_count, 0);
    assert_int_equal(order.expires_ms, 0);
}

static void a_rotation_leaves_an_hour_if_nothing_is_said(void **state)
{
    static const char *const words[] = { "rotate", "eve", NULL };
    static const char *const at_once[] = { "rotate", "eve", "--grace", "0s", NULL };
    struct token_order order;
    struct problem problem;

    (void)state;
    assert_int_equal(read_words(words, &order, &problem), 0);
    assert_int_equal(order.grace_ms, 3600 * 1000);
    assert_int_equal(read_words(at_once, &order, &problem), 0);
    assert_int_equal(order.grace_ms, 0);
}

/* What is accepted and what is not, on both sides of each edge. */
static const struct {
    const char *says, *words[8];
    const char *refused; /* in the sentence; NULL: accepted */
} cases[] = {
    { "no verb", { NULL }, "The commands are" },
    { "a strange verb", { "steal", "eve" }, "The commands are" },
    { "no name", { "create", "--role", "viewer" }, "The commands are" },
    { "no role", { "create", "eve" }, "The commands are" },
    { "two names", { "create", "eve", "adam", "--role", "viewer" }, "The commands are" },
    { "a strange role", { "create", "king", "arthur" }, "'king' is not known" },
    { "a strange role, said", { "create", "arthur", "--role", "king" }, "'king' is not known" },
    { "a name of two lines", { "create", "viewer", "a\nb" }, "A token's name" },
    { "an empty name", { "create", "viewer", "" }, "A token's name" },
    { "a role without a value", { "create", "eve", "--role" }, "--role needs a value" },
    { "the shortest life", { "create", "viewer", "eve", "--expires", "1m" }, NULL },
    { "a shorter one", { "create", "viewer", "eve", "--expires", "59s" }, "--expires is '59s'" },
    { "the longest life", { "create", "viewer", "eve", "--expires", "3650d" }, NULL },
    { "a longer one", { "create", "viewer", "eve", "--expires", "3651d" }, "--expires is" },
    { "a life without a unit", { "create", "viewer", "eve", "--expires", "90" }, "--expires is" },
    { "a life past all numbers",
      { "create", "viewer", "eve", "--expires", "18446744073709551615d" },
      "--expires is" },
    { "an application of nothing",
      { "create", "viewer", "eve", "--application", "" },
      "'application'" },
    { "the longest grace", { "rotate", "eve", "--grace", "30d" }, NULL },
    { "a longer one", { "rotate", "eve", "--grace", "31d" }, "--grace is '31d'" },
    { "another verb's option", { "rotate", "eve", "--expires", "1d" }, "--expires is not" },
    { "nobody's option", { "list", "--colour", "red" }, "--colour is not an option here" },
    { "a list of one", { "list", "eve" }, "The commands are" },
    { "a list", { "list" }, NULL },
    { "a revocation", { "revoke", "eve" }, NULL },
    { "a revocation of nobody", { "revoke" }, "The commands are" },
};

static void what_makes_no_sense_is_refused_with_a_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct problem problem = { 0 };
        struct token_order order;
        int rc = read_words(cases[i].words, &order, &problem);

        if ((rc == 0) != !cases[i].refused) fail_msg("%s: %s", cases[i].says, problem.detail);
        if (cases[i].refused && !strstr(problem.detail, cases[i].refused))
            fail_msg("%s: said: %s", cases[i].says, problem.detail);
    }
}

static void a_token_is_for_so_many_applications_and_not_one_more(void **state)
{
    const char *words[WORDS_MAX] = { "create", "viewer", "eve" };
    struct problem problem = { 0 };
    struct token_order order;
    int count = 3;

    (void)state;
    for (int i = 0; i < SCOPE_COUNT_MAX; i++) {
        words[count++] = "--application";
        words[count++] = "shop";
    }
    assert_int_equal(token_order_read(words, count, &order, &problem), 0);
    assert_int_equal(order.application_count, SCOPE_COUNT_MAX);
    words[count++] = "--application=one-more";
    assert_int_equal(token_order_read(words, count, &order, &problem), -1);
    assert_non_null(strstr(problem.detail, "at most 32"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_order_says_all_of_it),
        cmocka_unit_test(a_short_order_is_of_all_applications_for_ever),
        cmocka_unit_test(a_rotation_leaves_an_hour_if_nothing_is_said),
        cmocka_unit_test(what_makes_no_sense_is_refused_with_a_sentence),
        cmocka_unit_test(a_token_is_for_so_many_applications_and_not_one_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
