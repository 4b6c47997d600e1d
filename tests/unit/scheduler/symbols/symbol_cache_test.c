/* SPDX-License-Identifier: Apache-2.0 */
/* symbol_cache_test.c: what is told apart, what is kept, and what goes first. */
#include "tests/support/test.h"

#include "scheduler/symbols/symbol_cache.h"

enum { SIZE_MAX_SMALL = 20000 };

static struct cached_symbol *take(struct symbol_cache *cache, uint64_t offset, bool *ret_is_new)
{
    const struct symbol_key key = { TEXT("/srv/shop"), TEXT("12345678"), TEXT("f"), offset };

    return symbol_cache_ref(cache, &key, ret_is_new);
}

static void each_part_of_a_key_counts(void **state)
{
    static const struct symbol_key keys[] = {
        { TEXT("/srv/shop"), TEXT("12345678"), TEXT("f"), 1 },
        { TEXT("/srv/shop"), TEXT("12345678"), TEXT("f"), 2 },
        { TEXT("/srv/shop"), TEXT("12345678"), TEXT("g"), 1 },
        { TEXT("/srv/shop"), TEXT("12345679"), TEXT("f"), 1 },
        { TEXT("/srv/shop1"), TEXT("2345678"), TEXT("f"), 1 },
        { TEXT(""), TEXT(""), TEXT(""), 0 },
    };
    struct symbol_cache *cache = symbol_cache_new(SIZE_MAX_SMALL);
    struct cached_symbol *symbols[ARRAY_COUNT(keys)];
    bool is_new;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        symbols[i] = symbol_cache_ref(cache, &keys[i], &is_new);
        assert_true(is_new);
    }
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        assert_ptr_equal(symbol_cache_ref(cache, &keys[i], &is_new), symbols[i]);
        assert_false(is_new);
    }
    symbol_cache_free(cache);
}

static void answers_are_copied(void **state)
{
    char function[] = "reserve", file[] = "/src/a.c";
    struct source_location location = { { function, 7 }, { file, 8 }, 12, false };
    struct symbol_cache *cache = symbol_cache_new(SIZE_MAX_SMALL);
    struct cached_symbol *symbol;
    bool is_new;

    (void)state;
    symbol = take(cache, 1, &is_new);
    symbol_cache_fill(cache, symbol, &location, 1);
    function[0] = file[1] = 'X';
    assert_int_equal(symbol->count, 1);
    assert_true(text_is_equal(symbol->locations[0].function, TEXT("reserve")));
    assert_true(text_is_equal(symbol->locations[0].file, TEXT("/src/a.c")));
    symbol_cache_fill(cache, symbol, NULL, 0);
    assert_int_equal(symbol->count, 0);
    symbol_cache_free(cache);
}

static void the_least_recently_used_go_but_never_what_is_held(void **state)
{
    struct symbol_cache *cache = symbol_cache_new(SIZE_MAX_SMALL);
    struct cached_symbol *held;
    bool is_new;

    (void)state;
    held = take(cache, 0, &is_new);
    for (uint64_t i = 1; i <= 1000; i++) {
        symbol_cache_unref(cache, take(cache, i, &is_new));
        assert_true(is_new);
        symbol_cache_unref(cache, take(cache, 1, &is_new)); /* used all the time */
        assert_false(is_new);
    }
    assert_ptr_equal(take(cache, 0, &is_new), held);
    assert_false(is_new);
    take(cache, 1, &is_new);
    assert_false(is_new);
    take(cache, 1000, &is_new);
    assert_false(is_new);
    take(cache, 2, &is_new);
    assert_true(is_new);
    symbol_cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_part_of_a_key_counts),
        cmocka_unit_test(answers_are_copied),
        cmocka_unit_test(the_least_recently_used_go_but_never_what_is_held),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
