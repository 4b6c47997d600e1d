/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/store/redis/redis_slots.h"

#include <hiredis/hiredis.h>
#include <string.h>

#include "common/base/check.h"
#include "scheduler/store/redis/redis_command.h"
#include "scheduler/store/redis/redis_value.h"
#include "tests/support/test.h"

/* Slots as Redis' own CLUSTER KEYSLOT tells them. */
static const struct {
    const char *key;
    uint16_t slot;
} keys[] = {
    { "", 0 },
    { "123456789", 12739 },
    { "foo", 12182 },
    { "bar", 5061 },
    { "{user1000}.following", 3443 },
    { "{user1000}.followers", 3443 },
    { "foo{}{bar}", 8363 },
    { "foo{{bar}}zap", 4015 },
    { "foo{bar}{zap}", 5061 },
};

static void a_key_has_the_slot_that_redis_gives_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        if (redis_slot_of(text_of(keys[i].key)) != keys[i].slot) {
            fail_msg("'%s': %u", keys[i].key, redis_slot_of(text_of(keys[i].key)));
        }
    }
}

static const struct {
    const char *words[8];
    const char *key; /* NULL: none */
} commands[] = {
    { { "GET", "a" }, "a" },
    { { "FCALL", "f", "2", "k1", "k2" }, "k1" },
    { { "XREAD", "BLOCK", "1", "STREAMS", "news", "$" }, "news" },
    { { "INFO" }, NULL },
    { { "WAIT", "1", "1000" }, NULL },
    { { "GET" }, NULL },
};

static void a_command_is_sent_by_its_first_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        struct redis_command command = redis_command_make(commands[i].words[0]);
        struct text key = { 0 };

        for (size_t k = 1; commands[i].words[k]; k++) {
            redis_command_add(&command, text_of(commands[i].words[k]));
        }
        assert_int_equal(redis_command_key(redis_command_bytes(&command), &key),
                         commands[i].key != NULL);
        if (commands[i].key) assert_true(text_is_equal(key, text_of(commands[i].key)));
        redis_command_done(&command);
    }
}

static const struct redis_place here = { .host = "10.0.0.9", .port = 7000 };

static int read_answer(const char *protocol, struct redis_slots *slots)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    int rc;

    assert_int_equal(redisReaderFeed(reader, protocol, strlen(protocol)), REDIS_OK);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    assert_non_null(reply);
    rc = redis_slots_read(slots, (const struct redis_value *)reply, &here);
    freeReplyObject(reply);
    redisReaderFree(reader);
    return rc;
}

static void an_answer_says_who_has_which_slots(void **state)
{
    struct redis_slots slots;

    (void)state;
    redis_slots_init(&slots);
    assert_int_equal(read_answer("*2\r\n*3\r\n:0\r\n:5460\r\n*2\r\n$8\r\n10.0.0.1\r\n:6379\r\n"
                                 "*3\r\n:5461\r\n:16383\r\n*2\r\n$0\r\n\r\n:6380\r\n",
                                 &slots),
                     0);
    assert_int_equal(slots.owned, CLUSTER_SLOTS);
    assert_int_equal(slots.node_count, 2);
    assert_string_equal(slots.nodes[redis_slots_node(&slots, 5460)].host, "10.0.0.1");
    assert_string_equal(slots.nodes[redis_slots_node(&slots, 5461)].host, "10.0.0.9");
    assert_int_equal(slots.nodes[redis_slots_node(&slots, 16383)].port, 6380);
    assert_int_equal(redis_slots_node(&slots, CLUSTER_SLOTS), -1);

    /* What makes no sense changes nothing. */
    assert_int_equal(read_answer("*1\r\n*3\r\n:5\r\n:4\r\n*2\r\n$1\r\na\r\n:1\r\n", &slots), -1);
    assert_int_equal(read_answer("*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\na\r\n:1\r\n", &slots),
                     -1);
    assert_int_equal(read_answer("*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:0\r\n", &slots), -1);
    assert_int_equal(read_answer("*1\r\n*2\r\n:0\r\n:1\r\n", &slots), -1);
    assert_int_equal(read_answer("-ERR This instance has cluster support disabled\r\n", &slots),
                     -1);
    assert_int_equal(slots.owned, CLUSTER_SLOTS);
}

static const struct {
    const char *error;
    enum redis_redirect redirect;
    uint16_t slot;
    const char *host;
    uint16_t port;
} redirects[] = {
    { "MOVED 3999 127.0.0.1:6381", REDIRECT_MOVED, 3999, "127.0.0.1", 6381 },
    { "ASK 16383 ::1:6381", REDIRECT_ASK, 16383, "::1", 6381 },
    { "MOVED 1 :6381", REDIRECT_MOVED, 1, "10.0.0.9", 6381 },
    { "MOVED 16384 h:1", REDIRECT_NONE, 0, NULL, 0 },
    { "MOVED 1 h:0", REDIRECT_NONE, 0, NULL, 0 },
    { "MOVED 1 h", REDIRECT_NONE, 0, NULL, 0 },
    { "MOVED 1", REDIRECT_NONE, 0, NULL, 0 },
    { "TRYAGAIN Multiple keys request", REDIRECT_NONE, 0, NULL, 0 },
};

static void a_redirection_says_where_to(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(redirects); i++) {
        struct redis_place place;
        uint16_t slot;

        if (redis_redirect_read(text_of(redirects[i].error), &here, &slot, &place) !=
            redirects[i].redirect) {
            fail_msg("%s", redirects[i].error);
        }
        if (redirects[i].redirect == REDIRECT_NONE) continue;
        assert_int_equal(slot, redirects[i].slot);
        assert_string_equal(place.host, redirects[i].host);
        assert_int_equal(place.port, redirects[i].port);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_has_the_slot_that_redis_gives_it),
        cmocka_unit_test(a_command_is_sent_by_its_first_key),
        cmocka_unit_test(an_answer_says_who_has_which_slots),
        cmocka_unit_test(a_redirection_says_where_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
