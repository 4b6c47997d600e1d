/* SPDX-License-Identifier: Apache-2.0 */
/* names_test.c: function names, durations and numbers as people see them. */
#include "tests/support/test.h"

#include "scheduler/analysis/private.h"

#include <string.h>

static const struct {
    const char *name;
    size_t characters;
    const char *shown;
} names[] = {
    { "main", 40, "main" },
    { "shop::Inventory::reserve(int, char const*)", 40, "shop::Inventory::reserve" },
    { "shop::Inventory::reserve(int, char const*) const", 18, "Inventory::reserve" },
    { "shop::Inventory::reserve(int)", 17, "\u2026::reserve" },
    { "shop::Inventory::reserve(int)", 6, "reser\u2026" },
    { "std::pair<int, A<1> > shop::find<Id>(Id const&)", 40, "shop::find<Id>" },
    { "void shop::find<std::map<int, long> >(int)", 14, "shop::find<>" },
    { "(anonymous namespace)::helper(int)", 60, "(anonymous namespace)::helper" },
    { "A::operator<(A const&) const", 40, "A::operator<" },
    { "std::ostream& operator<< <char>(std::ostream&, char)", 40, "operator<< <char>" },
    { "A::operator()(int)", 40, "A::operator()" },
    { "A::operator->() const", 40, "A::operator->" },
    { "A::operator bool() const", 40, "A::operator bool" },
    { "f(int)::{lambda(int)#1}::operator()(int) const", 60, "f" },
    { "libshop.so+0x1a40", 40, "libshop.so+0x1a40" },
    { "a name with spaces", 40, "a name with spaces" },
    { "((((", 40, "((((" },
    { "<<<<>", 3, "<" },
    { "::", 40, "::" },
    { "tab\there", 40, "tab\u2409here" },
};

static void names_give_up_the_least_that_fits(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        OWN(buf_done) struct buf shown = BUF_INIT(4096);

        name_shorten(text_of(names[i].name), names[i].characters, &shown);
        if (!text_is_equal(buf_peek(&shown), text_of(names[i].shown)))
            fail_msg("'%s' in %zu became '%s', not '%s'", names[i].name, names[i].characters,
                     shown.data ? shown.data : "", names[i].shown);
    }
}

static const struct {
    uint64_t ns;
    const char *shown, *exact;
} times[] = {
    { 0, "0 ms", "0" },
    { 1, "0 ms", "0.000001" },
    { 1500000, "2 ms", "1.5" },
    { 18400000, "18 ms", "18.4" },
    { 184000000, "184 ms", "184" },
    { 999499999, "999 ms", "999.499999" },
    { 999500000, "1.00 s", "999.5" },
    { 1840000000, "1.84 s", "1840" },
    { 9994999999, "9.99 s", "9994.999999" },
    { 9995000000, "10.0 s", "9995" },
    { 18400000000, "18.4 s", "18400" },
    { 59949000000, "59.9 s", "59949" },
    { 59950000000, "1 min 0 s", "59950" },
    { 72000000001, "1 min 12 s", "72000.000001" },
};

static void durations_have_three_digits_and_numbers_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(times); i++) {
        OWN(buf_done) struct buf exact = BUF_INIT(64);
        char shown[32];

        duration_text(times[i].ns, shown);
        ms_exact(&exact, times[i].ns);
        assert_string_equal(shown, times[i].shown);
        assert_string_equal(exact.data, times[i].exact);
    }
}

static void system_calls_have_names(void **state)
{
    (void)state;
    assert_string_equal(syscall_name(0), "read");
    assert_string_equal(syscall_name(202), "futex");
    assert_string_equal(syscall_name(230), "clock_nanosleep");
    assert_null(syscall_name(-1));
    assert_null(syscall_name(100000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_give_up_the_least_that_fits),
        cmocka_unit_test(durations_have_three_digits_and_numbers_all),
        cmocka_unit_test(system_calls_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
