/* SPDX-License-Identifier: Apache-2.0 */
/* pulses_bench.c [INSTANCES [SECONDS]]: what a large fleet's pulses cost the scheduler.
 *
 * Ten thousand instances pulse every 10 s, three interfaces each; a hundred of them, which watch a
 * task, every second and with a ledger, which goes into a Redis that syncs every change. Each pulse
 * comes on a connection of its own, which is dearer than a probe's, that stays. Bar: a quarter of
 * a core. */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "tests/support/fake_probe.h"
#include "tests/support/process_usage.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { FAST = 100, PERIOD_S = 10, IN_FLIGHT = 32, NAME_SIZE = 32, BAR_PERCENT = 25 };

struct instance {
    struct fake_probe probe;
    char name[NAME_SIZE];
    uint64_t count;
};

struct fleet {
    struct instance *instances;
    size_t count, at; /* whose turn it is */
    char task[TASK_ID_SIZE + 1];
    int flying[IN_FLIGHT];
    size_t sent;
};

/* Waits for the answer to the pulse before so many. */
static void hear(struct fleet *fleet, size_t place)
{
    struct api_answer answer;

    if (fleet->flying[place] == 0) return;
    api_receive(fleet->flying[place], &answer);
    CHECK(answer.status == 200);
    api_answer_done(&answer);
    fleet->flying[place] = 0;
}

static void say(struct fleet *fleet, struct instance *instance, bool is_fast)
{
    uint64_t count = instance->count += 5;
    struct fake_calls calls[] = {
        { .interface = "POST /checkout", .count = count, .each_ns = 3 * NS_PER_MS },
        { .interface = "GET /cart", .count = 2 * count, .each_ns = NS_PER_MS },
        { .interface = "GET /item/{id}", .count = 9 * count, .each_ns = NS_PER_MS / 3 },
    };
    size_t place = fleet->sent++ % IN_FLIGHT;

    hear(fleet, place);
    if (is_fast) {
        calls[0].task = fleet->task;
        calls[0].seen = count;
    }
    fleet->flying[place] = fake_probe_send_pulse(&instance->probe, calls, ARRAY_COUNT(calls));
}

/* A tenth of what one second brings; in between the scheduler may rest. */
static void run_tenth(struct fleet *fleet, size_t tenth)
{
    for (size_t i = 0; i < fleet->count / PERIOD_S / 10; i++) {
        say(fleet, &fleet->instances[fleet->at++ % fleet->count], false);
    }
    for (size_t i = tenth * FAST / 10; i < (tenth + 1) * FAST / 10; i++) {
        say(fleet, &fleet->instances[i], true);
    }
}

static void run(struct fleet *fleet, size_t seconds)
{
    uint64_t due_ns = clock_monotonic_ns();

    for (size_t i = 0; i < seconds * 10; i++) {
        struct timespec until;

        run_tenth(fleet, i % 10);
        due_ns += NS_PER_S / 10;
        until = (struct timespec){ .tv_sec = (time_t)(due_ns / NS_PER_S),
                                   .tv_nsec = (long)(due_ns % NS_PER_S) };
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    }
    for (size_t i = 0; i < IN_FLIGHT; i++) {
        hear(fleet, i);
    }
}

static void fleet_make(struct fleet *fleet, size_t count)
{
    fleet->count = count;
    fleet->instances = mem_zalloc(count, sizeof *fleet->instances);
    for (size_t i = 0; i < count; i++) {
        struct instance *instance = &fleet->instances[i];
        snprintf(instance->name, NAME_SIZE, "host-%zu:1", i);
        instance->probe = FAKE_PROBE(scheduler.port, "fleet", instance->name);
    }
}

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000;
    size_t seconds = argc > 2 ? strtoull(argv[2], NULL, 10) : 30;
    struct process_usage before, after;
    struct fleet fleet = { 0 };
    uint64_t begin_ns, elapsed_ns;
    double percent;

    scheduler_setup_with_redis(NULL);
    scheduler_create_task("fleet", "", fleet.task);
    fleet_make(&fleet, count);
    run(&fleet, PERIOD_S); /* all of them are known, and the task's ledger is full */
    fleet.sent = 0;
    process_usage_read(scheduler.pid, &before);
    begin_ns = clock_monotonic_ns();
    run(&fleet, seconds);
    elapsed_ns = clock_monotonic_ns() - begin_ns;
    process_usage_read(scheduler.pid, &after);
    percent = 1e8 * (double)(after.cpu_ms - before.cpu_ms) / (double)elapsed_ns;
    printf("%zu instances, %.0f pulses a second: %.1f %% of a core, %.0f us each; bar %d %%: %s\n",
           count, (double)fleet.sent * 1e9 / (double)elapsed_ns, percent,
           1000.0 * (double)(after.cpu_ms - before.cpu_ms) / (double)fleet.sent, BAR_PERCENT,
           percent <= BAR_PERCENT ? "met" : "MISSED");
    free(fleet.instances);
    return scheduler_teardown_with_redis(NULL);
}
