/* SPDX-License-Identifier: Apache-2.0 */
/* Clusters of real redis-servers: found by one of them, moved and killed under load. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "common/base/clock.h"
#include "common/base/own.h"
#include "tests/integration/scheduler/store/storm.h"
#include "tests/support/authority.h"
#include "tests/support/free_port.h"
#include "tests/support/redis_house.h"
#include "tests/support/test.h"

#define ALWAYS "appendonly yes\nappendfsync always\n"

static struct fixture *join(const struct redis_house *house)
{
    struct fixture named = { .base = NULL };

    memcpy(named.redis.url, house->url, sizeof(named.redis.url));
    return fixture_join(&named);
}

/* Who sends reports, and another scheduler that reads the news of them. */
struct pair {
    struct redis_house house;
    struct fixture *sender, *reader;
    struct storm *storm;
};

/* As redis-cli reshards. What needs a key that is not there yet is told ASK, then TRYAGAIN, until
 * the slot has arrived; so its reports are held. Returns how many keys it had. */
static unsigned move_under_load(struct pair *pair, unsigned slot, size_t from, size_t to)
{
    unsigned keys = 0;

    redis_house_move_begin(&pair->house, slot, from, to);
    storm_turn(pair->storm, 20);
    while (redis_house_move_keys(&pair->house, slot, from, to, 1)) {
        keys++;
        storm_turn(pair->storm, 2);
    }
    redis_house_move_end(&pair->house, slot, from, to);
    storm_turn(pair->storm, 20);
    return keys;
}

static bool knows_all(struct fixture *fixture, void *context)
{
    (void)context;
    return store_reads_news(fixture->store) && fixture->sample_count == STORM_CAP;
}

static void slots_are_moved_under_load_and_nothing_is_lost_or_twice(void **state)
{
    struct pair pair;
    unsigned slot, news, keys = 0;
    size_t at, news_at;

    (void)state;
    redis_house_start(&pair.house, &(struct redis_house_order){ .config = ALWAYS });
    pair.sender = join(&pair.house);
    pair.reader = join(&pair.house);
    pair.storm = storm_new(pair.sender);
    storm_beside(pair.storm, pair.reader);
    at = redis_house_place(&pair.house, "stakeout:{shop}:live", &slot);
    news_at = redis_house_place(&pair.house, "stakeout:news", &news);
    for (unsigned round = 1; round <= HOUSE_MASTERS; round++) {
        storm_until(pair.storm, round * STORM_CAP / 5);
        keys += move_under_load(&pair, slot, at, (at + 1) % HOUSE_MASTERS);
        at = (at + 1) % HOUSE_MASTERS;
    }
    keys += move_under_load(&pair, news, news_at, (news_at + 1) % HOUSE_MASTERS);
    print_message("4 slots of %u keys moved under load: %u of %d reports sent again\n", keys,
                  storm_again(pair.storm), STORM_CAP);
    storm_end(pair.storm);
    assert_true(keys > 20);
    fixture_wait(pair.reader, knows_all, NULL); /* no news was missed, and none came twice */
    fixture_free(pair.reader);
    fixture_free(pair.sender);
    redis_house_stop(&pair.house);
}

static void on_put(void *context, const struct problem *problem)
{
    struct told *told = context;

    told->done = true;
    if (problem) fail_msg("%s", problem->detail);
}

static bool was_put(struct fixture *fixture, void *context)
{
    (void)fixture;
    return ((struct told *)context)->done;
}

/* What is one key goes on while its slot is on its way: there, behind ASKING. */
static void a_key_is_written_where_its_slot_goes(void **state)
{
    struct store_audit entry = { .at_wall_ms = 1 };
    struct told told = { 0 };
    struct redis_house house;
    struct fixture *fixture;
    unsigned slot;
    size_t from, to;

    (void)state;
    redis_house_start(&house, &(struct redis_house_order){ .config = NULL });
    fixture = join(&house);
    from = redis_house_place(&house, "stakeout:audit", &slot);
    to = (from + 1) % HOUSE_MASTERS;
    redis_house_move_begin(&house, slot, from, to);
    store_audit_put(fixture->store, &entry, on_put, &told);
    fixture_wait(fixture, was_put, &told);
    assert_false(redis_house_move_keys(&house, slot, from, to, 1)); /* none was left to be moved */
    redis_house_move_end(&house, slot, from, to);
    fixture->redis.cluster_port = house.ports[to];
    assert_string_equal(redis_process_ask(&fixture->redis, "XLEN stakeout:audit"), "1");
    fixture_free(fixture);
    redis_house_stop(&house);
}

static void a_master_is_killed_under_load_and_its_replica_goes_on(void **state)
{
    struct redis_house house;
    struct fixture *fixture;
    struct storm *storm;
    uint64_t killed_ns;
    unsigned slot;

    (void)state;
    redis_house_start(&house,
                      &(struct redis_house_order){ .config = ALWAYS, .has_replicas = true });
    fixture = join(&house);
    storm = storm_new(fixture);
    storm_until(storm, STORM_CAP / 3);
    killed_ns = clock_monotonic_ns();
    redis_process_kill(&house.nodes[redis_house_place(&house, "stakeout:{shop}:live", &slot)]);
    fixture_wait_down(fixture);
    fixture_wait_ready(fixture);
    print_message("a master killed: works again after %" PRIu64 " ms; ",
                  (clock_monotonic_ns() - killed_ns) / NS_PER_MS);
    storm_until(storm, STORM_CAP / 3 + STORM_SENDERS + 1);
    print_message("%u reports sent again\n", storm_again(storm));
    storm_end(storm);
    fixture_free(fixture);
    redis_house_stop(&house);
}

/* As after a reset, or where a node has just come: none of the masters has our functions. */
static void a_master_without_our_functions_is_given_them(void **state)
{
    struct redis_house house;
    struct fixture *fixture;
    struct store_statistics before, after;
    struct task_spec spec = spec_of("shop", "*");

    (void)state;
    redis_house_start(&house, &(struct redis_house_order){ .config = NULL });
    fixture = join(&house);
    store_statistics(fixture->store, &before);
    assert_int_equal(before.function_loads, HOUSE_MASTERS);
    for (size_t i = 0; i < HOUSE_MASTERS; i++) {
        assert_string_equal(redis_process_ask(&house.nodes[i], "FUNCTION FLUSH"), "OK");
    }
    create_ok(fixture, &spec);
    store_statistics(fixture->store, &after);
    assert_true(after.function_loads > before.function_loads);
    fixture_free(fixture);
    redis_house_stop(&house);
}

static bool says_why(struct fixture *fixture, void *context)
{
    struct store_health health;

    store_health(fixture->store, &health);
    return strstr(health.says, context);
}

static void assert_store_says(const char *url, const char *why)
{
    struct fixture fixture = { .base = event_base_new() };
    struct store_options options = { .base = fixture.base, .url = url };
    struct problem problem;

    fixture.store = store_new(&options, &problem);
    assert_non_null(fixture.store);
    fixture_wait(&fixture, says_why, (void *)(uintptr_t)why);
    store_free(fixture.store);
    event_base_free(fixture.base);
}

static void a_wrong_shape_is_said(void **state)
{
    struct redis_house house;
    struct redis_process single;
    char config[64], url[64];
    uint16_t port = free_port();

    (void)state;
    snprintf(config, sizeof(config), "port %u\nbind 127.0.0.1\n", port);
    redis_process_start(&single, config);
    snprintf(url, sizeof(url), "redis+cluster://127.0.0.1:%u", port);
    assert_store_says(url, "cluster support disabled");
    redis_process_stop(&single);

    redis_house_start(&house, &(struct redis_house_order){ .config = NULL });
    snprintf(url, sizeof(url), "redis://127.0.0.1:%u", house.ports[0]);
    assert_store_says(url, "redis+cluster://");
    redis_process_ask(&house.nodes[1], "CLUSTER DELSLOTS 8000");
    snprintf(url, sizeof(url), "redis+cluster://127.0.0.1:%u", house.ports[1]);
    assert_store_says(url, "only 16383 of the Cluster's 16384 slots have a master");
    redis_house_stop(&house);
}

/* "user stakeout on >PASSWORD ..." of the page, with what it adds for a Cluster. */
static void read_rule(char *ret, size_t size)
{
    FILE *page = fopen(PRODUCTION_PAGE, "re");
    char line[512];
    bool found = false;

    assert_non_null(page);
    while (!found && fgets(line, sizeof(line), page)) {
        found = strncmp(line, "    user stakeout on >PASSWORD ", 31) == 0;
    }
    fclose(page);
    assert_true(found);
    snprintf(ret, size, "%.*s +cluster|slots\n", (int)strcspn(line, "\n") - 4, line + 4);
}

static void a_cluster_may_be_behind_tls_and_acl_users(void **state)
{
    char dir[] = "/tmp/stakeout-tls-XXXXXX", rule[600], config[1500], url[160], ca[64];
    struct task_spec spec = spec_of("shop", "*");
    struct redis_house house;
    struct authority *authority;
    struct fixture *fixture;
    struct told told;
    struct task task;

    (void)state;
    assert_non_null(mkdtemp(dir));
    authority = authority_new(dir, "ca");
    authority_issue(authority,
                    &(struct certificate_order){ .file = "server", .names = "IP:127.0.0.1" });
    authority_path(authority, "ca", ca, sizeof(ca));
    authority_free(authority);
    read_rule(rule, sizeof(rule));
    snprintf(config, sizeof(config),
             "tls-cert-file %s/server.pem\ntls-key-file %s/server.pem\ntls-ca-cert-file %s\n"
             "tls-auth-clients no\ntls-cluster yes\n%s",
             dir, dir, ca, rule);
    redis_house_start(&house, &(struct redis_house_order){ .config = config, .is_tls = true });
    snprintf(url, sizeof(url), "rediss+cluster://stakeout:PASSWORD@127.0.0.1:%u", house.ports[2]);
    fixture = fixture_join_by(&(struct store_options){ .url = url, .ca = ca });
    task = create_ok(fixture, &spec);
    for (unsigned i = 0; i < 9; i++) {
        OWN(sample_freep) struct sample *sample = sample_of(&task);

        told = report(fixture, sample);
        if (told.code != PROBLEM_NONE) fail_msg("%s", told.problem.detail);
    }
    assert_int_equal(find(fixture, &task.id).task.sample_count, 9);
    told = cancel(fixture, &task.id);
    if (told.code != PROBLEM_NONE) fail_msg("%s", told.problem.detail);
    fixture_free(fixture);
    redis_house_stop(&house);
    snprintf(config, sizeof(config), "rm -rf '%s'", dir);
    assert_int_equal(system(config), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_master_without_our_functions_is_given_them),
        cmocka_unit_test(a_wrong_shape_is_said),
        cmocka_unit_test(a_cluster_may_be_behind_tls_and_acl_users),
        cmocka_unit_test(a_key_is_written_where_its_slot_goes),
        cmocka_unit_test(slots_are_moved_under_load_and_nothing_is_lost_or_twice),
        cmocka_unit_test(a_master_is_killed_under_load_and_its_replica_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
