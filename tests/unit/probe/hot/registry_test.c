/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/hot/registry.h"

#include "tests/support/test.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { THREADS = 4, NAMES = 500 };

static void the_same_name_has_the_same_id(void **state)
{
    uint32_t first = registry_add(TEXT("POST /checkout"));

    (void)state;
    assert_int_not_equal(first, 0);
    assert_int_equal(registry_add(TEXT("POST /checkout")), first);
    assert_int_not_equal(registry_add(TEXT("POST /checkou")), first);
    assert_true(text_is_equal(registry_name(first), TEXT("POST /checkout")));
}

static void names_that_are_not_acceptable_have_no_id(void **state)
{
    static char longest[INTERFACE_SIZE_MAX + 1];

    (void)state;
    memset(longest, 'x', sizeof longest);
    assert_int_equal(registry_add(TEXT("")), 0);
    assert_int_equal(registry_add(TEXT("GET /*")), 0);
    assert_int_equal(registry_add(TEXT("two\nlines")), 0);
    assert_int_equal(registry_add(TEXT("not utf-8: \xff")), 0);
    assert_int_equal(registry_add((struct text){ longest, INTERFACE_SIZE_MAX + 1 }), 0);
    assert_int_not_equal(registry_add((struct text){ longest, INTERFACE_SIZE_MAX }), 0);
}

static uint32_t ids[THREADS][NAMES];

static void *adder_main(void *context)
{
    uint32_t *mine = context;
    char name[32];

    for (uint32_t i = 0; i < NAMES; i++) {
        snprintf(name, sizeof name, "shared %u", i);
        mine[i] = registry_add(text_of(name));
    }
    return NULL;
}

static void threads_that_register_at_once_agree(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, adder_main, ids[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    for (uint32_t name = 0; name < NAMES; name++) {
        for (int i = 1; i < THREADS; i++) {
            assert_int_equal(ids[i][name], ids[0][name]);
        }
        assert_int_not_equal(ids[0][name], 0);
        if (name > 0) assert_int_not_equal(ids[0][name], ids[0][name - 1]);
    }
}

/* Last: it uses up all that there is. */
static void past_the_limit_everything_is_other(void **state)
{
    uint32_t last = 0, id = 0;
    char name[32];

    (void)state;
    assert_int_equal(registry_name(INTERFACE_OTHER).size, 0);
    for (uint32_t i = 0; i <= INTERFACES_MAX && id != INTERFACE_OTHER; i++) {
        last = id;
        snprintf(name, sizeof name, "/raw/%u", i);
        id = registry_add(text_of(name));
        assert_int_not_equal(id, 0);
    }
    assert_int_equal(id, INTERFACE_OTHER);
    assert_int_equal(last, INTERFACES_MAX);
    assert_true(text_is_equal(registry_name(INTERFACE_OTHER), TEXT("(other)")));
    assert_int_equal(registry_add(TEXT("/raw/0")) < INTERFACE_OTHER, 1); /* known ones stay */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_name_has_the_same_id),
        cmocka_unit_test(names_that_are_not_acceptable_have_no_id),
        cmocka_unit_test(threads_that_register_at_once_agree),
        cmocka_unit_test(past_the_limit_everything_is_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
