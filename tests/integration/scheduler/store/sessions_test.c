/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions: how long they are good, and what becomes of those that are not. */
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "tests/integration/scheduler/store/store_fixture.h"
#include "tests/support/test.h"

struct change {
    bool done;
    enum problem_code code;
};

static void on_change(void *context, const struct problem *problem)
{
    struct change *change = context;

    assert_false(change->done);
    change->done = true;
    change->code = problem ? problem->code : PROBLEM_NONE;
}

static bool is_done(struct fixture *fixture, void *context)
{
    (void)fixture;
    return ((struct change *)context)->done;
}

static void fill(char ret[TOKEN_HASH_SIZE + 1], char digit)
{
    memset(ret, digit, TOKEN_HASH_SIZE);
    ret[TOKEN_HASH_SIZE] = '\0';
}

static void put_token(struct fixture *fixture, char digit)
{
    struct store_token token = { .role = "viewer" };
    struct change change = { 0 };

    fill(token.hash, digit);
    token.name[0] = digit;
    store_token_put(fixture->store, &token, on_change, &change);
    fixture_wait(fixture, is_done, &change);
    assert_int_equal(change.code, PROBLEM_NONE);
}

static void put_session(struct fixture *fixture, char digit, char token_digit)
{
    struct store_session session = { .hash = "" };
    struct change change = { 0 };

    fill(session.hash, digit);
    fill(session.token_hash, token_digit);
    store_session_put(fixture->store, &session, on_change, &change);
    assert_false(change.done);
    fixture_wait(fixture, is_done, &change);
    assert_int_equal(change.code, PROBLEM_NONE);
}

static const struct store_session *find_session(struct fixture *fixture, char digit)
{
    char hash[TOKEN_HASH_SIZE + 1];

    fill(hash, digit);
    return store_session_find(fixture->store, text_of(hash));
}

static bool is_gone(struct fixture *fixture, void *context)
{
    return strcmp(redis_process_ask(&fixture->redis, context), "0") == 0;
}

static void wait_gone(struct fixture *fixture, char digit)
{
    char command[128], hash[TOKEN_HASH_SIZE + 1];

    fill(hash, digit);
    snprintf(command, sizeof(command), "HEXISTS stakeout:sessions %s", hash);
    fixture_wait(fixture, is_gone, command);
    snprintf(command, sizeof(command), "HEXISTS stakeout:sessions:seen %s", hash);
    fixture_wait(fixture, is_gone, command);
}

static void a_session_is_good_as_long_as_its_token(void **state)
{
    struct fixture *fixture = *state;
    struct change change = { 0 };

    put_token(fixture, 'a');
    put_session(fixture, '1', 'a');
    put_session(fixture, '2', 'b');
    assert_non_null(find_session(fixture, '1'));
    assert_null(find_session(fixture, '2')); /* of no token */
    assert_null(find_session(fixture, '3'));
    store_token_revoke(fixture->store, TEXT("a"), on_change, &change);
    fixture_wait(fixture, is_done, &change);
    assert_null(find_session(fixture, '1'));
    wait_gone(fixture, '1');
    wait_gone(fixture, '2');
}

/* What Redis holds of a session that began, and was used, so long ago. */
static void put_old(struct fixture *fixture, char digit, uint64_t created_ms_ago,
                    uint64_t seen_ms_ago)
{
    uint64_t now_ms = store_now_wall_ms(fixture->store);
    char command[512], hash[TOKEN_HASH_SIZE + 1], token[TOKEN_HASH_SIZE + 1];

    fill(hash, digit);
    fill(token, 'a');
    snprintf(command, sizeof(command), "HSET stakeout:sessions:seen %s %llu", hash,
             (unsigned long long)(now_ms - seen_ms_ago));
    redis_process_ask(&fixture->redis, command);
    snprintf(command, sizeof(command), "HSET stakeout:sessions %s '%s %llu'", hash, token,
             (unsigned long long)(now_ms - created_ms_ago));
    redis_process_ask(&fixture->redis, command);
}

static bool is_found(struct fixture *fixture, void *context)
{
    return find_session(fixture, *(char *)context) != NULL;
}

static void a_session_ends_when_it_is_idle_and_when_it_is_old(void **state)
{
    enum { MINUTE_MS = 60000 };
    struct fixture *fixture = *state;
    char newest = '5';

    put_token(fixture, 'a');
    put_old(fixture, '1', SESSION_MS_MAX + MINUTE_MS, 0);
    put_old(fixture, '2', SESSION_MS_MAX - MINUTE_MS, 0);
    put_old(fixture, '3', SESSION_IDLE_MS_MAX + 2 * MINUTE_MS, SESSION_IDLE_MS_MAX + MINUTE_MS);
    put_old(fixture, '4', SESSION_IDLE_MS_MAX + 2 * MINUTE_MS, SESSION_IDLE_MS_MAX - MINUTE_MS);
    put_old(fixture, '5', 0, 0);
    fixture_wait(fixture, is_found, &newest);
    assert_null(find_session(fixture, '1'));
    assert_non_null(find_session(fixture, '2'));
    assert_null(find_session(fixture, '3'));
    assert_non_null(find_session(fixture, '4'));
    wait_gone(fixture, '1');
    wait_gone(fixture, '3');
    assert_non_null(find_session(fixture, '2'));
}

/* A late note of a use does not bring back a session that another scheduler ended. */
static void a_use_brings_no_ended_session_back(void **state)
{
    struct fixture *fixture = *state, *other;
    char hash[TOKEN_HASH_SIZE + 1], digit = '1';
    struct change change = { 0 };

    put_token(fixture, 'a');
    put_session(fixture, '1', 'a');
    other = fixture_join(fixture);
    fixture_wait(other, is_found, &digit);
    store_session_note_use(other->store, find_session(other, '1'));
    fill(hash, '1');
    store_session_end(fixture->store, text_of(hash), on_change, &change);
    fixture_wait(fixture, is_done, &change);
    assert_null(find_session(fixture, '1'));
    assert_string_equal(redis_process_ask(&fixture->redis, "HLEN stakeout:sessions"), "0");
    for (int i = 0; i < 2; i++) { /* two refreshes of the one that noted the use */
        struct change refreshed = { 0 };

        store_token_read_uses(other->store, on_change, &refreshed);
        fixture_wait(other, is_done, &refreshed);
    }
    assert_string_equal(redis_process_ask(&fixture->redis, "HLEN stakeout:sessions"), "0");
    fixture_free(other);
}

/* Who logs in again and again ends his own sessions, the idlest first, and nobody else's. */
static void a_token_s_sessions_make_room_for_each_other(void **state)
{
    static const char fill_up[] =
        "EVAL 'for i=1,32 do redis.call(\"HSET\",\"stakeout:sessions\","
        "string.format(\"%064x\",i),"
        "string.rep(\"a\",64)..\" \"..(ARGV[1]+i)) end return 0' 1 stakeout:sessions ";
    struct fixture *fixture = *state;
    char command[1024], hash[TOKEN_HASH_SIZE + 1];

    put_token(fixture, 'a');
    put_token(fixture, 'b');
    put_old(fixture, '9', 3600000, 3600000);
    put_session(fixture, '8', 'b');
    snprintf(command, sizeof(command), "%s %llu", fill_up,
             (unsigned long long)store_now_wall_ms(fixture->store) - 10000);
    assert_string_equal(redis_process_ask(&fixture->redis, command), "0");
    put_session(fixture, '7', 'b'); /* and reads them: 33 of a, 2 of b */
    put_session(fixture, 'c', 'a');
    assert_null(find_session(fixture, '9')); /* the idlest of a */
    snprintf(hash, sizeof(hash), "%064x", 1);
    assert_non_null(store_session_find(fixture->store, text_of(hash)));
    put_session(fixture, 'd', 'a');
    assert_null(store_session_find(fixture->store, text_of(hash)));
    assert_non_null(find_session(fixture, 'c'));
    assert_non_null(find_session(fixture, 'd'));
    assert_non_null(find_session(fixture, '8'));
    assert_non_null(find_session(fixture, '7'));
}

static void put_numbered_token(struct fixture *fixture, unsigned number)
{
    struct store_token token = { .role = "viewer" };
    struct change change = { 0 };

    snprintf(token.hash, sizeof(token.hash), "%064x", number);
    snprintf(token.name, sizeof(token.name), "n%u", number);
    store_token_put(fixture->store, &token, on_change, &change);
    fixture_wait(fixture, is_done, &change);
    assert_int_equal(change.code, PROBLEM_NONE);
}

/* One more than there may be: the one that was used longest ago goes. */
static void a_full_house_forgets_the_idlest(void **state)
{
    static const char fill_up[] =
        "EVAL 'for i=1,1000 do redis.call(\"HSET\",\"stakeout:sessions\","
        "string.format(\"%064x\",i),"
        "string.format(\"%064x\",i)..\" \"..(ARGV[1]+i)) end return 0' 1 stakeout:sessions ";
    struct fixture *fixture = *state;
    char command[1024], hash[TOKEN_HASH_SIZE + 1];

    put_token(fixture, 'a');
    put_numbered_token(fixture, 1);
    put_numbered_token(fixture, 2);
    snprintf(command, sizeof(command), "%s %llu", fill_up,
             (unsigned long long)store_now_wall_ms(fixture->store) - 10000);
    assert_string_equal(redis_process_ask(&fixture->redis, command), "0");
    put_session(fixture, 'b', 'a'); /* and reads them */
    put_session(fixture, 'c', 'a');
    assert_non_null(find_session(fixture, 'b'));
    assert_non_null(find_session(fixture, 'c'));
    snprintf(hash, sizeof(hash), "%064x", 1);
    assert_null(store_session_find(fixture->store, text_of(hash)));
    snprintf(hash, sizeof(hash), "%064x", 2);
    assert_non_null(store_session_find(fixture->store, text_of(hash)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup_durable, fixture_teardown)
        CASE(a_session_is_good_as_long_as_its_token),
        CASE(a_session_ends_when_it_is_idle_and_when_it_is_old),
        CASE(a_use_brings_no_ended_session_back),
        CASE(a_token_s_sessions_make_room_for_each_other),
        CASE(a_full_house_forgets_the_idlest),
#undef CASE
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
