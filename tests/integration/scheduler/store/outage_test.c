/* SPDX-License-Identifier: Apache-2.0 */
/* Redis goes away, comes back, is full, is another one, has lost its functions. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/wire/report.h"
#include "tests/integration/scheduler/store/store_fixture.h"
#include "tests/support/free_port.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#define ALWAYS "appendonly yes\nappendfsync always\n"

static size_t polled(struct fixture *fixture, const struct task **ret)
{
    return tasks_for_instance(fixture->tasks, TEXT("shop"), TEXT("host:1"), TEXT("10.0.0.1"), ret,
                              8);
}

static void while_redis_is_away_polls_are_served_and_everything_else_is_refused(void **state)
{
    struct fixture *fixture = fixture_new(ALWAYS);
    struct task_spec spec = spec_of("shop", "GET /a"), other = spec_of("shop", "GET /b");
    struct task task = create_ok(fixture, &spec);
    OWN(sample_freep) struct sample *sample = sample_of(&task);
    const struct task *told[8];
    struct store_health health;
    char version[32];

    (void)state;
    snprintf(version, sizeof(version), "%.*s",
             TEXT_ARGS(tasks_version(fixture->tasks, TEXT("shop"))));
    redis_process_kill(&fixture->redis);
    fixture_wait_down(fixture);
    assert_int_equal(polled(fixture, told), 1);
    assert_int_equal(told[0]->state, TASK_ACTIVE);
    assert_int_equal(create(fixture, &other).code, PROBLEM_STORE_DOWN);
    assert_int_equal(cancel(fixture, &task.id).code, PROBLEM_STORE_DOWN);
    assert_int_equal(report(fixture, sample).code, PROBLEM_STORE_DOWN);
    assert_int_equal(find(fixture, &task.id).code, PROBLEM_STORE_DOWN);
    store_health(fixture->store, &health);
    assert_false(health.is_up || health.is_writable);
    assert_non_null(strstr(health.says, "Redis is not available"));

    redis_process_restart(&fixture->redis);
    fixture_wait_ready(fixture);
    assert_true(text_is_equal(tasks_version(fixture->tasks, TEXT("shop")), text_of(version)));
    assert_int_equal(report(fixture, sample).outcome, REPORT_ACCEPTED);
    assert_int_equal(create(fixture, &other).code, PROBLEM_NONE);
    assert_int_equal(fixture->ready_count, 1);
    fixture_free(fixture);
}

static bool has_ended(struct fixture *fixture, void *context)
{
    const struct task *told[8];

    (void)context;
    return polled(fixture, told) == 1 && told[0]->state == TASK_EXPIRED;
}

/* The end is moved near before Redis goes; then it must come without it. */
static void while_redis_is_away_tasks_end_on_time(void **state)
{
    struct fixture *fixture = fixture_new(ALWAYS);
    struct task_spec spec = spec_of("shop", "GET /a");
    struct task task = create_ok(fixture, &spec), after;
    const struct task *told[8];

    (void)state;
    pass_time(fixture, &task, 5 * 60000 - 6000);
    do {
        event_base_loop(fixture->base, EVLOOP_ONCE);
        assert_int_equal(polled(fixture, told), 1);
    } while (told[0]->ends_wall_ms == task.ends_wall_ms);
    assert_int_equal(told[0]->state, TASK_ACTIVE);
    redis_process_kill(&fixture->redis);
    fixture_wait(fixture, has_ended, NULL);
    assert_false(store_is_up(fixture->store));

    redis_process_restart(&fixture->redis);
    fixture_wait_ready(fixture);
    assert_true(has_ended(fixture, NULL));
    for (unsigned i = 0; i < 1000; i++) {
        after = find(fixture, &task.id).task;
        if (after.state == TASK_EXPIRED) break;
        event_base_loop(fixture->base, EVLOOP_ONCE);
    }
    assert_int_equal(after.state, TASK_EXPIRED); /* Redis was told, too */
    assert_int_equal(after.ended_wall_ms, after.ends_wall_ms);
    fixture_free(fixture);
}

static bool has_no_task(struct fixture *fixture, void *context)
{
    const struct task *told[8];

    (void)context;
    return tasks_are_ready(fixture->tasks) && polled(fixture, told) == 0;
}

static void an_older_redis_has_another_version(void **state)
{
    struct fixture *fixture = fixture_new(""); /* keeps nothing */
    struct task_spec spec = spec_of("shop", "GET /a");
    char version[32];

    (void)state;
    create_ok(fixture, &spec);
    snprintf(version, sizeof(version), "%.*s",
             TEXT_ARGS(tasks_version(fixture->tasks, TEXT("shop"))));
    redis_process_kill(&fixture->redis);
    fixture_wait_down(fixture);
    redis_process_restart(&fixture->redis);
    fixture_wait(fixture, has_no_task, NULL);
    assert_false(text_is_equal(tasks_version(fixture->tasks, TEXT("shop")), text_of(version)));
    create_ok(fixture, &spec); /* nothing is in the way */
    fixture_free(fixture);
}

static bool is_told_of(struct fixture *fixture, void *context)
{
    const struct task *told[8];

    return polled(fixture, told) == *(size_t *)context;
}

/* The connection lives on, so that nothing but the lists says what happened. One that joined late
 * has loaded everything. */
static void what_redis_lost_is_polled_no_more(void **state)
{
    struct fixture *fixture = fixture_new(ALWAYS), *late;
    struct task_spec first = spec_of("shop", "GET /a"), second = spec_of("shop", "GET /b");
    size_t none = 0, one = 1, two = 2;

    (void)state;
    create_ok(fixture, &first);
    create_ok(fixture, &second);
    late = fixture_join(fixture);
    fixture_wait(late, is_told_of, &two);
    redis_process_ask(&fixture->redis, "FLUSHALL");
    fixture_wait(late, is_told_of, &none);
    create_ok(late, &first);
    create_ok(late, &second);
    redis_process_ask(&fixture->redis, "FLUSHALL");
    create_ok(late, &first); /* before anybody noticed: it takes the place of one that is gone */
    fixture_wait(late, is_told_of, &one);
    fixture_free(late);
    fixture_free(fixture);
}

static void functions_that_are_gone_are_loaded_again(void **state)
{
    struct fixture *fixture = fixture_new("");
    struct task_spec spec = spec_of("shop", "GET /a");
    struct store_statistics before, after;
    struct task task = create_ok(fixture, &spec);
    OWN(sample_freep) struct sample *sample = sample_of(&task);

    (void)state;
    store_statistics(fixture->store, &before);
    assert_string_equal(redis_process_ask(&fixture->redis, "FUNCTION FLUSH"), "OK");
    assert_int_equal(report(fixture, sample).outcome, REPORT_ACCEPTED);
    assert_int_equal(extend(fixture, &task.id).code, PROBLEM_NONE);
    store_statistics(fixture->store, &after);
    assert_int_equal(after.function_loads, before.function_loads + 1);
    fixture_free(fixture);
}

static void another_version_of_the_library_is_replaced_at_connection(void **state)
{
    struct fixture *fixture = fixture_new("");
    struct task_spec spec = spec_of("shop", "GET /a");

    (void)state;
    redis_process_ask(
        &fixture->redis,
        "FUNCTION LOAD REPLACE \"#!lua name=stakeout_v2\n"
        "redis.register_function('stakeout_v2_create', function() return {'NO'} end)\"");
    redis_process_ask(&fixture->redis, "CLIENT KILL TYPE normal");
    fixture_wait_down(fixture);
    fixture_wait_ready(fixture);
    create_ok(fixture, &spec);
    fixture_free(fixture);
}

static void a_full_redis_refuses_cleanly_and_tasks_can_still_end(void **state)
{
    struct fixture *fixture = fixture_new("maxmemory-policy noeviction\n");
    struct task_spec spec = spec_of("shop", "GET /a"), other = spec_of("shop", "GET /b");
    struct task task = create_ok(fixture, &spec);
    OWN(sample_freep) struct sample *sample = sample_of(&task);
    struct store_health health;

    (void)state;
    redis_process_ask(&fixture->redis, "CONFIG SET maxmemory 100kb");
    assert_int_equal(report(fixture, sample).code, PROBLEM_STORE_FULL);
    assert_int_equal(create(fixture, &other).code, PROBLEM_STORE_FULL);
    store_health(fixture->store, &health);
    assert_true(health.is_up && !health.is_writable);
    assert_non_null(strstr(health.says, "maxmemory"));
    assert_int_equal(cancel(fixture, &task.id).task.state, TASK_CANCELLED);

    redis_process_ask(&fixture->redis, "CONFIG SET maxmemory 0");
    assert_int_equal(find(fixture, &task.id).task.sample_count, 0);
    task = create_ok(fixture, &other);
    sample->task = task.id;
    assert_int_equal(report(fixture, sample).outcome, REPORT_ACCEPTED);
    fixture_free(fixture);
}

struct books {
    bool done, is_gone;
};

static void on_ledger(void *context, const struct task *task, const struct history_ledger *ledger,
                      const struct problem *problem)
{
    struct books *books = context;

    (void)task;
    assert_null(problem);
    assert_int_equal(ledger->count, 1);
    books->is_gone = ledger->instances[0].is_gone;
    books->done = true;
}

static bool are_read(struct fixture *fixture, void *context)
{
    (void)fixture;
    return ((struct books *)context)->done;
}

static void assert_becomes_gone(struct fixture *fixture, const struct task *task)
{
    struct books books = { 0 };

    for (unsigned i = 0; i < 1000 && !books.is_gone; i++) {
        books = (struct books){ 0 };
        history_ledger(fixture->history, &task->id, on_ledger, &books);
        fixture_wait(fixture, are_read, &books);
    }
    assert_true(books.is_gone);
}

/* What says that the instance went, said while Redis is away, shows in the ledger later. */
static void assert_gone_if_said_in_an_outage(void (*say)(struct tasks *tasks))
{
    struct fixture *fixture = fixture_new(ALWAYS);
    struct task_spec spec = spec_of("shop", "GET /a");
    struct task task = create_ok(fixture, &spec);

    tasks_delivered(fixture->tasks, TEXT("shop"), TEXT("host:7"), TEXT("::1"), 7);
    find(fixture, &task.id); /* behind it, on the same connection */
    redis_process_kill(&fixture->redis);
    fixture_wait_down(fixture);
    say(fixture->tasks);
    redis_process_restart(&fixture->redis);
    fixture_wait_ready(fixture);
    assert_becomes_gone(fixture, &task);
    fixture_free(fixture);
}

static void instance_goes(struct tasks *tasks)
{
    tasks_instance_gone(tasks, TEXT("shop"), 7, false);
}

static void an_instance_that_goes_while_redis_is_away_is_gone_in_the_ledger(void **state)
{
    (void)state;
    assert_gone_if_said_in_an_outage(instance_goes);
}

static bool nobody_is_here(void *context, struct text application, uint64_t incarnation)
{
    (void)context;
    (void)application;
    (void)incarnation;
    return false;
}

static void sweep_all(struct tasks *tasks)
{
    tasks_sweep_strangers(tasks, nobody_is_here, NULL);
}

/* Who went while no scheduler ran is looked for once, after its start. */
static void strangers_that_redis_did_not_tell_of_are_asked_for_again(void **state)
{
    (void)state;
    assert_gone_if_said_in_an_outage(sweep_all);
}

/* What is still to be asked when all ends is forgotten. */
static void an_end_while_redis_is_away_leaves_nothing_behind(void **state)
{
    struct fixture *fixture = fixture_new(ALWAYS);
    struct task_spec spec = spec_of("shop", "GET /a");

    (void)state;
    create_ok(fixture, &spec);
    redis_process_kill(&fixture->redis);
    fixture_wait_down(fixture);
    tasks_sweep_strangers(fixture->tasks, nobody_is_here, NULL);
    tasks_instance_gone(fixture->tasks, TEXT("shop"), 7, false);
    fixture_free(fixture); /* LeakSanitizer looks */
}

/* Replicas ---------------------------------------------------------------------------------- */

static bool has_replica(struct fixture *fixture, void *context)
{
    struct store_health health;

    (void)context;
    store_health(fixture->store, &health);
    return health.replica_count == 1;
}

static bool knows_a_replica(struct fixture *fixture, void *context)
{
    struct store_health health;

    (void)fixture;
    store_health(context, &health);
    return strstr(health.says, "this Redis is a replica") != NULL;
}

static bool is_synchronous(void *context)
{
    return strstr(redis_process_ask(context, "INFO replication | grep link_status"), "up") != NULL;
}

static void with_a_replica_a_sample_is_acknowledged_when_both_have_it(void **state)
{
    struct task_spec spec = spec_of("shop", "GET /a");
    struct redis_process replica;
    struct fixture *fixture;
    struct store_health health;
    char config[128];
    int port = free_port();

    (void)state;
    snprintf(config, sizeof(config), "bind 127.0.0.1\nport %d\nrepl-diskless-sync-delay 0\n" ALWAYS,
             port);
    fixture = fixture_new(config);
    snprintf(config, sizeof(config), "replicaof 127.0.0.1 %d\n", port);
    redis_process_start(&replica, config);
    assert_true(wait_until(is_synchronous, &replica, 15000));
    fixture_wait(fixture, has_replica, NULL);

    struct task task = create_ok(fixture, &spec);
    OWN(sample_freep) struct sample *sample = sample_of(&task);
    kill(replica.pid, SIGSTOP);
    assert_int_equal(report(fixture, sample).code, PROBLEM_STORE_DOWN);
    kill(replica.pid, SIGCONT);
    assert_int_equal(report(fixture, sample).outcome, REPORT_KNOWN);
    assert_int_equal(find(fixture, &task.id).task.sample_count, 1);

    /* A store that is led to the replica says so, and never is up. */
    struct problem problem;
    struct store *misled =
        store_new(&(struct store_options){ .base = fixture->base, .url = replica.url }, &problem);
    fixture_wait(fixture, knows_a_replica, misled);
    store_health(misled, &health);
    assert_false(health.is_up || health.is_writable);
    assert_string_equal(health.role, "slave");
    store_free(misled);
    redis_process_stop(&replica);
    fixture_free(fixture);
}

static void health_says_what_can_be_lost(void **state)
{
    static const struct {
        const char *config, *appendfsync, *says;
        bool keeps_all;
    } cases[] = {
        { ALWAYS, "always", "", true },
        { "appendonly yes\nappendfsync everysec\n", "everysec", "appendfsync is everysec", false },
        { "", "off", "no append-only file", false },
        { ALWAYS "maxmemory 1gb\nmaxmemory-policy allkeys-lru\n", "always", "noeviction", false },
        { ALWAYS "rename-command CONFIG \"\"\n", "unknown", "does not say", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct fixture *fixture = fixture_new(cases[i].config);
        struct store_health health;
        store_health(fixture->store, &health);
        assert_string_equal(health.appendfsync, cases[i].appendfsync);
        assert_string_equal(health.role, "master");
        assert_int_equal(health.keeps_all, cases[i].keeps_all);
        assert_true(health.is_up && health.is_writable);
        if (!strstr(health.says, cases[i].says) || (!cases[i].says[0] && health.says[0])) {
            fail_msg("%s: %s", cases[i].config, health.says);
        }
        fixture_free(fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(while_redis_is_away_polls_are_served_and_everything_else_is_refused),
        cmocka_unit_test(while_redis_is_away_tasks_end_on_time),
        cmocka_unit_test(an_older_redis_has_another_version),
        cmocka_unit_test(what_redis_lost_is_polled_no_more),
        cmocka_unit_test(functions_that_are_gone_are_loaded_again),
        cmocka_unit_test(another_version_of_the_library_is_replaced_at_connection),
        cmocka_unit_test(a_full_redis_refuses_cleanly_and_tasks_can_still_end),
        cmocka_unit_test(an_instance_that_goes_while_redis_is_away_is_gone_in_the_ledger),
        cmocka_unit_test(strangers_that_redis_did_not_tell_of_are_asked_for_again),
        cmocka_unit_test(an_end_while_redis_is_away_leaves_nothing_behind),
        cmocka_unit_test(with_a_replica_a_sample_is_acknowledged_when_both_have_it),
        cmocka_unit_test(health_says_what_can_be_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
