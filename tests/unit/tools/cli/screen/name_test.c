/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/own.h"
#include "tests/support/test.h"
#include "tools/cli/screen/name.h"

#include <string.h>

static const struct screen utf8 = { .width = 80, .has_utf8 = true };

static const struct {
    const char *name;
    const char *forms[NAME_FORM_COUNT];
} names[] = {
    { "main", { "main", "main", "main", "main", "main" } },
    { "shop::Cart<Item>::total(std::__cxx11::basic_string<char, std::char_traits<char>, "
      "std::allocator<char> > const&) const",
      { "shop::Cart<Item>::total(std::string const&) const", "shop::Cart<Item>::total",
        "shop::Cart<>::total", "Cart<>::total", "total" } },
    { "std::vector<int, std::allocator<int> > shop::load<int>(int)",
      { "std::vector<int, std::allocator<int>> shop::load<int>(int)", "shop::load<int>",
        "shop::load<>", "shop::load<>", "load<>" } },
    { "(anonymous namespace)::worker(int)",
      { "(anon)::worker(int)", "(anon)::worker", "(anon)::worker", "(anon)::worker", "worker" } },
    { "shop::run()::{lambda(int, char)#2}::operator()(int, char) const",
      { "shop::run()::{lambda 2}::operator()(int, char) const", NULL, NULL, NULL, NULL } },
    { "Money::operator<(Money const&) const",
      { "Money::operator<(Money const&) const", "Money::operator<", "Money::operator<",
        "Money::operator<", "operator<" } },
    { "Ref<Item>::operator->() const",
      { "Ref<Item>::operator->() const", "Ref<Item>::operator->", "Ref<>::operator->",
        "Ref<>::operator->", "operator->" } },
    { "std::ostream& operator<< <char>(std::ostream&, char)",
      { "std::ostream& operator<< <char>(std::ostream&, char)", "operator<< <char>",
        "operator<< <>", "operator<< <>", "operator<< <>" } },
    { "f(int) [clone .cold]", { "f(int) [cold]", "f", "f", "f", "f" } },
    { "__lll_lock_wait",
      { "__lll_lock_wait", "__lll_lock_wait", "__lll_lock_wait", "__lll_lock_wait",
        "__lll_lock_wait" } },
    { "broken<name(((", { "broken<name(((", NULL, NULL, NULL, NULL } },
    { ">>>>", { ">>>>", NULL, NULL, NULL, NULL } },
    { "operator", { "operator", NULL, NULL, NULL, NULL } },
};

static void every_form_leaves_out_what_it_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        for (enum name_form form = 0; form < NAME_FORM_COUNT; form++) {
            OWN(buf_done) struct buf text = BUF_INIT(4096);

            name_write(text_of(names[i].name), form, &text);
            assert_true(text.size > 0);
            if (names[i].forms[form] && strcmp(text.data, names[i].forms[form]) != 0)
                fail_msg("form %d of %s: '%s'", (int)form, names[i].name, text.data);
        }
    }
}

static void longest_form_that_fits_is_taken(void **state)
{
    static const struct {
        size_t columns;
        const char *shown;
    } cases[] = {
        { 23, "shop::Cart<Item>::total" },
        { 22, "shop::Cart<>::total" },
        { 18, "Cart<>::total" },
        { 12, "total" },
        { 5, "total" },
        { 4, "tot\u2026" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        OWN(buf_done) struct buf text = BUF_INIT(4096);
        size_t used = name_fit(&utf8, TEXT("shop::Cart<Item>::total(int)"), NAME_BARE,
                               cases[i].columns, &text);

        assert_string_equal(text.data, cases[i].shown);
        assert_true(used <= cases[i].columns);
    }
}

static void monsters_are_bounded_and_do_no_harm(void **state)
{
    OWN(buf_done) struct buf monster = BUF_INIT(64 * 1024);
    OWN(buf_done) struct buf text = BUF_INIT(1 << 20);

    (void)state;
    for (int i = 0; i < 3000; i++) {
        (void)buf_text(&monster, TEXT("a<"));
    }
    assert_true(name_fit(&utf8, buf_peek(&monster), NAME_BARE, 40, &text) <= 40);
    buf_reset(&monster);
    for (int i = 0; i < 10240; i++) {
        (void)buf_text(&monster, TEXT("\x1b"));
    }
    buf_reset(&text);
    assert_true(name_fit(&utf8, buf_peek(&monster), NAME_BARE, 40, &text) <= 40);
    assert_true(text_is_printable(buf_peek(&text)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_leaves_out_what_it_says),
        cmocka_unit_test(longest_form_that_fits_is_taken),
        cmocka_unit_test(monsters_are_bounded_and_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
