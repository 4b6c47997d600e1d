/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/scheduler/store/store_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/wire/report.h"
#include "tests/support/redis_house.h"
#include "tests/support/test.h"
#include "tests/unit/common/support/random_sample.h"

enum { WAIT_MS_MAX = 45000 }; /* see conn_room.c */

/* Life -------------------------------------------------------------------------------------- */

static void on_turn(evutil_socket_t fd, short what, void *context)
{
    struct fixture *fixture = context;

    (void)fd;
    (void)what;
    tasks_tick(fixture->tasks);
}

static void on_ready(void *context)
{
    struct fixture *fixture = context;

    fixture->ready_count++;
}

static void on_change(void *context, const struct task *task, const struct sample_summary *sample)
{
    struct fixture *fixture = context;

    fixture->change_count++;
    fixture->sample_count += sample != NULL;
    fixture->last_change = *task;
}

static struct fixture *begin(struct fixture *fixture, const struct store_options *how)
{
    struct problem problem = { 0 };
    struct store_options options = *how;
    struct tasks_options tasks = { .on_change = on_change, .context = fixture };

    fixture->base = event_base_new();
    options.base = fixture->base;
    fixture->store = store_new(&options, &problem);
    if (!fixture->store) fail_msg("%s", problem.detail);
    fixture->tasks = tasks_new(fixture->store, &tasks, on_ready);
    fixture->history = history_new(fixture->store);
    fixture->turn = event_new(fixture->base, -1, EV_PERSIST, on_turn, fixture);
    event_add(fixture->turn, &(struct timeval){ .tv_usec = 2000 });
    fixture_wait_ready(fixture);
    return fixture;
}

/* One Cluster for all tests of a program, because forming it takes seconds; each begins with it
 * empty. Whatever the test's own Redis would keep, this one is in memory alone. */
static struct redis_house house;

static void stop_house(void)
{
    redis_house_stop(&house);
}

static void use_house(struct redis_process *ret)
{
    if (house.count == 0) {
        redis_house_start(&house, &(struct redis_house_order){ .has_replicas = false });
        assert_int_equal(atexit(stop_house), 0);
    }
    for (size_t i = 0; i < house.count; i++) {
        assert_string_equal(redis_process_ask(&house.nodes[i], "FLUSHALL"), "OK");
    }
    ret->cluster_port = house.ports[0];
    memcpy(ret->url, house.url, sizeof(ret->url));
}

struct fixture *fixture_new(const char *redis_config)
{
    struct fixture *fixture = mem_zalloc(1, sizeof(*fixture));

    if (getenv("STAKEOUT_TEST_CLUSTER"))
        use_house(&fixture->redis);
    else
        redis_process_start(&fixture->redis, redis_config);
    return begin(fixture, &(struct store_options){ .url = fixture->redis.url });
}

uint64_t fixture_sum(const struct fixture *fixture, const char *command)
{
    uint64_t sum = 0;

    if (!fixture->redis.cluster_port)
        return strtoull(redis_process_ask(&fixture->redis, command), NULL, 10);
    for (size_t i = 0; i < house.count; i++) {
        sum += strtoull(redis_process_ask(&house.nodes[i], command), NULL, 10);
    }
    return sum;
}

void fixture_blob_key(const struct fixture *fixture, const struct sample_id *sample, char *ret,
                      size_t size)
{
    if (fixture->redis.cluster_port)
        snprintf(ret, size, "stakeout:{%s}:body:1", sample->text);
    else
        snprintf(ret, size, "stakeout:{shop}:blob:%s:1", sample->text);
}

void fixture_skip_on_cluster(const struct fixture *fixture)
{
    if (fixture->redis.cluster_port) skip();
}

struct fixture *fixture_join(const struct fixture *other)
{
    struct fixture *fixture = mem_zalloc(1, sizeof(*fixture));

    memcpy(fixture->redis.url, other->redis.url, sizeof(fixture->redis.url));
    return begin(fixture, &(struct store_options){ .url = fixture->redis.url });
}

struct fixture *fixture_join_by(const struct store_options *options)
{
    return begin(mem_zalloc(1, sizeof(struct fixture)), options);
}

struct fixture *fixture_free(struct fixture *fixture)
{
    if (!fixture) return NULL;
    event_free(fixture->turn);
    store_free(fixture->store);
    tasks_free(fixture->tasks);
    history_free(fixture->history);
    event_base_free(fixture->base);
    redis_process_stop(&fixture->redis);
    free(fixture);
    return NULL;
}

int fixture_setup(void **state)
{
    *state = fixture_new("");
    return 0;
}

int fixture_setup_durable(void **state)
{
    *state = fixture_new("appendonly yes\nappendfsync always\n");
    return 0;
}

int fixture_teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

void fixture_wait(struct fixture *fixture, fixture_condition_fn condition, void *context)
{
    uint64_t deadline_ns = clock_monotonic_ns() + ms_to_ns(WAIT_MS_MAX);

    while (!condition(fixture, context)) {
        event_base_loop(fixture->base, EVLOOP_ONCE);
        if (clock_monotonic_ns() > deadline_ns) fail_msg("waited for 45 s in vain");
    }
}

static bool is_ready(struct fixture *fixture, void *context)
{
    (void)context;
    return tasks_are_ready(fixture->tasks);
}

void fixture_wait_ready(struct fixture *fixture)
{
    fixture_wait(fixture, is_ready, NULL);
}

static bool is_down(struct fixture *fixture, void *context)
{
    (void)context;
    return !store_is_up(fixture->store);
}

void fixture_wait_down(struct fixture *fixture)
{
    fixture_wait(fixture, is_down, NULL);
}

static bool is_told(struct fixture *fixture, void *context)
{
    const struct told *told = context;

    (void)fixture;
    return told->done;
}

/* Orders ------------------------------------------------------------------------------------ */

static void on_task(void *context, const struct task *task, const struct problem *problem)
{
    struct told *told = context;

    if (told->done) fail_msg("a callback came twice");
    told->done = true;
    if (task) told->task = *task;
    if (problem) told->problem = *problem;
    told->code = problem ? problem->code : PROBLEM_NONE;
    assert_true((task != NULL) != (problem != NULL));
}

struct task_spec spec_of(const char *application, const char *interface)
{
    struct task_spec spec = TASK_SPEC_DEFAULT;

    snprintf(spec.application, sizeof(spec.application), "%s", application);
    snprintf(spec.interface, sizeof(spec.interface), "%s", interface);
    snprintf(spec.author, sizeof(spec.author), "ann");
    spec.duration_min = 5;
    spec.threshold_ms = 100;
    return spec;
}

struct told create(struct fixture *fixture, const struct task_spec *spec)
{
    struct told told = { 0 };

    tasks_create(fixture->tasks, spec, on_task, &told);
    assert_false(told.done); /* never before it returned */
    fixture_wait(fixture, is_told, &told);
    return told;
}

struct told cancel(struct fixture *fixture, const struct task_id *id)
{
    struct told told = { 0 };

    tasks_cancel(fixture->tasks, id, "bob", on_task, &told);
    assert_false(told.done);
    fixture_wait(fixture, is_told, &told);
    return told;
}

struct told extend(struct fixture *fixture, const struct task_id *id)
{
    struct told told = { 0 };

    tasks_extend(fixture->tasks, id, "bob", on_task, &told);
    assert_false(told.done);
    fixture_wait(fixture, is_told, &told);
    return told;
}

struct told find(struct fixture *fixture, const struct task_id *id)
{
    struct told told = { 0 };

    history_task(fixture->history, id, on_task, &told);
    assert_false(told.done);
    fixture_wait(fixture, is_told, &told);
    return told;
}

struct task create_ok(struct fixture *fixture, const struct task_spec *spec)
{
    struct told told = create(fixture, spec);

    if (told.code != PROBLEM_NONE) fail_msg("not created: %s", told.problem.detail);
    return told.task;
}

/* Reports ----------------------------------------------------------------------------------- */

struct sample *sample_of(const struct task *task)
{
    struct sample *sample = random_sample(&(struct random_source){ 1 + random_u64() % 100 }, 20);

    sample->id = sample_id_make();
    sample->task = task->id;
    sample->trace = trace_id_make();
    sample->revision = 1;
    sample->running = false;
    memcpy(sample->application, task->spec.application, sizeof(sample->application));
    return sample;
}

void report_send(struct fixture *fixture, const struct sample *sample, tasks_report_fn then,
                 void *context)
{
    OWN(buf_done) struct buf body = BUF_INIT(REPORT_SIZE_MAX);

    assert_int_equal(report_encode(sample, &body), 0);
    tasks_take_report(fixture->tasks, sample, buf_peek(&body), tasks_now_wall_ms(fixture->tasks),
                      then, context);
}

static void on_report(void *context, enum report_outcome outcome, const struct problem *problem)
{
    struct told *told = context;

    if (told->done) fail_msg("a callback came twice");
    told->done = true;
    told->outcome = outcome;
    if (problem) told->problem = *problem;
    told->code = problem ? problem->code : PROBLEM_NONE;
}

struct told report(struct fixture *fixture, const struct sample *sample)
{
    struct told told = { 0 };

    report_send(fixture, sample, on_report, &told);
    assert_false(told.done);
    fixture_wait(fixture, is_told, &told);
    return told;
}

/* Time -------------------------------------------------------------------------------------- */

static void shift_field(struct fixture *fixture, const struct task *task, const char *field,
                        uint64_t ms)
{
    char command[512];
    uint64_t value;

    snprintf(command, sizeof(command), "HGET 'stakeout:{%s}:task:%s' %s", task->spec.application,
             task->id.text, field);
    value = strtoull(redis_process_ask(&fixture->redis, command), NULL, 10);
    if (value == 0) return;
    snprintf(command, sizeof(command), "HSET 'stakeout:{%s}:task:%s' %s %" PRIu64,
             task->spec.application, task->id.text, field, value - ms);
    redis_process_ask(&fixture->redis, command);
}

void pass_time(struct fixture *fixture, const struct task *task, uint64_t ms)
{
    static const char *const fields[] = { "start_ms", "started_ms", "ends_ms", "ended_ms" };
    char command[512];
    uint64_t version;

    for (size_t i = 0; i < ARRAY_COUNT(fields); i++) {
        shift_field(fixture, task, fields[i], ms);
    }
    /* Only if it has ended: members are not added. */
    snprintf(command, sizeof(command), "ZADD 'stakeout:{%s}:ended' XX INCR -%" PRIu64 " %s",
             task->spec.application, ms, task->id.text);
    redis_process_ask(&fixture->redis, command);
    snprintf(command, sizeof(command), "INCR 'stakeout:{%s}:version'", task->spec.application);
    version = strtoull(redis_process_ask(&fixture->redis, command), NULL, 10);
    snprintf(command, sizeof(command),
             "XADD stakeout:news '*' by fixture application '%s' task %s version %" PRIu64,
             task->spec.application, task->id.text, version);
    redis_process_ask(&fixture->redis, command);
}
