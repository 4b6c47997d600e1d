/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens: kept in Redis, asked for in memory. */
#include <stdio.h>
#include <string.h>

#include <event2/event.h>

#include "scheduler/access/scope.h"
#include "tests/integration/scheduler/store/store_fixture.h"
#include "tests/support/test.h"

struct change {
    bool done;
    enum problem_code code;
    struct problem problem;
};

static void on_change(void *context, const struct problem *problem)
{
    struct change *change = context;

    if (change->done) fail_msg("a callback came twice");
    change->done = true;
    change->code = problem ? problem->code : PROBLEM_NONE;
    if (problem) change->problem = *problem;
}

static bool is_done(struct fixture *fixture, void *context)
{
    (void)fixture;
    return ((struct change *)context)->done;
}

static struct store_token token_of(const char *name, char digit)
{
    struct store_token token = { .role = "operator" };

    memset(token.hash, digit, TOKEN_HASH_SIZE);
    snprintf(token.name, sizeof(token.name), "%s", name);
    return token;
}

static struct change put_token(struct fixture *fixture, const char *name, char digit)
{
    struct store_token token = token_of(name, digit);
    struct change change = { 0 };

    store_token_put(fixture->store, &token, on_change, &change);
    assert_false(change.done);
    fixture_wait(fixture, is_done, &change);
    return change;
}

static struct change revoke_token(struct fixture *fixture, const char *name)
{
    struct change change = { 0 };

    store_token_revoke(fixture->store, text_of(name), on_change, &change);
    assert_false(change.done);
    fixture_wait(fixture, is_done, &change);
    return change;
}

static const struct store_token *find_token(struct fixture *fixture, char digit)
{
    struct store_token token = token_of("", digit);

    return store_token_find(fixture->store, text_of(token.hash));
}

static void a_token_is_found_until_it_is_revoked(void **state)
{
    struct fixture *fixture = *state;
    const struct store_token *found, *all;

    assert_true(store_tokens_are_known(fixture->store));
    assert_int_equal(store_token_list(fixture->store, &all), 0);
    assert_null(find_token(fixture, 'a'));
    assert_int_equal(put_token(fixture, "ann", 'a').code, PROBLEM_NONE);
    found = find_token(fixture, 'a');
    assert_non_null(found);
    assert_string_equal(found->name, "ann");
    assert_string_equal(found->role, "operator");
    assert_true(found->created_wall_ms > 0);
    assert_null(find_token(fixture, 'b'));
    assert_null(store_token_find(fixture->store, TEXT("aaaa")));

    assert_int_equal(revoke_token(fixture, "ann").code, PROBLEM_NONE);
    assert_null(find_token(fixture, 'a'));
    assert_int_equal(store_token_list(fixture->store, &all), 1); /* history */
    assert_true(all[0].revoked_wall_ms >= all[0].created_wall_ms);
}

/* Redis keeps many or long records by their hash, in no order. */
static void a_list_is_in_the_order_of_creation(void **state)
{
    enum { COUNT = 8 };
    struct fixture *fixture = *state;
    const struct store_token *all;
    char name[TOKEN_NAME_SIZE_MAX + 1];

    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof(name), "%d%0*d", i, TOKEN_NAME_SIZE_MAX - 1, 0);
        assert_int_equal(put_token(fixture, name, "a5c0f183"[i]).code, PROBLEM_NONE);
    }
    assert_int_equal(store_token_list(fixture->store, &all), COUNT);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(all[i].name[0], '0' + i);
    }
}

static void a_name_belongs_to_one_valid_token(void **state)
{
    struct fixture *fixture = *state;
    struct change change;

    assert_int_equal(put_token(fixture, "ann", 'a').code, PROBLEM_NONE);
    change = put_token(fixture, "ann", 'b');
    assert_int_equal(change.code, PROBLEM_BAD_FIELD);
    assert_non_null(strstr(change.problem.detail, "'ann'"));
    assert_int_equal(revoke_token(fixture, "nobody").code, PROBLEM_BAD_FIELD);
    assert_int_equal(revoke_token(fixture, "ann").code, PROBLEM_NONE);
    assert_int_equal(revoke_token(fixture, "ann").code, PROBLEM_BAD_FIELD);
    assert_int_equal(put_token(fixture, "ann", 'b').code, PROBLEM_NONE);
    assert_non_null(find_token(fixture, 'b'));
    assert_null(find_token(fixture, 'a'));
}

static bool other_found(struct fixture *fixture, void *context)
{
    struct fixture *other = context;

    event_base_loop(other->base, EVLOOP_NONBLOCK);
    return find_token(fixture, 'a') != NULL;
}

static bool other_lost(struct fixture *fixture, void *context)
{
    return !other_found(fixture, context);
}

static void a_change_made_elsewhere_is_seen_soon(void **state)
{
    struct fixture *fixture = *state, *other = fixture_join(fixture);

    assert_int_equal(put_token(other, "ann", 'a').code, PROBLEM_NONE);
    fixture_wait(fixture, other_found, other);
    assert_int_equal(revoke_token(other, "ann").code, PROBLEM_NONE);
    fixture_wait(fixture, other_lost, other);
    fixture_free(other);
}

static void tokens_stay_known_while_redis_is_away(void **state)
{
    struct fixture *fixture = *state;

    fixture_skip_on_cluster(fixture);
    assert_int_equal(put_token(fixture, "ann", 'a').code, PROBLEM_NONE);
    redis_process_kill(&fixture->redis);
    fixture_wait_down(fixture);
    assert_non_null(find_token(fixture, 'a'));
    assert_int_equal(put_token(fixture, "bob", 'b').code, PROBLEM_STORE_DOWN);
    redis_process_restart(&fixture->redis);
    fixture_wait_ready(fixture);
    assert_non_null(find_token(fixture, 'a'));
}

/* Scopes, ends, rotation --------------------------------------------------------------------- */

static struct change rotate_token(struct fixture *fixture, const char *name, char digit,
                                  uint64_t grace_ms)
{
    struct store_token token = token_of("", digit);
    struct change change = { 0 };

    store_token_rotate(fixture->store, &(struct store_rotation){ name, token.hash, grace_ms },
                       on_change, &change);
    fixture_wait(fixture, is_done, &change);
    return change;
}

/* For the application "shop". */
static void put_scoped(struct fixture *fixture, const char *name, char digit,
                       uint64_t expires_wall_ms)
{
    static const struct text names[] = { { "shop", 4 } };
    struct store_token token = token_of(name, digit);
    struct change change = { 0 };

    token.scope = scope_new(names, ARRAY_COUNT(names));
    token.expires_wall_ms = expires_wall_ms;
    store_token_put(fixture->store, &token, on_change, &change);
    scope_unref(token.scope);
    fixture_wait(fixture, is_done, &change);
    assert_int_equal(change.code, PROBLEM_NONE);
}

static void a_token_is_good_until_it_expires(void **state)
{
    struct fixture *fixture = *state;
    uint64_t now_ms = store_now_wall_ms(fixture->store);

    put_scoped(fixture, "past", 'a', now_ms - 1);
    put_scoped(fixture, "future", 'b', now_ms + 3600000);
    assert_null(find_token(fixture, 'a'));
    assert_non_null(find_token(fixture, 'b'));
    assert_true(scope_has(find_token(fixture, 'b')->scope, TEXT("shop")));
    assert_false(scope_has(find_token(fixture, 'b')->scope, TEXT("cart")));
    assert_int_equal(put_token(fixture, "past", 'c').code, PROBLEM_NONE); /* the name is free */
    assert_int_equal(put_token(fixture, "future", 'd').code, PROBLEM_BAD_FIELD);
}

static void a_rotation_gives_another_secret_and_leaves_the_old_for_its_grace(void **state)
{
    struct fixture *fixture = *state;
    uint64_t now_ms = store_now_wall_ms(fixture->store);

    put_scoped(fixture, "ann", 'a', now_ms + 3600000);
    assert_int_equal(rotate_token(fixture, "ann", 'b', 60000).code, PROBLEM_NONE);
    assert_non_null(find_token(fixture, 'a'));
    assert_true(find_token(fixture, 'a')->is_replaced);
    assert_in_range(find_token(fixture, 'a')->expires_wall_ms, now_ms, now_ms + 120000);
    assert_string_equal(find_token(fixture, 'b')->name, "ann");
    assert_string_equal(find_token(fixture, 'b')->role, "operator");
    assert_true(scope_has(find_token(fixture, 'b')->scope, TEXT("shop")));
    assert_false(scope_has(find_token(fixture, 'b')->scope, TEXT("cart")));
    assert_int_equal(find_token(fixture, 'b')->expires_wall_ms, now_ms + 3600000);

    assert_int_equal(rotate_token(fixture, "ann", 'c', 0).code, PROBLEM_NONE); /* at once */
    assert_null(find_token(fixture, 'a'));
    assert_null(find_token(fixture, 'b'));
    assert_non_null(find_token(fixture, 'c'));
    assert_int_equal(rotate_token(fixture, "nobody", 'd', 0).code, PROBLEM_BAD_FIELD);
}

static void a_revocation_ends_what_was_replaced_too(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(put_token(fixture, "ann", 'a').code, PROBLEM_NONE);
    assert_int_equal(rotate_token(fixture, "ann", 'b', 60000).code, PROBLEM_NONE);
    assert_non_null(find_token(fixture, 'a'));
    assert_int_equal(revoke_token(fixture, "ann").code, PROBLEM_NONE);
    assert_null(find_token(fixture, 'a'));
    assert_null(find_token(fixture, 'b'));
}

/* The oldest of a thousand that opens nothing makes room; a thousand good ones make none. */
static void a_full_house_forgets_the_oldest_that_is_not_good(void **state)
{
    static const char fill[] =
        "EVAL 'for i=1,999 do redis.call(\"HSET\",\"stakeout:tokens\",string.format(\"%064x\",i),"
        "\"n\"..i..\"\\nviewer\\n\"..i..\"\\n0\") end return 0' 1 stakeout:tokens";
    struct fixture *fixture = *state;
    const struct store_token *all;

    assert_string_equal(redis_process_ask(&fixture->redis, fill), "0");
    assert_int_equal(put_token(fixture, "ann", 'a').code, PROBLEM_NONE);
    assert_int_equal(put_token(fixture, "bob", 'b').code, PROBLEM_BAD_FIELD);
    assert_int_equal(revoke_token(fixture, "n7").code, PROBLEM_NONE);
    assert_int_equal(revoke_token(fixture, "n3").code, PROBLEM_NONE);
    assert_int_equal(put_token(fixture, "bob", 'b').code, PROBLEM_NONE);
    assert_int_equal(store_token_list(fixture->store, &all), TOKENS_MAX);
    assert_string_equal(all[2].name, "n4"); /* n3 has gone */
    assert_string_equal(all[5].name, "n7");
    assert_int_equal(put_token(fixture, "cat", 'c').code, PROBLEM_NONE);
    assert_int_equal(put_token(fixture, "dan", 'd').code, PROBLEM_BAD_FIELD);
}

static bool here_found(struct fixture *fixture, void *context)
{
    (void)context;
    return find_token(fixture, 'a') != NULL;
}

static bool use_is_told(struct fixture *fixture, void *context)
{
    const char *count = redis_process_ask(&fixture->redis, "HLEN stakeout:tokens:used");

    (void)context;
    return strcmp(count, "1") == 0;
}

static void a_use_is_told_to_others(void **state)
{
    struct fixture *fixture = *state, *other = fixture_join(fixture);
    struct change change = { 0 };
    uint64_t used_ms;

    assert_int_equal(put_token(fixture, "ann", 'a').code, PROBLEM_NONE);
    store_token_note_use(fixture->store, find_token(fixture, 'a'));
    used_ms = find_token(fixture, 'a')->used_wall_ms;
    assert_true(used_ms > 0);
    fixture_wait(fixture, use_is_told, NULL);
    assert_int_equal(find_token(fixture, 'a')->used_wall_ms, used_ms); /* over a refresh */
    fixture_wait(other, here_found, NULL);
    assert_int_equal(find_token(other, 'a')->used_wall_ms, 0);
    store_token_read_uses(other->store, on_change, &change);
    fixture_wait(other, is_done, &change);
    assert_int_equal(find_token(other, 'a')->used_wall_ms, used_ms);
    fixture_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup_durable, fixture_teardown)
        CASE(a_token_is_found_until_it_is_revoked),
        CASE(a_list_is_in_the_order_of_creation),
        CASE(a_name_belongs_to_one_valid_token),
        CASE(a_change_made_elsewhere_is_seen_soon),
        CASE(tokens_stay_known_while_redis_is_away),
        CASE(a_token_is_good_until_it_expires),
        CASE(a_rotation_gives_another_secret_and_leaves_the_old_for_its_grace),
        CASE(a_revocation_ends_what_was_replaced_too),
        CASE(a_full_house_forgets_the_oldest_that_is_not_good),
        CASE(a_use_is_told_to_others),
#undef CASE
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
