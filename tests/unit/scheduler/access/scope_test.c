/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "common/base/check.h"
#include "common/model/limits.h"
#include "scheduler/access/scope.h"

#include <string.h>

static void a_scope_has_its_names_and_no_others(void **state)
{
    static const struct text names[] = { { "shop", 4 }, { "cart", 4 } };
    static const struct {
        const char *application;
        bool is_in;
    } cases[] = {
        { "shop", true },  { "cart", true },   { "sho", false }, { "shops", false },
        { "Shop", false }, { "", false },      { "*", false },   { "shop,cart", false },
        { "tram", false }, { "shop ", false },
    };
    struct scope *scope = scope_new(names, ARRAY_COUNT(names));

    (void)state;
    assert_false(scope_is_all(scope));
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        if (scope_has(scope, text_of(cases[i].application)) != cases[i].is_in)
            fail_msg("'%s'", cases[i].application);
    }
    assert_true(text_is_equal(scope_at(scope, 1), TEXT("cart")));
    assert_int_equal(scope_at(scope, 2).size, 0);
    scope_unref(scope);
}

static void no_scope_has_every_name(void **state)
{
    (void)state;
    assert_true(scope_is_all(NULL));
    assert_true(scope_has(NULL, TEXT("shop")));
    assert_int_equal(scope_at(NULL, 0).size, 0);
    assert_null(scope_ref(NULL));
    assert_null(scope_unref(NULL));
}

static void a_scope_lives_as_long_as_its_last_holder(void **state)
{
    static char name[APPLICATION_SIZE_MAX];
    struct text names[SCOPE_COUNT_MAX];
    struct scope *scope, *shared;

    (void)state;
    memset(name, 'x', sizeof name);
    for (size_t i = 0; i < SCOPE_COUNT_MAX; i++) {
        names[i] = (struct text){ name, sizeof name - i };
    }
    scope = scope_new(names, SCOPE_COUNT_MAX);
    memset(name, 'y', sizeof name); /* it has copies */
    shared = scope_ref(scope);
    scope_unref(scope);
    assert_int_equal(scope_at(shared, SCOPE_COUNT_MAX - 1).size,
                     APPLICATION_SIZE_MAX - SCOPE_COUNT_MAX + 1);
    assert_int_equal(scope_at(shared, 0).data[APPLICATION_SIZE_MAX - 1], 'x');
    scope_unref(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scope_has_its_names_and_no_others),
        cmocka_unit_test(no_scope_has_every_name),
        cmocka_unit_test(a_scope_lives_as_long_as_its_last_holder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
