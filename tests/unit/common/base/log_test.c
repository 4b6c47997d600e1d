/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/log.h"

#include "common/base/random.h"
#include "tests/support/test.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static int ends[2];

static int setup(void **state)
{
    (void)state;
    return pipe(ends);
}

static int teardown(void **state)
{
    (void)state;
    log_start(2, LOG_INFO);
    close(ends[0]);
    close(ends[1]);
    return 0;
}

/* What one read of the pipe gives, from the level on: the date before it varies. */
static const char *line(char *room, size_t size)
{
    ssize_t got = read(ends[0], room, size - 1);

    assert_true(got > 0);
    room[got] = '\0';
    return strstr(room, " level=");
}

static void a_line_cannot_be_forged(void **state)
{
    char room[8192];

    (void)state;
    log_start(ends[1], LOG_INFO);
    errno = EDOM;
    log_line(LOG_WARN, "name: %s", "a\"\nat=now level=error\\\x1b[2J");
    assert_int_equal(errno, EDOM);
    assert_string_equal(line(room, sizeof room),
                        " level=warn msg=\"name: a\\\"\\x0aat=now level=error\\\\\\x1b[2J\"\n");
}

static void levels_below_are_left_out(void **state)
{
    char room[8192];

    (void)state;
    log_start(ends[1], LOG_WARN);
    log_line(LOG_INFO, "unheard");
    log_line(LOG_ERROR, "heard");
    assert_string_equal(line(room, sizeof room), " level=error msg=\"heard\"\n");
}

static void long_lines_are_cut_and_still_lines(void **state)
{
    char message[5000], room[8192];
    const char *read_line;

    (void)state;
    memset(message, '\x01', sizeof message);
    message[sizeof message - 1] = '\0';
    log_start(ends[1], LOG_INFO);
    log_line(LOG_INFO, "%s", message);
    read_line = line(room, sizeof room);
    assert_true(strlen(room) <= 4096);
    assert_string_equal(read_line + strlen(read_line) - 2, "\"\n");
}

static void random_numbers_differ_and_are_never_0(void **state)
{
    uint64_t before = 0;

    (void)state;
    for (int i = 0; i < 100; i++) {
        uint64_t now = random_u64();

        assert_true(now != 0 && now != before);
        before = now;
    }
    assert_int_equal(random_bytes(&before, sizeof before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_cannot_be_forged, setup, teardown),
        cmocka_unit_test_setup_teardown(levels_below_are_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(long_lines_are_cut_and_still_lines, setup, teardown),
        cmocka_unit_test(random_numbers_differ_and_are_never_0),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
