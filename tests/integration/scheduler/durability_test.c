/* SPDX-License-Identifier: Apache-2.0 */
/* durability_test.c: what was acknowledged is kept as well as the Redis at hand can; and what can
 * be lost is said at start, in /readyz and by the doctor, whatever that Redis is. */
#include "tests/integration/cli/program.h"
#include "tests/support/fake_probe.h"
#include "tests/support/free_port.h"
#include "tests/support/redis_process.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ALWAYS  "appendonly yes\nappendfsync always\n"
#define ALL     "What was acknowledged survives kill -9 of scheduler, Redis or both."
#define ALL_LOG "what is acknowledged survives kill -9"

/* ------------------------------------------------------------------ who speaks of it */

static void start_with(const struct redis_process *redis)
{
    scheduler.options[0] = redis ? "--redis" : NULL;
    scheduler.options[1] = redis ? redis->url : NULL;
    scheduler_setup(NULL);
}

/* Whether it is ready is another question: on a busy machine its loop may have been late. */
static bool readyz_says(const char *words)
{
    struct api_answer ready;
    bool says;

    api_ask(&(struct api_call){ .port = scheduler.port, .path = "/readyz" }, &ready);
    says = strstr(text_at(ready.json, "guarantee"), words) != NULL;
    api_answer_done(&ready);
    return says;
}

/* What it says of durability: in this state, in these words. */
static void assert_doctor(const char *state, const char *words)
{
    struct program doctor;
    char server[64];
    json_t *said, *check, *found = NULL;
    size_t index;

    snprintf(server, sizeof server, "http://127.0.0.1:%u", scheduler.port);
    program_start(
        &doctor, (const char *const[]){ "stakeout", "doctor", "--json", "--server", server, NULL });
    assert_int_equal(program_end(&doctor), 0); /* a warning is no failure */
    said = json_loads(buf_peek(&doctor.text).data, 0, NULL);
    json_array_foreach(json_object_get(said, "checks"), index, check)
    {
        if (strcmp(text_at(check, "name"), "durability") == 0) found = check;
    }
    assert_string_equal(text_at(found, "state"), state);
    if (!strstr(text_at(found, "detail"), words))
        fail_msg("the doctor: %s", text_at(found, "detail"));
    json_decref(said);
    buf_done(&doctor.text);
}

/* ------------------------------------------------------------------ what can be lost */

static void what_can_be_lost_is_said_at_start_in_readyz_and_by_the_doctor(void **state)
{
    static const struct {
        const char *config, *says;
    } kinds[] = {
        { "appendonly yes\nappendfsync everysec\n", "appendfsync is everysec: what was accepted" },
        { "appendonly yes\nappendfsync no\n", "appendfsync is no: what was accepted last" },
        { "",
          "Redis keeps no append-only file: what was accepted since its last snapshot is lost" },
        { ALWAYS "maxmemory 1gb\nmaxmemory-policy allkeys-lru\n", "Redis may throw samples away" },
        { ALWAYS "rename-command CONFIG \"\"\n", "Redis does not say how it keeps its data" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        struct redis_process redis;

        redis_process_start(&redis, kinds[i].config);
        start_with(&redis);
        if (!scheduler_log_has(kinds[i].says)) fail_msg("not in the log: %s", kinds[i].says);
        assert_false(scheduler_log_has(ALL_LOG));
        if (!readyz_says(kinds[i].says)) fail_msg("not in /readyz: %s", kinds[i].says);
        assert_non_null(strstr(scheduler_check("store"), kinds[i].says));
        assert_doctor("warn", kinds[i].says);
        scheduler_teardown(NULL);
        redis_process_stop(&redis);
    }
}

static void assert_all_is_kept(const struct redis_process *redis)
{
    start_with(redis);
    assert_true(scheduler_log_has(ALL_LOG));
    assert_true(readyz_says(ALL));
    assert_doctor("ok", ALL);
    scheduler_teardown(NULL);
}

static void where_nothing_can_be_lost_that_is_said(void **state)
{
    struct redis_process redis;

    (void)state;
    redis_process_start(&redis, ALWAYS);
    assert_all_is_kept(&redis);
    assert_all_is_kept(NULL); /* the private one */
    redis_process_stop(&redis);
}

/* An operator who mends it need not restart anything. */
static bool is_mended(void *context)
{
    (void)context;
    return readyz_says(ALL) && scheduler_log_has(ALL_LOG);
}

static void what_is_changed_meanwhile_is_seen(void **state)
{
    struct redis_process redis;

    (void)state;
    redis_process_start(&redis, "appendonly yes\nappendfsync everysec\n");
    start_with(&redis);
    redis_process_ask(&redis, "CONFIG SET appendfsync always");
    assert_true(wait_until(is_mended, NULL, 20000));
    scheduler_teardown(NULL);
    redis_process_stop(&redis);
}

/* ------------------------------------------------------------------ replicas */

static bool is_synchronous(void *context)
{
    return strstr(redis_process_ask(context, "INFO replication | grep link_status"), "up") != NULL;
}

/* A Redis that keeps all, its replica, and a scheduler that knows of both. */
struct pair {
    struct redis_process master, replica;
    char task[TASK_ID_SIZE + 1];
    struct fake_probe probe;
};

static bool knows_its_replica(void *context)
{
    (void)context;
    return strstr(scheduler_check("store"), "1 replica") != NULL;
}

static void pair_open(struct pair *pair)
{
    char config[160];
    int port = free_port();

    snprintf(config, sizeof config, "bind 127.0.0.1\nport %d\nrepl-diskless-sync-delay 0\n" ALWAYS,
             port);
    redis_process_start(&pair->master, config);
    snprintf(config, sizeof config, "replicaof 127.0.0.1 %d\n", port);
    redis_process_start(&pair->replica, config);
    assert_true(wait_until(is_synchronous, &pair->replica, 20000));
    start_with(&pair->master);
    assert_true(wait_until(knows_its_replica, NULL, 20000));
    scheduler_create_task("replicated", "", pair->task);
    pair->probe = FAKE_PROBE(scheduler.port, "replicated", "host-1:1");
    fake_probe_poll(&pair->probe);
}

static void pair_close(struct pair *pair)
{
    scheduler_teardown(NULL);
    redis_process_stop(&pair->replica);
    redis_process_stop(&pair->master);
}

static bool replica_has(struct pair *pair, const struct sample_id *id)
{
    char command[160];

    snprintf(command, sizeof command, "EXISTS stakeout:sample:%s", id->text);
    return strtol(redis_process_ask(&pair->replica, command), NULL, 10) == 1;
}

static int64_t sample_count(struct pair *pair)
{
    json_t *task = scheduler_get_task(pair->task, "");
    int64_t count = number_at(task, "samples");

    json_decref(task);
    return count;
}

static void with_a_replica_what_is_acknowledged_is_in_both(void **state)
{
    struct pair pair;

    (void)state;
    pair_open(&pair);
    assert_true(readyz_says(ALL));
    for (int i = 0; i < 5; i++) {
        struct sample_id id = sample_id_make();

        assert_int_equal(
            fake_probe_report(&pair.probe, &(struct fake_sample){ .task = pair.task, .id = &id }),
            REPORT_ACCEPTED);
        assert_true(replica_has(&pair, &id));
    }
    pair_close(&pair);
}

/* It is not acknowledged, and sent again; then it is here once, and there. */
static void what_the_replica_does_not_confirm_is_not_acknowledged(void **state)
{
    struct sample_id id = sample_id_make();
    enum report_outcome outcome = REPORT_NO_TASK;
    struct fake_sample sample = { .id = &id };
    struct pair pair;

    (void)state;
    pair_open(&pair);
    sample.task = pair.task;
    assert_int_equal(kill(pair.replica.pid, SIGSTOP), 0);
    assert_true(fake_probe_try_report(&pair.probe, &sample, &outcome) < 0);
    assert_true(scheduler_metric(
                    "stakeout_intake_total{kind=\"report\",outcome=\"store-unavailable\"}") == 1);
    assert_int_equal(kill(pair.replica.pid, SIGCONT), 0);
    assert_int_equal(fake_probe_report(&pair.probe, &sample), REPORT_KNOWN);
    assert_true(replica_has(&pair, &id));
    assert_int_equal(sample_count(&pair), 1);
    pair_close(&pair);
}

static bool misses_its_replica(void *context)
{
    (void)context;
    return readyz_says("Redis has lost its replica") &&
           scheduler_log_has("Redis has lost its replica");
}

/* The one Redis that is left keeps all that it did before; but who had two is told. */
static void a_replica_that_is_gone_is_said_and_work_goes_on(void **state)
{
    struct pair pair;

    (void)state;
    pair_open(&pair);
    redis_process_kill(&pair.replica);
    assert_true(wait_until(misses_its_replica, NULL, 20000));
    assert_doctor("warn", "Redis has lost its replica");
    assert_int_equal(fake_probe_report(&pair.probe, &(struct fake_sample){ .task = pair.task }),
                     REPORT_ACCEPTED);

    redis_process_restart(&pair.replica);
    assert_true(wait_until(is_synchronous, &pair.replica, 20000));
    assert_true(wait_until(is_mended, NULL, 20000));
    assert_doctor("ok", ALL);
    pair_close(&pair);
}

/* Also where the test failed. */
#define DURABILITY_TEST(name) cmocka_unit_test_teardown(name, scheduler_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DURABILITY_TEST(what_can_be_lost_is_said_at_start_in_readyz_and_by_the_doctor),
        DURABILITY_TEST(where_nothing_can_be_lost_that_is_said),
        DURABILITY_TEST(what_is_changed_meanwhile_is_seen),
        DURABILITY_TEST(with_a_replica_what_is_acknowledged_is_in_both),
        DURABILITY_TEST(what_the_replica_does_not_confirm_is_not_acknowledged),
        DURABILITY_TEST(a_replica_that_is_gone_is_said_and_work_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
