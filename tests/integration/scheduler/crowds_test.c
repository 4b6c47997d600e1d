/* SPDX-License-Identifier: Apache-2.0 */
/* crowds_test.c: very many probes at once: a thousand that go in one moment, and a flood of pulses
 * beyond what the intake lets wait. What must hold: nothing leaks, nothing that was accepted is
 * lost, and an operator is answered meanwhile. */
#include "tests/support/fake_probe.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include "common/base/clock.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PARKED = 1000,
    FLOOD = 800,         /* instances: fewer than LEDGER_INSTANCES_MAX, so that each has its row */
    IN_FLIGHT_MAX = 512, /* WORDS_IN_FLIGHT_MAX of scheduler/intake/private.h */
    ROUNDS = 6,
    GROWTH_MAX = 16 * 1024 * 1024, /* bytes of a round like those before: none, and some slack */
    NAME_SIZE = 24,
};

/* Its quarantine keeps what was freed: memory says nothing there. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool memory_tells = false;
#else
static const bool memory_tells = true;
#endif

static char names[PARKED][NAME_SIZE];

static int start(void **state)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (size_t i = 0; i < PARKED; i++) {
        snprintf(names[i], NAME_SIZE, "host-%zu:1", i);
    }
    return scheduler_setup_with_redis(state);
}

struct figure {
    const char *series;
    double wanted;
};

static bool is_reached(void *context)
{
    const struct figure *figure = context;

    return scheduler_metric(figure->series) == figure->wanted;
}

static void wait_for(const char *series, double wanted)
{
    if (!wait_until(is_reached, &(struct figure){ series, wanted }, 20000))
        fail_msg("%s is %g, and never %g", series, scheduler_metric(series), wanted);
}

/* An operator is answered, and the loop was not late. */
static void assert_answers(void)
{
    json_decref(scheduler_get("/api/v1/tasks"));
    if (strncmp(scheduler_check("loop"), "(ok)", 4) != 0)
        fail_msg("the loop: %s", scheduler_check("loop"));
}

/* ------------------------------------------------------------------ a thousand go */

/* As a process does that is killed: its connection is reset. */
static void reset(int fd)
{
    struct linger at_once = { .l_onoff = 1 };

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

static void park_all(struct fake_probe *probes)
{
    probes[0] = FAKE_PROBE(scheduler.port, "crowd", names[0]);
    fake_probe_poll(&probes[0]); /* all of them know this version */
    for (size_t i = 0; i < PARKED; i++) {
        if (i > 0) probes[i] = FAKE_PROBE(scheduler.port, "crowd", names[i]);
        memcpy(probes[i].version, probes[0].version, sizeof probes[i].version);
        fake_probe_park(&probes[i]);
    }
    wait_for("stakeout_polls_parked", PARKED);
}

static void leave_all(struct fake_probe *probes)
{
    for (size_t i = 0; i < PARKED; i++) {
        if (i % 2 == 0)
            fake_probe_done(&probes[i]);
        else
            reset(probes[i].parked);
    }
}

static void a_thousand_parked_polls_may_close_at_once(void **state)
{
    static struct fake_probe probes[PARKED];
    double descriptors = scheduler_metric("process_open_fds"), memory = 0;

    (void)state;
    for (int round = 1; round <= ROUNDS; round++) {
        park_all(probes);
        assert_true(scheduler_metric("process_open_fds") >= descriptors + PARKED);
        leave_all(probes);
        assert_answers();
        wait_for("stakeout_polls_parked", 0);
        wait_for("stakeout_http_connections", 1); /* the one that asks */
        wait_for("process_open_fds", descriptors);
        assert_true(
            scheduler_metric("stakeout_intake_total{kind=\"poll\",outcome=\"client-gone\"}") ==
            (double)round * PARKED);
        if (round == 2) memory = scheduler_metric("process_resident_memory_bytes");
    }
    /* Each round brings a thousand new incarnations, whom the census knows for 15 minutes. */
    if (memory_tells)
        assert_true(scheduler_metric("process_resident_memory_bytes") < memory + GROWTH_MAX);
}

/* ------------------------------------------------------------------ a flood of pulses */

/* What an instance said, and what of it was acknowledged. */
struct speaker {
    struct fake_probe probe;
    uint64_t said, accepted;
    int fd;
};

struct flood {
    char task[TASK_ID_SIZE + 1];
    struct speaker speakers[FLOOD];
    size_t refused_count;
};

static void flood_begin(struct flood *flood, const char *application)
{
    scheduler_create_task(application, "", flood->task);
    for (size_t i = 0; i < FLOOD; i++) {
        flood->speakers[i] =
            (struct speaker){ .probe = FAKE_PROBE(scheduler.port, application, names[i]) };
    }
}

/* All of them speak; nobody waits for an answer first. */
static void flood_say(struct flood *flood)
{
    for (size_t i = 0; i < FLOOD; i++) {
        struct speaker *speaker = &flood->speakers[i];
        uint64_t said = ++speaker->said;
        struct fake_calls calls = { .interface = "POST /checkout",
                                    .count = said,
                                    .each_ns = NS_PER_MS,
                                    .task = flood->task,
                                    .seen = said };

        speaker->fd = fake_probe_send_pulse(&speaker->probe, &calls, 1);
    }
}

/* A pulse is taken whole, or it is to be said again later. */
static void flood_hear(struct flood *flood)
{
    for (size_t i = 0; i < FLOOD; i++) {
        struct speaker *speaker = &flood->speakers[i];
        struct api_answer answer;

        api_receive(speaker->fd, &answer);
        if (answer.status == 200) {
            speaker->accepted = speaker->said;
        } else {
            assert_int_equal(answer.status, 503);
            assert_string_equal(text_at(answer.json, "type"), problem_slug(PROBLEM_BUSY));
            assert_in_range(strtoul(api_header(&answer, "Retry-After"), NULL, 10), 1, 10);
            flood->refused_count++;
        }
        api_answer_done(&answer);
    }
}

/* Every row of the ledger is what was last accepted of its instance. */
static void assert_nothing_is_lost(const struct flood *flood)
{
    json_t *ledger = scheduler_get_task(flood->task, "/ledger");
    json_t *rows = json_object_get(ledger, "instances"), *row;
    size_t index, spoken = 0;

    json_array_foreach(rows, index, row)
    {
        unsigned number = 0;

        assert_int_equal(sscanf(text_at(row, "instance"), "host-%u:1", &number), 1);
        assert_true(number < FLOOD);
        assert_int_equal(number_at(row, "seen"), flood->speakers[number].accepted);
    }
    for (size_t i = 0; i < FLOOD; i++) {
        spoken += flood->speakers[i].accepted > 0;
    }
    assert_int_equal(json_array_size(rows), spoken);
    json_decref(ledger);
}

static void a_flood_of_pulses_is_taken_or_refused_and_an_operator_is_answered(void **state)
{
    static struct flood flood;
    double memory = 0;

    (void)state;
    flood_begin(&flood, "flood");
    for (int round = 1; round <= ROUNDS; round++) {
        flood_say(&flood);
        assert_answers();
        flood_hear(&flood);
        if (round == 2) memory = scheduler_metric("process_resident_memory_bytes");
    }
    wait_for("stakeout_intake_in_flight", 0);
    wait_for("stakeout_http_connections", 1);
    assert_nothing_is_lost(&flood);
    if (memory_tells)
        assert_true(scheduler_metric("process_resident_memory_bytes") < memory + GROWTH_MAX);
}

/* Redis stands still, so that the bound is reached for certain: what fits waits, what does not is
 * told to come again, and who asks for nothing of Redis is answered at once. */
static void beyond_the_bound_pulses_are_refused_and_what_waited_is_taken(void **state)
{
    static struct flood flood;

    (void)state;
    flood_begin(&flood, "dam");
    assert_int_equal(kill(scheduler_redis.pid, SIGSTOP), 0);
    flood_say(&flood);
    wait_for("stakeout_intake_in_flight", IN_FLIGHT_MAX);
    json_decref(scheduler_get("/api/v1/instances?application=dam"));
    assert_int_equal(kill(scheduler_redis.pid, SIGCONT), 0);
    flood_hear(&flood);
    assert_int_equal(flood.refused_count, FLOOD - IN_FLIGHT_MAX);
    assert_nothing_is_lost(&flood);

    flood_say(&flood); /* those too, when they come again */
    flood_hear(&flood);
    wait_for("stakeout_intake_in_flight", 0);
    assert_nothing_is_lost(&flood);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thousand_parked_polls_may_close_at_once),
        cmocka_unit_test(a_flood_of_pulses_is_taken_or_refused_and_an_operator_is_answered),
        cmocka_unit_test(beyond_the_bound_pulses_are_refused_and_what_waited_is_taken),
    };

    return cmocka_run_group_tests(tests, start, scheduler_teardown_with_redis);
}
