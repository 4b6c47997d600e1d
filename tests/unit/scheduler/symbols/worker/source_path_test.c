/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/symbols/worker/source_path.h"

#include "common/base/text.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

static void a_path_is_as_a_person_would_write_it(void **state)
{
    static const struct {
        const char *path, *tidy;
    } cases[] = {
        { "x.c", "x.c" },
        { "/src/shop/x.c", "/src/shop/x.c" },
        { "./time/../sysdeps/x.c", "sysdeps/x.c" },
        { "/build/./glibc//nptl/x.c", "/build/glibc/nptl/x.c" },
        { "a/b/../../c/x.c", "c/x.c" },
        { "../x.c", "../x.c" },
        { "a/../../x.c", "../x.c" },
        { "a/b/..", "a" },
        { "..hidden/x.c", "..hidden/x.c" },
        { ".c/x.c", ".c/x.c" },
        { "/", "/" },
        { "", "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char path[64];

        snprintf(path, sizeof path, "%s", cases[i].path);
        source_path_tidy(path);
        if (strcmp(path, cases[i].tidy) != 0) fail_msg("'%s' is '%s'", cases[i].path, path);
    }
}

/* Of 100 folders the first 64 can be taken back; behind them the path is left as it is. */
static void a_path_with_too_many_folders_keeps_its_rest(void **state)
{
    char path[512] = "./", rest[256] = "";

    (void)state;
    for (int i = 0; i < 64; i++) {
        strncat(path, "d/", sizeof path - strlen(path) - 1);
    }
    for (int i = 0; i < 36; i++) {
        strncat(rest, "e/./", sizeof rest - strlen(rest) - 1);
    }
    strncat(path, rest, sizeof path - strlen(path) - 1);
    source_path_tidy(path);
    assert_memory_equal(path, "d/d/d/", 6);
    assert_string_equal(path + 64 * strlen("d/"), rest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_is_as_a_person_would_write_it),
        cmocka_unit_test(a_path_with_too_many_folders_keeps_its_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
