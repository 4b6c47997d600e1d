/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/unwind/self_memory.h"

#include "tests/support/test.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

static void a_hole_gives_a_short_read(void **state)
{
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char copy[8192];

    (void)state;
    assert_ptr_not_equal(pages, MAP_FAILED);
    memset(pages, 'x', 8192);
    assert_int_equal(munmap(pages + 4096, 4096), 0);
    assert_int_equal(self_read((uint64_t)(uintptr_t)pages + 4000, copy, 4096), 96);
    assert_int_equal(copy[95], 'x');
    assert_int_equal(self_read((uint64_t)(uintptr_t)pages + 4096, copy, 10), 0);
    assert_int_equal(self_read(8, copy, 10), 0);
    munmap(pages, 4096);
}

static void text_is_cut_and_terminated(void **state)
{
    char text[5];

    (void)state;
    self_read_text((uint64_t)(uintptr_t) "upstream", text, sizeof text);
    assert_string_equal(text, "upst");
    self_read_text(0, text, sizeof text);
    assert_string_equal(text, "");
    self_read_text(16, text, sizeof text);
    assert_string_equal(text, "");
}

static void the_mapping_of_an_address_is_found(void **state)
{
    struct mapping mapping = { 0 };
    uint64_t here = (uint64_t)(uintptr_t)&mapping;
    char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_int_equal(self_mapping(here, &mapping), 0);
    assert_true(mapping.low <= here && here < mapping.high);
    assert_true(mapping.is_main_stack);
    assert_int_equal(self_mapping((uint64_t)(uintptr_t)page, &mapping), 0);
    assert_false(mapping.is_main_stack);
    assert_int_equal(self_mapping(16, &mapping), -ENOENT);
    munmap(page, 4096);
}

/* The same, by asking the pages: up to a hole on each side, or as far as it goes. */
static void the_pages_around_an_address_are_found(void **state)
{
    enum { PAGE = 4096, PAGES = 300, LARGE = 3 * PROBED_SIZE };
    char *pages = mmap(NULL, PAGES * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *large = mmap(NULL, LARGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t low = (uint64_t)(uintptr_t)pages, middle = (uint64_t)(uintptr_t)large + LARGE / 2;
    struct mapping mapping;

    (void)state;
    assert_int_equal(mprotect(pages, PAGE, PROT_NONE), 0);
    assert_int_equal(mprotect(pages + (PAGES - 1) * PAGE, PAGE, PROT_NONE), 0);
    assert_int_equal(self_probe(low + 200 * PAGE + 5, &mapping), 0);
    assert_int_equal(mapping.low, low + PAGE);
    assert_int_equal(mapping.high, low + (PAGES - 1) * PAGE);
    assert_int_equal(self_probe(low + PAGE, &mapping), 0);
    assert_int_equal(mapping.low, low + PAGE);
    assert_int_equal(self_probe(low + PAGE - 1, &mapping), -EFAULT);
    assert_int_equal(self_probe(16, &mapping), -EFAULT);
    assert_int_equal(self_probe(middle, &mapping), 0);
    assert_int_equal(mapping.high, middle + PROBED_SIZE);
    assert_int_equal(mapping.low, middle + PAGE - PROBED_SIZE);
    munmap(pages, PAGES * PAGE);
    munmap(large, LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hole_gives_a_short_read),
        cmocka_unit_test(text_is_cut_and_terminated),
        cmocka_unit_test(the_mapping_of_an_address_is_found),
        cmocka_unit_test(the_pages_around_an_address_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
