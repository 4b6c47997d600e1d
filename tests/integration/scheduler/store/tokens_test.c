/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens: kept in Redis, asked for in memory. */
#include <stdio.h>
#include <string.h>

#include <event2/event.h>

#include "tests/integration/scheduler/store/store_fixture.h"
#include "tests/support/test.h"

struct change {
    bool done;
    enum problem_code code;
    struct problem problem;
};

static int setup(void **state)
{
    *state = fixture_new("appendonly yes\nappendfsync always\n");
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

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

    assert_int_equal(put_token(fixture, "ann", 'a').code, PROBLEM_NONE);
    redis_process_kill(&fixture->redis);
    fixture_wait_down(fixture);
    assert_non_null(find_token(fixture, 'a'));
    assert_int_equal(put_token(fixture, "bob", 'b').code, PROBLEM_STORE_DOWN);
    redis_process_restart(&fixture->redis);
    fixture_wait_ready(fixture);
    assert_non_null(find_token(fixture, 'a'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        CASE(a_token_is_found_until_it_is_revoked),  CASE(a_list_is_in_the_order_of_creation),
        CASE(a_name_belongs_to_one_valid_token),     CASE(a_change_made_elsewhere_is_seen_soon),
        CASE(tokens_stay_known_while_redis_is_away),
#undef CASE
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
