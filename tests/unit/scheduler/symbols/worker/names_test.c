/* SPDX-License-Identifier: Apache-2.0 */
/* names_test.c: C++ names, alone and within texts; and modules that are left alone. */
#include "tests/support/test.h"

#include "common/base/own.h"
#include "scheduler/symbols/mangled_name.h"
#include "scheduler/symbols/suspects.h"
#include "scheduler/symbols/worker/demangle.h"

#include <string.h>

static const struct {
    const char *mangled, *shown; /* NULL: it is no mangled name */
} names[] = {
    { "_ZN4shop9Inventory7reserveEiPKc", "shop::Inventory::reserve(int, char const*)" },
    { "_ZN4shop4find17h0123456789abcdefE", "shop::find" },
    { "_ZN4shop4find17h0123456789abcdexE", "shop::find::h0123456789abcdex" },
    { "main", NULL },
    { "", NULL },
    { "_Z", NULL },
    { "_ZN", NULL },
    { "_ZN99999999999999999999x", NULL },
};

static void mangled_names_are_demangled(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        OWN(mem_freep) char *shown = name_demangle(names[i].mangled);

        if (!shown || !names[i].shown)
            assert_ptr_equal(shown, names[i].shown);
        else
            assert_string_equal(shown, names[i].shown);
    }
}

static void names_without_end_are_left_alone(void **state)
{
    enum { SIZE = 32 * 1024 };
    OWN(mem_freep) char *name = mem_zalloc(SIZE + 1, 1);

    (void)state;
    memset(name, 'P', SIZE); /* pointers to pointers to ... */
    memcpy(name, "_Z1fP", 5);
    assert_null(name_demangle(name));
}

static const struct {
    const char *text, *found, *replaced;
} texts[] = {
    { "mutex _ZN4shop4lockE", "_ZN4shop4lockE", "mutex X" },
    { "_Z1m", "_Z1m", "X" },
    { "a _Z1m, b", "_Z1m", "a X, b" },
    { "two _Z1m _Z1n", "_Z1m", "two X _Z1n" },
    { "x_Z1m", "", NULL },
    { "mutex cart_lock", "", NULL },
    { "_Z", "", NULL },
    { "", "", NULL },
};

static void names_within_texts_are_found_and_replaced(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        struct text text = text_of(texts[i].text), name = mangled_name_find(text), replaced;

        assert_true(text_is_equal(name, text_of(texts[i].found)));
        if (!texts[i].replaced) continue;
        replaced = mangled_name_replace(text, name, TEXT("X"));
        assert_string_equal(replaced.data, texts[i].replaced);
        free((char *)replaced.data);
    }
}

static void a_module_is_suspect_after_two_deaths_for_a_while(void **state)
{
    struct suspects suspects = { 0 };
    uint64_t now_ns = NS_PER_S;

    (void)state;
    suspects_note(&suspects, 7, now_ns);
    assert_false(suspects_have(&suspects, 7, now_ns));
    suspects_note(&suspects, 7, now_ns);
    assert_true(suspects_have(&suspects, 7, now_ns));
    assert_false(suspects_have(&suspects, 8, now_ns));
    assert_true(suspects_have(&suspects, 7, now_ns + SUSPECT_NS));
    assert_false(suspects_have(&suspects, 7, now_ns + SUSPECT_NS + 1));
    assert_false(suspects_have(&suspects, 7, now_ns));
}

static void of_too_many_suspects_the_oldest_is_forgotten(void **state)
{
    struct suspects suspects = { 0 };

    (void)state;
    for (uint64_t module = 0; module <= SUSPECTS_MAX; module++)
        for (int deaths = 0; deaths < SUSPECT_DEATHS_MAX; deaths++)
            suspects_note(&suspects, module, 1 + module);
    assert_false(suspects_have(&suspects, 0, 100));
    for (uint64_t module = 1; module <= SUSPECTS_MAX; module++)
        assert_true(suspects_have(&suspects, module, 100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mangled_names_are_demangled),
        cmocka_unit_test(names_without_end_are_left_alone),
        cmocka_unit_test(names_within_texts_are_found_and_replaced),
        cmocka_unit_test(a_module_is_suspect_after_two_deaths_for_a_while),
        cmocka_unit_test(of_too_many_suspects_the_oldest_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
