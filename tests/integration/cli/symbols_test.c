/* SPDX-License-Identifier: Apache-2.0 */
/* symbols_test.c: symbols upload, list and remove, against a real scheduler. */
#include "tests/integration/cli/cli_fixture.h"

#include <stdio.h>
#include <string.h>

static void a_program_is_uploaded_listed_and_removed(void **state)
{
    char build_id[128] = "";

    (void)state;
    RUN("symbols", "list");
    assert_code(0);
    assert_err("no files are kept");
    RUN("symbols", "upload", "/proc/self/exe");
    assert_code(0);
    assert_int_equal(sscanf(run.out, "%127[0-9a-f]", build_id), 1);
    assert_int_equal(strlen(build_id), 40);
    RUN("symbols", "list");
    assert_code(0);
    assert_out(build_id);
    assert_out("upload");
    RUN("symbols", "remove", build_id);
    assert_code(0);
    RUN("symbols", "remove", build_id);
    assert_code(1);
    assert_err("No file with this build-id is stored");
}

static void what_is_no_debug_file_is_refused(void **state)
{
    (void)state;
    RUN("symbols", "upload", "/etc/passwd");
    assert_code(1);
    assert_err("no whole 64-bit ELF file");
    RUN("symbols", "upload", "/nowhere/shop");
    assert_code(1);
    assert_err("/nowhere/shop");
    RUN("symbols", "upload", "/dev/null");
    assert_code(1);
    assert_err("no file with anything in it");
    RUN("symbols", "remove", "XY");
    assert_code(2);
    assert_err("A build-id is 4 to 64 lower-case hex digits");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_is_uploaded_listed_and_removed),
        cmocka_unit_test(what_is_no_debug_file_is_refused),
    };

    return cmocka_run_group_tests(tests, cli_setup, scheduler_teardown);
}
