/* SPDX-License-Identifier: Apache-2.0 */
/* kills_test.c: kill -9 of Redis, of the scheduler and of both, ten times each, under load.
 *
 * Two hosts fill tasks of cap 100, one after the other; four fill small ones; and reporters of
 * the test itself send samples to a task of their own, each again and again until it is answered.
 * Then: nothing that was acknowledged is lost, nothing is there twice, every cap is exact.
 *
 * Who acknowledged what is known from two sides. The reporters saw the answers. Of the hosts, the
 * ledger says how many of their samples they were told to be taken (`sampled`), which must be as
 * many as are there: less would be a sample that nobody was told of, more one that is lost.
 *
 * That tasks end on time is shown by itself: the least duration is five minutes, so the end is
 * moved near, in Redis, and what is killed is dead while it passes. */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/wall_time.h"
#include "tests/integration/system/house.h"
#include "tests/support/fake_probe.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KILLS = 10, /* of each part */
    CAP = 100,
    REPORTERS = 4,
    SEND_AGAIN_NS = 20 * 1000000,
    TASKS_MAX = 1024,
    PROGRESS_MS = 30000,
    SETTLED_MS = 60000,
};

static struct house house;

/* The reporters: samples of the test's own --------------------------------------------------- */

static struct {
    struct fake_probe probe;
    struct task_id task;
    pthread_t threads[REPORTERS];
    _Atomic unsigned allowed; /* how many may have been taken by now */
    _Atomic unsigned taken_count, refused_count, again_count;
    struct sample_id taken[CAP + REPORTERS];
    _Atomic bool stopping;
} reporters;

static void pause_briefly(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = SEND_AGAIN_NS }, NULL);
}

/* Until it is answered: what the answer says counts, also if an earlier one was lost. */
static enum report_outcome report_until_answered(const struct sample_id *id)
{
    struct fake_sample sample = { .task = reporters.task.text, .id = id };
    enum report_outcome outcome;

    while (fake_probe_try_report(&reporters.probe, &sample, &outcome) < 0) {
        atomic_fetch_add(&reporters.again_count, 1);
        pause_briefly();
    }
    return outcome;
}

static void *run_reporter(void *unused)
{
    while (!atomic_load(&reporters.stopping)) {
        struct sample_id id = sample_id_make();
        enum report_outcome outcome;

        if (atomic_load(&reporters.taken_count) >= atomic_load(&reporters.allowed)) {
            pause_briefly();
            continue;
        }
        outcome = report_until_answered(&id);
        if (outcome == REPORT_ACCEPTED || outcome == REPORT_KNOWN) {
            unsigned place = atomic_fetch_add(&reporters.taken_count, 1);

            CHECK(place < ARRAY_COUNT(reporters.taken));
            reporters.taken[place] = id;
        } else {
            atomic_fetch_add(&reporters.refused_count, 1);
            pause_briefly();
        }
    }
    return unused;
}

static void reporters_start(void)
{
    reporters.probe = FAKE_PROBE(house.scheduler.port, "reports", "reporter");
    house_order(&house,
                &(struct order){
                    .application = "reports", .interface = "POST /checkout", .sample_cap = CAP },
                &reporters.task);
    for (int i = 0; i < REPORTERS; i++) {
        CHECK(pthread_create(&reporters.threads[i], NULL, run_reporter, NULL) == 0);
    }
}

/* They stop when their last report is answered. */
static void reporters_stop(void)
{
    atomic_store(&reporters.stopping, true);
    for (int i = 0; i < REPORTERS; i++) {
        pthread_join(reporters.threads[i], NULL);
    }
}

/* The hosts: tasks of one kind, one after the other ------------------------------------------ */

struct sequence {
    struct order order;
    struct task_id tasks[TASKS_MAX];
    size_t count, filled; /* the one behind the filled ones is under way */
};

static struct sequence sequences[] = {
    { .order = { .application = "shop", .interface = "GET /slow", .sample_cap = CAP } },
    { .order = { .application = "small", .interface = "GET /small", .sample_cap = 3 } },
};

static const struct {
    const char *application, *instance, *load;
} loads[] = {
    { "shop", "shop-1", "run 3 400 GET /slow" },    { "shop", "shop-2", "run 3 400 GET /slow" },
    { "small", "small-1", "run 1 200 GET /small" }, { "small", "small-2", "run 1 200 GET /small" },
    { "small", "small-3", "run 1 200 GET /small" }, { "small", "small-4", "run 1 200 GET /small" },
};

static struct host_process *hosts[ARRAY_COUNT(loads)];

static void hosts_start(void)
{
    for (size_t i = 0; i < ARRAY_COUNT(loads); i++) {
        hosts[i] = house_host(&house, loads[i].application, loads[i].instance);
        assert_string_equal(host_process_ask(hosts[i], loads[i].load), "running");
    }
}

static void hosts_stop(void)
{
    for (size_t i = 0; i < ARRAY_COUNT(loads); i++) {
        host_process_tell(hosts[i], "stop");
    }
    for (size_t i = 0; i < ARRAY_COUNT(loads); i++) {
        assert_true(strncmp(host_process_hear(hosts[i]), "calls=", 6) == 0);
        assert_int_equal(host_process_end(hosts[i]), 0);
    }
}

static bool is_filled(const struct task_id *task)
{
    json_t *json = house_get(&house, "/api/v1/tasks/%s", task->text);
    const char *state = json_string_value(json_object_get(json, "state"));
    bool filled = state && strcmp(state, "FILLED") == 0;

    json_decref(json);
    return filled;
}

/* Orders the next task as soon as the one under way is full. While nothing is killed. */
static void sequence_move(struct sequence *sequence)
{
    if (sequence->filled < sequence->count && !is_filled(&sequence->tasks[sequence->filled]))
        return;
    sequence->filled = sequence->count;
    CHECK(sequence->count < TASKS_MAX);
    house_order(&house, &sequence->order, &sequence->tasks[sequence->count++]);
}

/* The storm ---------------------------------------------------------------------------------- */

struct advance {
    size_t small_filled; /* how many small tasks must be full by now */
};

/* The load has come on since the last kill. */
static bool has_come_on(void *context)
{
    const struct advance *advance = context;

    for (size_t i = 0; i < ARRAY_COUNT(sequences); i++) {
        sequence_move(&sequences[i]);
    }
    return atomic_load(&reporters.taken_count) >= atomic_load(&reporters.allowed) &&
           sequences[1].filled >= advance->small_filled;
}

static void kill_all_parts_in_turn(void)
{
    enum { ALL = KILLS * HOUSE_PART_COUNT };

    for (unsigned kill = 0; kill < ALL; kill++) {
        /* A host that was told to come back later may rest for seconds: it is waited for once in
         * a round of parts, so that it, too, works between kills. */
        bool is_round = kill % HOUSE_PART_COUNT == 0;
        struct advance advance = { sequences[1].filled + is_round };

        atomic_store(&reporters.allowed, (kill + 1) * CAP / (ALL + 1));
        if (!wait_until(has_come_on, &advance, PROGRESS_MS))
            fail_msg("kill %u: the load does not come on", kill);
        atomic_fetch_add(&reporters.allowed, 1); /* reports are under way at the kill */
        house_kill(&house, (enum house_part)(kill % HOUSE_PART_COUNT));
        house_recover(&house);
    }
}

/* Those under way become full, too. */
static bool are_all_filled(void *unused)
{
    (void)unused;
    for (size_t i = 0; i < ARRAY_COUNT(sequences); i++) {
        struct sequence *sequence = &sequences[i];

        if (sequence->filled < sequence->count && !is_filled(&sequence->tasks[sequence->filled]))
            return false;
        sequence->filled = sequence->count;
    }
    return is_filled(&reporters.task) && atomic_load(&reporters.refused_count) > 0;
}

static bool is_settled(void *context)
{
    const struct task_id *task = context;

    house_assert_ledger_adds_up(&house, task);
    return house_ledger_sum(&house, task, "pending") == 0;
}

/* What the hosts were told to be taken is what is there, and is the cap. */
static void assert_exact(struct sequence *sequence)
{
    int64_t cap = sequence->order.sample_cap;

    for (size_t i = 0; i < sequence->count; i++) {
        struct task_id *task = &sequence->tasks[i];

        if (!wait_until(is_settled, task, SETTLED_MS)) fail_msg("calls of %s pend", task->text);
        assert_int_equal(house_ledger_sum(&house, task, "sampled"), cap);
        assert_int_equal(house_samples_count(&house, task), cap);
    }
}

static unsigned count_of(const json_t *samples, const char *id)
{
    json_t *sample;
    unsigned count = 0;
    size_t i;

    json_array_foreach((json_t *)samples, i, sample)
    {
        count += strcmp(json_string_value(json_object_get(sample, "id")), id) == 0;
    }
    return count;
}

/* Those that the reporters know to be taken are there, once each, with their stacks; no others. */
static void assert_nothing_was_lost(void)
{
    json_t *list = house_get(&house, "/api/v1/tasks/%s/samples?limit=1000", reporters.task.text);
    json_t *samples = json_object_get(list, "samples");

    assert_int_equal(reporters.taken_count, CAP);
    assert_int_equal(json_array_size(samples), CAP);
    for (unsigned i = 0; i < CAP; i++) {
        const char *id = reporters.taken[i].text;
        json_t *sample = house_get(&house, "/api/v1/samples/%s", id);

        assert_int_equal(count_of(samples, id), 1);
        assert_int_equal(json_integer_value(json_object_get(sample, "snapshots")), 2);
        json_decref(sample);
    }
    json_decref(list);
}

static void what_was_acknowledged_survives_30_kills_once_and_within_the_cap(void **state)
{
    (void)state;
    house_open(&house);
    reporters_start();
    hosts_start();
    kill_all_parts_in_turn();
    atomic_store(&reporters.allowed, UINT32_MAX);
    if (!wait_until(are_all_filled, NULL, PROGRESS_MS)) fail_msg("not all tasks became full");
    reporters_stop();
    hosts_stop();

    assert_nothing_was_lost();
    for (size_t i = 0; i < ARRAY_COUNT(sequences); i++) {
        assert_exact(&sequences[i]);
    }
    printf("kills %d, tasks of cap 100: %zu, of cap 3: %zu; reports sent again %u\n",
           KILLS * HOUSE_PART_COUNT, sequences[0].count + 1, sequences[1].count,
           reporters.again_count);
    house_close(&house);
}

/* Ends --------------------------------------------------------------------------------------- */

enum {
    AHEAD_MS = 4000,   /* where the end is moved to: time for a restart, and to be told of it */
    MARGIN_MS = 300,   /* what must be left of it then */
    LATE_MS_MAX = 500, /* how late an instance may stop watching, on a machine that is busy */
};

static uint64_t now_wall_ms(void)
{
    return ns_to_ms(clock_wall_ns());
}

/* The task's end in Redis, where the scheduler reads it at its start. */
static void move_end(const struct task_id *task, uint64_t ends_ms)
{
    char command[256];

    snprintf(command, sizeof command, "HSET 'stakeout:{shop}:task:%s' ends_ms %" PRIu64, task->text,
             ends_ms);
    house_ask_redis(&house, command);
    house_ask_redis(&house, "INCR 'stakeout:{shop}:version'");
}

/* When the task log says that the event was; 0: not yet. */
static uint64_t event_ms(const struct task_id *task, const char *name)
{
    json_t *log = house_get(&house, "/api/v1/tasks/%s/log?limit=1000", task->text);
    json_t *event;
    uint64_t at_ms = 0;
    size_t i;

    json_array_foreach(json_object_get(log, "events"), i, event)
    {
        const char *at = json_string_value(json_object_get(event, "at"));

        if (strcmp(json_string_value(json_object_get(event, "event")), name) != 0) continue;
        CHECK(at && wall_time_parse(text_of(at), &at_ms) == 0);
    }
    json_decref(log);
    return at_ms;
}

struct awaited {
    const struct task_id *task;
    const char *event;
    uint64_t wall_ms;
};

static bool has_event(void *context)
{
    const struct awaited *awaited = context;

    return event_ms(awaited->task, awaited->event) != 0;
}

static bool has_polled(void *context)
{
    const struct awaited *awaited = context;
    json_t *list = house_get(&house, "/api/v1/instances?application=shop");
    json_t *instance = json_array_get(json_object_get(list, "instances"), 0);
    const char *at = json_string_value(json_object_get(instance, "last_poll"));
    uint64_t polled_ms = 0;

    if (at) CHECK(wall_time_parse(text_of(at), &polled_ms) == 0);
    json_decref(list);
    return polled_ms > awaited->wall_ms;
}

static bool has_passed(void *context)
{
    return now_wall_ms() > ((const struct awaited *)context)->wall_ms;
}

static void await(bool (*condition)(void *context), struct awaited awaited)
{
    if (!wait_until(condition, &awaited, PROGRESS_MS)) fail_msg("%s did not come", awaited.event);
}

/* A task that ends soon, as the instance knows; returns when. If the machine is too busy to tell it
 * in time, that task is let go, and another is given more time. */
static uint64_t order_that_ends_soon(struct task_id *ret_task)
{
    for (uint64_t ahead_ms = AHEAD_MS;; ahead_ms *= 2) {
        uint64_t ends_ms, restarted_ms;

        house_order(&house, &(struct order){ .interface = "GET /fast" }, ret_task);
        await(has_event, (struct awaited){ ret_task, "armed", 0 });
        ends_ms = now_wall_ms() + ahead_ms;
        move_end(ret_task, ends_ms);
        restarted_ms = now_wall_ms();
        house_kill(&house, HOUSE_SCHEDULER);
        house_recover(&house);
        await(has_polled, (struct awaited){ NULL, "a poll", restarted_ms });
        if (now_wall_ms() + MARGIN_MS < ends_ms) return ends_ms;
        house_wait_state(&house, ret_task, "EXPIRED", PROGRESS_MS);
    }
}

/* The end passes while `part` is dead, or, of Redis alone, just after its death. */
static void ends_on_time_without(enum house_part part)
{
    struct task_id task;
    uint64_t ends_ms = order_that_ends_soon(&task), disarmed_ms;
    json_t *json;

    await(has_passed, (struct awaited){ NULL, "time", ends_ms - 100 });
    house_kill(&house, part);
    if (part != HOUSE_REDIS)
        await(has_passed, (struct awaited){ NULL, "time", ends_ms + LATE_MS_MAX });
    house_recover(&house);

    house_wait_state(&house, &task, "EXPIRED", PROGRESS_MS);
    json = house_get(&house, "/api/v1/tasks/%s", task.text);
    assert_string_equal(json_string_value(json_object_get(json, "ended")),
                        json_string_value(json_object_get(json, "ends")));
    json_decref(json);
    await(has_event, (struct awaited){ &task, "disarmed", 0 });
    disarmed_ms = event_ms(&task, "disarmed");
    printf("the instance stopped %+" PRId64 " ms from the end\n", (int64_t)(disarmed_ms - ends_ms));
    assert_in_range(disarmed_ms, ends_ms - 50, ends_ms + LATE_MS_MAX);
}

static void tasks_end_on_time_while_everything_is_killed(void **state)
{
    struct host_process *host;

    (void)state;
    house_open(&house);
    host = house_host(&house, "shop", "host-1");
    assert_string_equal(host_process_ask(host, "run 2 20 GET /fast"), "running");
    for (int part = 0; part < HOUSE_PART_COUNT; part++) {
        ends_on_time_without((enum house_part)part);
    }
    host_process_ask(host, "stop");
    assert_int_equal(host_process_end(host), 0);
    house_close(&house);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_acknowledged_survives_30_kills_once_and_within_the_cap),
        cmocka_unit_test(tasks_end_on_time_while_everything_is_killed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
