/* SPDX-License-Identifier: Apache-2.0 */
/* jit_map_test.c: perf maps as JITs write them, and files that somebody else put there. */
#include "tests/support/test.h"

#include "common/base/own.h"
#include "probe/agent/names/jit_map.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct place {
    char folder[64], path[96];
    struct jit_map *map;
};

static int setup(void **state)
{
    struct place *place = mem_zalloc(1, sizeof *place);

    snprintf(place->folder, sizeof place->folder, "/tmp/stakeout-jit-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    snprintf(place->path, sizeof place->path, "%s/perf-1.map", place->folder);
    place->map = jit_map_new(place->path);
    assert_non_null(place->map);
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;

    jit_map_free(place->map);
    unlink(place->path);
    assert_int_equal(rmdir(place->folder), 0);
    free(place);
    return 0;
}

static void append(const struct place *place, const char *text)
{
    OWN(fd_closep)
    int fd = open(place->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

static void assert_named(const struct place *place, uint64_t address, const char *wanted)
{
    char name[64] = "";
    uint64_t begin = 0;
    size_t size = jit_map_find(place->map, address, name, sizeof name, &begin);

    if (strcmp(name, wanted) != 0) fail_msg("0x%llx: '%s'", (unsigned long long)address, name);
    assert_int_equal(size, strlen(wanted));
    if (size > 0) assert_true(begin <= address);
}

static void functions_are_named_from_their_first_byte_to_their_last(void **state)
{
    struct place *place = *state;

    append(place, "7f0000001000 40 LazyCompile:*render /srv/app.js:10\n"
                  "0x7F0000001040 0x20 Lcom/shop/Cart;::total\n");
    jit_map_refresh(place->map);
    assert_named(place, 0x7f0000000fff, "");
    assert_named(place, 0x7f0000001000, "LazyCompile:*render /srv/app.js:10");
    assert_named(place, 0x7f000000103f, "LazyCompile:*render /srv/app.js:10");
    assert_named(place, 0x7f0000001040, "Lcom/shop/Cart;::total");
    assert_named(place, 0x7f000000105f, "Lcom/shop/Cart;::total");
    assert_named(place, 0x7f0000001060, "");
}

static void what_is_appended_is_known_after_a_refresh_and_the_later_line_is_right(void **state)
{
    struct place *place = *state;

    append(place, "1000 100 old\n1010 10 inner\n2000 10 half");
    jit_map_refresh(place->map);
    assert_named(place, 0x1020, "old");
    assert_named(place, 0x1018, "inner");
    assert_named(place, 0x2000, ""); /* its line is not whole */
    append(place, " way\n1000 40 newer\n");
    assert_named(place, 0x1020, "old"); /* not looked at yet */
    jit_map_refresh(place->map);
    assert_named(place, 0x1020, "newer");
    assert_named(place, 0x1018, "newer");
    assert_named(place, 0x1050, "old");
    assert_named(place, 0x2000, "half way");
    unlink(place->path);
    jit_map_refresh(place->map);
    assert_named(place, 0x1020, "");
    assert_true(jit_map_size(place->map) < 1024);
}

static void lines_that_are_none_are_skipped(void **state)
{
    struct place *place = *state;

    append(place, "\n \nxyz 10 a\n10 xyz b\n10  c\n10 0 d\n10 ffffffff1 e\n"
                  "ffffffffffffffff 10 f\n10 10\n10 10 \n12345678901234567890 1 g\n3000 10 good\n");
    jit_map_refresh(place->map);
    assert_named(place, 0x10, "");
    assert_named(place, UINT64_MAX, "");
    assert_named(place, 0x3000, "good");
}

static void of_a_long_file_the_end_is_read(void **state)
{
    struct place *place = *state;
    static char line[4096];

    memset(line, 'x', sizeof line - 1);
    memcpy(line, "1000 10 ", 8);
    line[sizeof line - 2] = '\n';
    append(place, "5000 10 first\n");
    jit_map_refresh(place->map);
    assert_named(place, 0x5000, "first");
    for (int i = 0; i < JIT_MAP_SIZE_MAX / 4096 + 2; i++)
        append(place, line);
    append(place, "6000 10 last\n");
    jit_map_refresh(place->map);
    assert_named(place, 0x5000, "");
    assert_named(place, 0x6000, "last");
    assert_true(jit_map_size(place->map) <= JIT_MAP_SIZE_MAX + 1024 * 1024);
}

static void a_long_name_is_cut(void **state)
{
    struct place *place = *state;
    char name[8];
    uint64_t begin;

    append(place, "1000 10 1234567\n2000 10 12345678\n");
    jit_map_refresh(place->map);
    assert_int_equal(jit_map_find(place->map, 0x1000, name, sizeof name, &begin), 7);
    assert_string_equal(name, "1234567");
    assert_int_equal(jit_map_find(place->map, 0x2000, name, sizeof name, &begin), 7);
    assert_string_equal(name, "1234567");
}

static void what_is_not_our_file_is_left_alone(void **state)
{
    struct place *place = *state;
    char target[128];

    append(place, "1000 10 ours\n");
    jit_map_refresh(place->map);
    assert_named(place, 0x1000, "ours");
    snprintf(target, sizeof target, "%s/target", place->folder);
    assert_int_equal(rename(place->path, target), 0);
    assert_int_equal(symlink(target, place->path), 0);
    jit_map_refresh(place->map);
    assert_named(place, 0x1000, "");
    unlink(place->path);
    assert_int_equal(rename(target, place->path), 0);
    jit_map_refresh(place->map);
    assert_named(place, 0x1000, "ours");
    if (geteuid() == 0) {
        assert_int_equal(chown(place->path, 1, (gid_t)-1), 0);
        jit_map_refresh(place->map);
        assert_named(place, 0x1000, "");
    }
    unlink(place->path);
    assert_int_equal(mkfifo(place->path, 0600), 0);
    jit_map_refresh(place->map); /* does not wait for a writer */
    assert_named(place, 0x1000, "");
}

#define TEST(claim) cmocka_unit_test_setup_teardown(claim, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(functions_are_named_from_their_first_byte_to_their_last),
        TEST(what_is_appended_is_known_after_a_refresh_and_the_later_line_is_right),
        TEST(lines_that_are_none_are_skipped),
        TEST(of_a_long_file_the_end_is_read),
        TEST(a_long_name_is_cut),
        TEST(what_is_not_our_file_is_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
