/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/log.h"

#include "common/base/random.h"
#include "tests/support/test.h"

#include <errno.h>
#include <jansson.h>
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
    log_set_format(LOG_LOGFMT);
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
    log_event(LOG_WARN, "name: a\"\nts=now level=error\\\x1b[2J");
    assert_int_equal(errno, EDOM);
    assert_string_equal(line(room, sizeof room),
                        " level=warn msg=\"name: a\\\"\\u000ats=now level=error\\\\\\u001b[2J\"\n");
}

static void fields_follow_the_sentence(void **state)
{
    char room[8192];

    (void)state;
    log_start(ends[1], LOG_INFO);
    log_event(LOG_INFO, "it is", LOG_NUMBER("count", UINT64_MAX), LOG_STRING("who", "a b=c"),
              LOG_TEXT("empty", TEXT("")), LOG_TEXT("nul", TEXT("a\0b")));
    assert_string_equal(line(room, sizeof room),
                        " level=info msg=\"it is\" count=18446744073709551615 who=\"a b=c\" "
                        "empty=\"\" nul=\"a\\u0000b\"\n");
    log_event(LOG_INFO, "alone");
    assert_string_equal(line(room, sizeof room), " level=info msg=\"alone\"\n");
}

/* Each hostile value comes back as it was, but for bytes that are no UTF-8. */
static void json_lines_are_json(void **state)
{
    static const struct {
        struct text given, read;
    } cases[] = {
        { TEXT("plain"), TEXT("plain") },
        { TEXT("\"},{\"level\":\"error"), TEXT("\"},{\"level\":\"error") },
        { TEXT("\\\n\r\t\x7f\x1b[0m"), TEXT("\\\n\r\t\x7f\x1b[0m") },
        { TEXT("\xc2\x9b"
               "31m \xe2\x80\xa8"),
          TEXT("\xc2\x9b"
               "31m \xe2\x80\xa8") },
        { TEXT("gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\x87"),
          TEXT("gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\x87") },
        { TEXT("\xff\xc3"), TEXT("\xef\xbf\xbd\xef\xbf\xbd") },
        { TEXT("\xed\xa0\x80"), TEXT("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd") },
    };
    char room[8192];

    (void)state;
    log_start(ends[1], LOG_INFO);
    log_set_format(LOG_JSON);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        ssize_t size;
        json_t *read_line;

        log_event(LOG_WARN, "m", LOG_TEXT("value", cases[i].given), LOG_NUMBER("n", i));
        size = read(ends[0], room, sizeof room);
        assert_true(size > 0 && room[size - 1] == '\n');
        assert_null(memchr(room, '\n', (size_t)size - 1));
        read_line = json_loadb(room, (size_t)size, 0, NULL);
        assert_non_null(read_line);
        assert_int_equal(json_object_size(read_line), 5);
        assert_string_equal(json_string_value(json_object_get(read_line, "level")), "warn");
        assert_string_equal(json_string_value(json_object_get(read_line, "msg")), "m");
        assert_string_equal(json_string_value(json_object_get(read_line, "value")),
                            cases[i].read.data);
        assert_int_equal(json_integer_value(json_object_get(read_line, "n")), i);
        assert_int_equal(strlen(json_string_value(json_object_get(read_line, "ts"))), 24);
        json_decref(read_line);
    }
}

static void levels_below_are_left_out(void **state)
{
    char room[8192];

    (void)state;
    log_start(ends[1], LOG_WARN);
    log_event(LOG_INFO, "unheard");
    log_event(LOG_ERROR, "heard");
    assert_string_equal(line(room, sizeof room), " level=error msg=\"heard\"\n");
    log_set_level(LOG_DEBUG);
    log_event(LOG_DEBUG, "heard now");
    assert_string_equal(line(room, sizeof room), " level=debug msg=\"heard now\"\n");
}

/* Of any length, and wherever the end comes to lie in it: a line of its format. */
static void long_lines_are_cut_and_still_lines(void **state)
{
    static char value[LOG_LINE_SIZE_MAX + 16];
    static char room[2 * LOG_LINE_SIZE_MAX];

    (void)state;
    memset(value, 'a', sizeof value);
    log_start(ends[1], LOG_INFO);
    log_set_format(LOG_JSON);
    for (size_t size = LOG_LINE_SIZE_MAX - 200; size < LOG_LINE_SIZE_MAX; size++) {
        ssize_t got;
        json_t *read_line;

        log_event(LOG_INFO, "m", LOG_TEXT("a", ((struct text){ value, size })),
                  LOG_TEXT("b", TEXT("\x01\x01\xc3\xbc")), LOG_NUMBER("c", 1234567890));
        got = read(ends[0], room, sizeof room);
        assert_true(got > LOG_LINE_SIZE_MAX - 200 && got <= LOG_LINE_SIZE_MAX);
        read_line = json_loadb(room, (size_t)got, 0, NULL);
        if (!read_line) fail_msg("%zu: no JSON: %.*s", size, (int)got, room);
        json_decref(read_line);
    }
    log_set_format(LOG_LOGFMT);
    log_event(LOG_INFO, "m", LOG_TEXT("a", ((struct text){ value, sizeof value })));
    assert_string_equal(line(room, sizeof room) + strlen(strstr(room, " level=")) - 3, "a\"\n");
}

static void what_a_client_repeats_is_said_once_in_a_period(void **state)
{
    struct log_limit limit = { .period_ns = 100 };
    uint64_t count = 0;

    (void)state;
    assert_true(log_may(&limit, 1000, &count));
    assert_int_equal(count, 1);
    assert_false(log_may(&limit, 1050, &count));
    assert_false(log_may(&limit, 1099, &count));
    assert_true(log_may(&limit, 1100, &count));
    assert_int_equal(count, 3);
}

static void lines_are_counted(void **state)
{
    struct log_counts before = log_counts(), now;

    (void)state;
    log_start(ends[1], LOG_INFO);
    log_event(LOG_WARN, "heard");
    log_event(LOG_DEBUG, "unheard");
    log_start(-1, LOG_INFO);
    log_event(LOG_INFO, "lost");
    now = log_counts();
    assert_int_equal(now.lines[LOG_WARN], before.lines[LOG_WARN] + 1);
    assert_int_equal(now.lines[LOG_INFO], before.lines[LOG_INFO] + 1);
    assert_int_equal(now.lines[LOG_DEBUG], before.lines[LOG_DEBUG]);
    assert_int_equal(now.lost, before.lost + 1);
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
        cmocka_unit_test_setup_teardown(fields_follow_the_sentence, setup, teardown),
        cmocka_unit_test_setup_teardown(json_lines_are_json, setup, teardown),
        cmocka_unit_test_setup_teardown(levels_below_are_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(long_lines_are_cut_and_still_lines, setup, teardown),
        cmocka_unit_test(what_a_client_repeats_is_said_once_in_a_period),
        cmocka_unit_test_setup_teardown(lines_are_counted, setup, teardown),
        cmocka_unit_test(random_numbers_differ_and_are_never_0),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
