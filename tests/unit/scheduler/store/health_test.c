/* SPDX-License-Identifier: Apache-2.0 */
/* health_test.c: what is read from INFO, whatever a Redis, or what calls itself one, says there. */
#include "scheduler/store/store_private.h"

#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MASTER "redis_version:7.0.15\r\nredis_mode:standalone\r\nrole:master\r\naof_enabled:1\r\n"

static void read_info(struct store *store, struct text info)
{
    store_read_info(store, info, true);
    store_note_readings(store);
}

static void a_redis_that_will_do_is_told_from_one_that_will_not(void **state)
{
    static const struct {
        const char *says, *info, *why; /* NULL: it will do */
    } cases[] = {
        { "a master", "# Server\r\n" MASTER, NULL },
        { "a later one", "redis_version:11.2.3\r\nrole:master\r\n", NULL },
        { "a version of the future that begins like an old one", "redis_version:70\r\n", NULL },
        { "an old one", "redis_version:6.2.14\r\nrole:master\r\n", "older than Redis 7" },
        { "a replica", "redis_version:7.0.15\r\nrole:slave\r\n", "is a replica" },
        { "a cluster", "redis_version:7.0.15\r\nredis_mode:cluster\r\n", "redis+cluster://" },
        { "nothing", "", "older than Redis 7" },
        { "something else", "HTTP/1.1 400 Bad Request\r\n\r\n", "older than Redis 7" },
        { "a name that only ends so", "my_redis_version:9.0\r\n", "older than Redis 7" },
        { "a name that only begins so", "redis_version_9:9.0\r\n", "older than Redis 7" },
        { "a line without an end", "role:master\r\nredis_version:7", NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct store store = { 0 };
        const char *why;

        read_info(&store, text_of(cases[i].info));
        why = store_unfit(&store, text_of(cases[i].info));
        if (!why != !cases[i].why || (why && !strstr(why, cases[i].why)))
            fail_msg("%s: %s", cases[i].says, why ? why : "it will do");
    }
}

static void every_beginning_of_an_answer_can_be_read(void **state)
{
    static const char whole[] =
        MASTER "used_memory:1048576\r\nmaxmemory:0\r\nconnected_slaves:2\r\n";

    (void)state;
    for (size_t size = 0; size < sizeof whole; size++) {
        struct store store = { 0 };
        char *copy = mem_text(whole, size); /* of its own, so that reading on is seen */

        read_info(&store, (struct text){ copy, size });
        assert_true(store.health.replica_count == 0 || size >= sizeof whole - 3);
        free(copy);
    }
}

static void what_can_be_lost_is_read(void **state)
{
    struct store store = { 0 };

    (void)state;
    snprintf(store.health.appendfsync, sizeof store.health.appendfsync, "always");
    read_info(&store, TEXT(MASTER "maxmemory:100\r\nmaxmemory_policy:noeviction\r\n"));
    assert_string_equal(store.health.appendfsync, "always");
    assert_false(store.may_evict);
    read_info(&store, TEXT(MASTER "maxmemory:100\r\nmaxmemory_policy:allkeys-lru\r\n"));
    assert_true(store.may_evict);
    read_info(&store, TEXT(MASTER "maxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n"));
    assert_false(store.may_evict); /* it is never full */
    read_info(&store, TEXT("redis_version:7.0.15\r\naof_enabled:0\r\n"));
    assert_string_equal(store.health.appendfsync, "off"); /* whatever the setting says */
}

static void a_full_redis_is_full_until_it_has_room(void **state)
{
    struct store store = { .has_problem_full = true };

    (void)state;
    read_info(&store, TEXT(MASTER "used_memory:100\r\nmaxmemory:100\r\n"));
    assert_true(store.has_problem_full);
    read_info(&store, TEXT(MASTER "used_memory:99\r\nmaxmemory:100\r\n"));
    assert_false(store.has_problem_full);
    store.has_problem_full = true;
    read_info(&store, TEXT(MASTER "used_memory:100\r\nmaxmemory:0\r\n")); /* unbounded */
    assert_false(store.has_problem_full);
}

static void who_had_a_replica_is_remembered(void **state)
{
    struct store store = { 0 };

    (void)state;
    read_info(&store, TEXT(MASTER "connected_slaves:0\r\n"));
    assert_false(store.had_replicas);
    read_info(&store, TEXT(MASTER "connected_slaves:2\r\n"));
    assert_int_equal(store.health.replica_count, 2);
    read_info(&store, TEXT(MASTER "connected_slaves:0\r\n"));
    assert_int_equal(store.health.replica_count, 0);
    assert_true(store.had_replicas);
}

static void of_several_masters_the_weakest_counts(void **state)
{
    struct store store = { .cluster = (struct redis_cluster *)(void *)&store };

    (void)state;
    snprintf(store.health.appendfsync, sizeof store.health.appendfsync, "always");
    store_read_info(&store,
                    TEXT("redis_version:7.2.1\r\nredis_mode:cluster\r\nrole:master\r\n"
                         "aof_enabled:1\r\nused_memory:10\r\nmaxmemory:100\r\n"
                         "maxmemory_policy:noeviction\r\nconnected_slaves:2\r\n"),
                    true);
    store_read_info(&store,
                    TEXT("redis_version:7.0.15\r\nredis_mode:cluster\r\nrole:master\r\n"
                         "aof_enabled:1\r\nused_memory:100\r\nmaxmemory:100\r\n"
                         "maxmemory_policy:noeviction\r\nconnected_slaves:1\r\n"),
                    false);
    store.has_problem_full = true;
    store_note_readings(&store);
    assert_null(store_unfit(&store, TEXT("redis_mode:cluster\r\n")));
    assert_string_equal(store.health.version, "7.0.15");
    assert_string_equal(store.health.appendfsync, "always");
    assert_int_equal(store.health.memory_size, 110);
    assert_int_equal(store.health.memory_size_max, 200);
    assert_int_equal(store.health.replica_count, 1);
    assert_true(store.has_problem_full); /* the second has no room */
    assert_false(store.may_evict);

    store_read_info(&store, TEXT("redis_version:7.2.1\r\nrole:slave\r\naof_enabled:0\r\n"), false);
    store_note_readings(&store);
    assert_string_equal(store.health.appendfsync, "off");
    assert_int_equal(store.health.replica_count, 0);
    assert_true(store.had_replicas);
    assert_non_null(strstr(store_unfit(&store, TEXT("")), "is a replica"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_redis_that_will_do_is_told_from_one_that_will_not),
        cmocka_unit_test(every_beginning_of_an_answer_can_be_read),
        cmocka_unit_test(what_can_be_lost_is_read),
        cmocka_unit_test(a_full_redis_is_full_until_it_has_room),
        cmocka_unit_test(who_had_a_replica_is_remembered),
        cmocka_unit_test(of_several_masters_the_weakest_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
