/* SPDX-License-Identifier: Apache-2.0 */
/* propagation_bench.c [TASKS [INSTANCES]]: from POST /tasks to the last instance that watches.
 *
 * Two fleets of 200, one after the other, on one stakeoutd:
 *
 *   long polls      real processes with the probe in them. When each was armed stands in the task
 *                   log, by the age that it sent: one machine, one clock, in ms, rounded down.
 *   each second     sockets that ask once a second, each at a phase of its own, as a probe without
 *                   long polls would. One has the task when the answer that names it has come; that
 *                   a real one would then still have to arm it is left out, in its favour.
 *
 * Printed are p50 and p99 (nearest rank) over the tasks, of the last instance of each; and over all
 * instances of all tasks. */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/wall_time.h"
#include "tests/integration/system/house.h"
#include "tests/support/fake_probe.h"
#include "tests/support/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TASKS = 20, INSTANCES = 200, INSTANCES_MAX = 400, READY_MS = 60000, LOOK_MS = 250 };

static struct house house;
static size_t task_count = TASKS, instance_count = INSTANCES;

/* How long after the order each instance had the task, in us: a row per task. */
struct delays {
    uint64_t *all_us, *last_us;
    size_t tasks;
};

static void delays_init(struct delays *delays)
{
    delays->all_us = mem_zalloc(task_count * instance_count, sizeof *delays->all_us);
    delays->last_us = mem_zalloc(task_count, sizeof *delays->last_us);
    delays->tasks = 0;
}

static void delays_done(struct delays *delays)
{
    free(delays->all_us);
    free(delays->last_us);
}

static void delays_add(struct delays *delays, const uint64_t *instances_us)
{
    uint64_t *last_us = &delays->last_us[delays->tasks];

    for (size_t i = 0; i < instance_count; i++) {
        delays->all_us[delays->tasks * instance_count + i] = instances_us[i];
        if (instances_us[i] > *last_us) *last_us = instances_us[i];
    }
    delays->tasks++;
}

static int compare(const void *left, const void *right)
{
    uint64_t l = *(const uint64_t *)left, r = *(const uint64_t *)right;

    return (l > r) - (l < r);
}

static double percentile_ms(uint64_t *values_us, size_t count, unsigned percent)
{
    qsort(values_us, count, sizeof *values_us, compare);
    return (double)values_us[(count * percent + 99) / 100 - 1] / 1000;
}

static uint64_t now_wall_us(void)
{
    return clock_wall_ns() / NS_PER_US;
}

static void sleep_until(uint64_t at_ns)
{
    struct timespec at = { .tv_sec = (time_t)(at_ns / NS_PER_S),
                           .tv_nsec = (long)(at_ns % NS_PER_S) };

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) != 0) {
        continue;
    }
}

/* Real instances ------------------------------------------------------------------------------ */

static struct host_process *hosts[INSTANCES_MAX];

static bool are_all_polling(void *context)
{
    json_t *list = house_get(&house, "/api/v1/instances?application=fleet");
    size_t i, polling = 0;
    json_t *instance;

    (void)context;
    json_array_foreach(json_object_get(list, "instances"), i, instance)
    {
        polling += strcmp(json_string_value(json_object_get(instance, "state")), "polling") == 0;
    }
    json_decref(list);
    return polling == instance_count;
}

static void hosts_start(void)
{
    for (size_t i = 0; i < instance_count; i++) {
        char instance[32];

        snprintf(instance, sizeof instance, "host-%zu", i);
        hosts[i] = house_host(&house, "fleet", instance);
        host_process_ask(hosts[i], "run 1 1000 GET /calm");
    }
    if (!wait_until(are_all_polling, NULL, READY_MS)) {
        fprintf(stderr, "not all instances poll\n");
        exit(1);
    }
}

static void hosts_stop(void)
{
    for (size_t i = 0; i < instance_count; i++) {
        host_process_kill(hosts[i]);
    }
}

struct armed {
    const struct task_id *task;
    uint64_t ordered_us, instances_us[INSTANCES_MAX];
};

/* Asked seldom: the scheduler has something else to do. */
static bool are_all_armed(void *context)
{
    struct armed *armed = context;
    size_t i, count = 0;
    json_t *event, *log;

    sleep_until(clock_monotonic_ns() + LOOK_MS * NS_PER_MS);
    log = house_get(&house, "/api/v1/tasks/%s/log?limit=1000", armed->task->text);
    json_array_foreach(json_object_get(log, "events"), i, event)
    {
        const char *at = json_string_value(json_object_get(event, "at"));
        uint64_t at_ms;

        if (strcmp(json_string_value(json_object_get(event, "event")), "armed") != 0) continue;
        CHECK(at && wall_time_parse(text_of(at), &at_ms) == 0 && count < instance_count);
        armed->instances_us[count++] =
            at_ms * 1000 > armed->ordered_us ? at_ms * 1000 - armed->ordered_us : 0;
    }
    json_decref(log);
    return count == instance_count;
}

static void measure_long_polls(struct delays *ret)
{
    for (size_t i = 0; i < task_count; i++) {
        struct armed armed = { .ordered_us = now_wall_us() };
        struct task_id task;

        armed.task = &task;
        house_order(&house,
                    &(struct order){
                        .application = "fleet", .interface = "GET /calm", .threshold_ms = 30000 },
                    &task);
        if (!wait_until(are_all_armed, &armed, READY_MS)) {
            fprintf(stderr, "not all instances were armed\n");
            exit(1);
        }
        delays_add(ret, armed.instances_us);
        house_cancel(&house, &task);
    }
}

/* Those that ask each second ------------------------------------------------------------------ */

struct poller {
    struct fake_probe probe;
    char instance[32];
    uint64_t due_ns;
    bool has_task;
};

static int compare_due(const void *left, const void *right)
{
    uint64_t l = ((const struct poller *)left)->due_ns, r = ((const struct poller *)right)->due_ns;

    return (l > r) - (l < r);
}

/* One second of the fleet: each asks once, at its time. Sorted by that, and each is due again a
 * second later, so they stay sorted. */
static void ask_all(struct poller *pollers, const struct task_id *task, uint64_t ordered_us,
                    uint64_t *instances_us)
{
    for (size_t i = 0; i < instance_count; i++) {
        struct poller *poller = &pollers[i];

        sleep_until(poller->due_ns);
        poller->due_ns += NS_PER_S;
        if (fake_probe_is_told(&poller->probe, task->text) && !poller->has_task) {
            poller->has_task = true;
            instances_us[i] = now_wall_us() - ordered_us;
        }
    }
}

static size_t told_count(const struct poller *pollers)
{
    size_t count = 0;

    for (size_t i = 0; i < instance_count; i++) {
        count += pollers[i].has_task;
    }
    return count;
}

/* The order comes at a random moment of the fleet's second: its phases are drawn anew. */
static void draw_phases(struct poller *pollers)
{
    uint64_t begin_ns = clock_monotonic_ns() + NS_PER_S / 10;

    for (size_t i = 0; i < instance_count; i++) {
        pollers[i].due_ns = begin_ns + random_u64() % NS_PER_S;
        pollers[i].has_task = false;
    }
    qsort(pollers, instance_count, sizeof *pollers, compare_due);
    sleep_until(begin_ns);
}

static void measure_pollers(struct delays *ret)
{
    struct poller *pollers = mem_zalloc(instance_count, sizeof *pollers);

    for (size_t i = 0; i < instance_count; i++) {
        snprintf(pollers[i].instance, sizeof pollers[i].instance, "poller-%zu", i);
        pollers[i].probe = FAKE_PROBE(house.scheduler.port, "pollers", NULL);
    }
    for (size_t i = 0; i < task_count; i++) {
        uint64_t instances_us[INSTANCES_MAX] = { 0 }, ordered_us;
        struct task_id task;

        draw_phases(pollers);
        for (size_t j = 0; j < instance_count; j++) {
            pollers[j].probe.instance = pollers[j].instance; /* they were moved */
        }
        ordered_us = now_wall_us();
        house_order(&house, &(struct order){ .application = "pollers", .interface = "GET /calm" },
                    &task);
        while (told_count(pollers) < instance_count) {
            ask_all(pollers, &task, ordered_us, instances_us);
        }
        delays_add(ret, instances_us);
        house_cancel(&house, &task);
    }
    free(pollers);
}

/* The table ----------------------------------------------------------------------------------- */

static void print_row(const char *says, struct delays *polled, struct delays *asked, bool is_last)
{
    uint64_t *left = is_last ? polled->last_us : polled->all_us;
    uint64_t *right = is_last ? asked->last_us : asked->all_us;
    size_t count = is_last ? task_count : task_count * instance_count;

    for (unsigned percent = 50; percent <= 99; percent += 49) {
        double left_ms = percentile_ms(left, count, percent);
        double right_ms = percentile_ms(right, count, percent);

        printf("%-14s p%u  %10.1f ms  %10.1f ms  %8.0fx\n", says, percent, left_ms, right_ms,
               left_ms > 0 ? right_ms / left_ms : 0);
    }
}

int main(int argc, char **argv)
{
    struct delays polled, asked;

    if (argc > 1) task_count = strtoul(argv[1], NULL, 10);
    if (argc > 2) instance_count = strtoul(argv[2], NULL, 10);
    if (task_count == 0 || instance_count == 0 || instance_count > INSTANCES_MAX) {
        fprintf(stderr, "usage: bench_propagation [TASKS [INSTANCES]], at most %d instances\n",
                INSTANCES_MAX);
        return 2;
    }
    delays_init(&polled);
    delays_init(&asked);
    house_open(&house);
    hosts_start();
    measure_long_polls(&polled);
    hosts_stop();
    measure_pollers(&asked);
    house_close(&house);

    printf("from POST /tasks until %zu instances watch, over %zu tasks\n\n", instance_count,
           task_count);
    printf("%-14s      %13s  %13s  %9s\n", "", "long polls", "each second", "ratio");
    print_row("last instance", &polled, &asked, true);
    print_row("any instance", &polled, &asked, false);
    delays_done(&polled);
    delays_done(&asked);
    return 0;
}
