/* SPDX-License-Identifier: Apache-2.0 */
/* redis_value_test.c: every kind of answer, read in every way. The answers are Redis' bytes, read
 * by hiredis as they come. */
#include "scheduler/store/redis/redis_value.h"

#include "tests/support/test.h"

#include <hiredis/hiredis.h>
#include <string.h>

static redisReply *reply_of(const char *bytes)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;

    assert_int_equal(redisReaderFeed(reader, bytes, strlen(bytes)), REDIS_OK);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    assert_non_null(reply);
    redisReaderFree(reader);
    return reply;
}

/* clang-format off */
static const struct {
    const char *bytes;
    bool is_nil, is_error;
    const char *text;
    uint64_t number;
    size_t count;
} rows[] = {
    { "$-1\r\n",                         true,  false, "",           0,                     0 },
    { "*-1\r\n",                         true,  false, "",           0,                     0 },
    { "-ERR no\r\n",                     false, true,  "ERR no",     0,                     0 },
    { "+OK\r\n",                         false, false, "OK",         0,                     0 },
    { "$0\r\n\r\n",                      false, false, "",           0,                     0 },
    { "$2\r\n17\r\n",                    false, false, "17",         17,                    0 },
    { "$3\r\n17x\r\n",                   false, false, "17x",        0,                     0 },
    { "$20\r\n18446744073709551615\r\n", false, false,
                                       "18446744073709551615",       18446744073709551615u, 0 },
    { ":42\r\n",                         false, false, "",           42,                    0 },
    { ":-1\r\n",                         false, false, "",           0,                     0 },
    { "*0\r\n",                          false, false, "",           0,                     0 },
    { "*2\r\n:1\r\n$1\r\na\r\n",         false, false, "",           0,                     2 },
};
/* clang-format on */

static void every_kind_reads_as_itself_and_as_empty_otherwise(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        redisReply *reply = reply_of(rows[i].bytes);
        const struct redis_value *value = (const void *)reply;

        if (redis_value_is_nil(value) != rows[i].is_nil ||
            redis_value_is_error(value) != rows[i].is_error ||
            !text_is_equal(redis_value_text(value), text_of(rows[i].text)) ||
            redis_value_u64(value) != rows[i].number || redis_value_count(value) != rows[i].count)
            fail_msg("row %zu: %s", i, rows[i].bytes);
        freeReplyObject(reply);
    }
}

static void elements_are_read_to_the_last_and_beyond(void **state)
{
    redisReply *reply = reply_of("*2\r\n*1\r\n:7\r\n$1\r\na\r\n");
    const struct redis_value *value = (const void *)reply;

    (void)state;
    assert_int_equal(redis_value_u64(redis_value_at(redis_value_at(value, 0), 0)), 7);
    assert_true(text_is_equal(redis_value_text(redis_value_at(value, 1)), TEXT("a")));
    assert_null(redis_value_at(value, 2));
    assert_null(redis_value_at(redis_value_at(value, 1), 0));
    freeReplyObject(reply);
}

static void no_value_is_nil(void **state)
{
    (void)state;
    assert_true(redis_value_is_nil(NULL));
    assert_false(redis_value_is_error(NULL));
    assert_int_equal(redis_value_text(NULL).size, 0);
    assert_int_equal(redis_value_u64(NULL), 0);
    assert_int_equal(redis_value_count(NULL), 0);
    assert_null(redis_value_at(NULL, 0));
}

static bool is_same(const struct redis_value *left, const struct redis_value *right)
{
    if (!left || !right) return left == right;
    if (redis_value_is_nil(left) != redis_value_is_nil(right) ||
        redis_value_is_error(left) != redis_value_is_error(right) ||
        !text_is_equal(redis_value_text(left), redis_value_text(right)) ||
        redis_value_u64(left) != redis_value_u64(right) ||
        redis_value_count(left) != redis_value_count(right))
        return false;
    for (size_t i = 0; i < redis_value_count(left); i++) {
        if (!is_same(redis_value_at(left, i), redis_value_at(right, i))) return false;
    }
    return true;
}

static void a_copy_is_the_same_and_outlives_what_it_is_of(void **state)
{
    (void)state;
    for (size_t i = 0; i <= ARRAY_COUNT(rows); i++) {
        const char *bytes =
            i < ARRAY_COUNT(rows) ? rows[i].bytes : "*3\r\n*2\r\n$1\r\na\r\n:1\r\n-E\r\n$-1\r\n";
        redisReply *reply = reply_of(bytes), *again = reply_of(bytes);
        struct redis_value *copy = redis_value_copy((const void *)reply);

        freeReplyObject(reply);
        if (!is_same(copy, (const void *)again)) fail_msg("%s", bytes);
        redis_value_free(copy);
        freeReplyObject(again);
    }
    assert_null(redis_value_copy(NULL));
    redis_value_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_reads_as_itself_and_as_empty_otherwise),
        cmocka_unit_test(elements_are_read_to_the_last_and_beyond),
        cmocka_unit_test(no_value_is_nil),
        cmocka_unit_test(a_copy_is_the_same_and_outlives_what_it_is_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
