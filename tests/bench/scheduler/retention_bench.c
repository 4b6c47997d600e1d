/* SPDX-License-Identifier: Apache-2.0 */
/* retention_bench.c [TASKS]: what others notice while tasks are forgotten.
 *
 * A hundred thousand tasks, with a log each, are made, and their time is over. While the scheduler
 * forgets them an operator asks now and then; then the same when nothing is left to forget. Redis
 * syncs every change, as the private one does. */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "tests/support/history_seed.h"
#include "tests/support/process_usage.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEP_MS = 100, ASKS_MAX = 100000, ASKS_IDLE = 500 };

static const uint64_t day_ms = 86400000;
static double asked_ms[ASKS_MAX];

static size_t count_tasks(void)
{
    return strtoull(redis_process_ask(&scheduler_redis, "zcard 'stakeout:{old}:tasks'"), NULL, 10);
}

static int compare(const void *left, const void *right)
{
    const double *a = left, *b = right;

    return *a < *b ? -1 : *a > *b;
}

static bool always(void)
{
    return true;
}

static bool some_are_left(void)
{
    return count_tasks() > 1; /* the template stays */
}

static uint64_t cpu_of_scheduler_ms(void)
{
    struct process_usage usage;

    process_usage_read(scheduler.pid, &usage);
    return usage.cpu_ms;
}

/* The loop has looked how late it is, for the first time. */
static bool has_looked(void *context)
{
    struct api_answer answer;
    bool has;

    (void)context;
    api_ask(&(struct api_call){ .port = scheduler.port, .path = "/metrics" }, &answer);
    has = strstr(answer.body.data, "stakeout_loop_lag_seconds_sum");
    api_answer_done(&answer);
    return has;
}

/* Asks again and again, as long as that is so. */
static void ask_while(const char *says, bool (*is_so)(void), size_t count_max)
{
    double late_s = scheduler_metric("stakeout_loop_lag_seconds_sum");
    double looks = scheduler_metric("stakeout_loop_lag_seconds_count");
    uint64_t cpu_ms = cpu_of_scheduler_ms(), begin_ns = clock_monotonic_ns();
    size_t count = 0;

    while (count < count_max && is_so()) {
        uint64_t now_ns = clock_monotonic_ns();
        json_decref(scheduler_get("/api/v1/tasks?limit=10"));
        asked_ms[count++] = (double)(clock_monotonic_ns() - now_ns) / 1e6;
    }
    begin_ns = clock_monotonic_ns() - begin_ns;
    cpu_ms = cpu_of_scheduler_ms() - cpu_ms;
    late_s = scheduler_metric("stakeout_loop_lag_seconds_sum") - late_s;
    looks = scheduler_metric("stakeout_loop_lag_seconds_count") - looks;
    CHECK(count > 0);
    qsort(asked_ms, count, sizeof *asked_ms, compare);
    printf("%s: %.1f s, %.1f %% of a core; a page of tasks takes %.2f ms, p99 %.2f ms, at most "
           "%.2f ms; the loop is late by %.2f ms on average\n",
           says, (double)begin_ns / 1e9, 1e8 * (double)cpu_ms / (double)begin_ns,
           asked_ms[count / 2], asked_ms[count * 99 / 100], asked_ms[count - 1],
           looks > 0 ? late_s * 1000 / looks : 0);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    size_t tasks = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000;
    char template[TASK_ID_SIZE + 1], path[128];

    redis_process_start(&scheduler_redis, "appendonly yes\nappendfsync always\n");
    scheduler.options[0] = "--redis";
    scheduler.options[1] = scheduler_redis.url;
    scheduler_process_start(&scheduler);
    scheduler_create_task("old", "", template);
    snprintf(path, sizeof path, "/api/v1/tasks/%s/cancel", template);
    json_decref(scheduler_ask(&(struct api_call){ .method = "POST", .path = path }, 200));
    history_seed(&(struct history_seed){ .redis = &scheduler_redis,
                                         .application = "old",
                                         .template = template,
                                         .count = tasks,
                                         .base_ms = ns_to_ms(clock_wall_ns()) - 3 * day_ms,
                                         .step_ms = STEP_MS,
                                         .events = 10 });
    scheduler_process_stop(&scheduler);
    scheduler.options[2] = "--retention-days";
    scheduler.options[3] = "1";
    scheduler_process_start(&scheduler);
    CHECK(wait_until(has_looked, NULL, 10000));
    ask_while("forgetting", some_are_left, ASKS_MAX);
    ask_while("nothing to forget", always, ASKS_IDLE);
    scheduler_process_done(&scheduler);
    redis_process_stop(&scheduler_redis);
    return 0;
}
