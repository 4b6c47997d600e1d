/* SPDX-License-Identifier: Apache-2.0 */
/* history_bench.c [TASKS [EVENTS [PAIRS]]]: what a page of a long history costs at the API.
 *
 * A million tasks of ten applications with ten log events each, unless told otherwise, in a Redis
 * in memory alone; one stakeoutd; one request at a time, each on a connection of its own. The first
 * page and the last take turns. Bars: the first within 5 ms (p99), the last within 1.2 of it. */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "tests/bench/pairs.h"
#include "tests/support/fake_probe.h"
#include "tests/support/history_seed.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { APPLICATIONS = 10, STEP_MS = 1000, LIMIT = 100, SAMPLES = 100, LONG_LOG = 10000 };

static const double bar_p99_ms = 5, bar_ratio = 1.2;

static size_t pair_count = 200;
static char names[APPLICATIONS][16], templates[APPLICATIONS][TASK_ID_SIZE + 1];
static struct history_seed seeds[APPLICATIONS];

/* One page ---------------------------------------------------------------------------------- */

struct page {
    char first[192], last[256];
};

/* The answer is taken whole, and not read. */
static double take(const char *path)
{
    static char bytes[65536];
    uint64_t begin_ns = clock_monotonic_ns();
    int fd = api_send(&(struct api_call){ .port = scheduler.port, .path = path });
    ssize_t size = recv(fd, bytes, sizeof bytes, 0);
    double elapsed_ms;

    if (size < 12 || memcmp(bytes, "HTTP/1.1 200", 12) != 0) {
        fprintf(stderr, "bench_history: %s: %.*s\n", path, (int)(size > 0 ? size : 0), bytes);
        exit(1);
    }
    while (recv(fd, bytes, sizeof bytes, 0) > 0) {
        continue;
    }
    elapsed_ms = (double)(clock_monotonic_ns() - begin_ns) / 1e6;
    close(fd);
    return elapsed_ms;
}

static double take_first(void *context)
{
    return take(((struct page *)context)->first);
}

static double take_last(void *context)
{
    return take(((struct page *)context)->last);
}

static void measure(const char *says, struct page *page)
{
    struct pairs_ratio ratio;

    pairs_run(&(struct pairs_options){ .subject = take_last,
                                       .yardstick = take_first,
                                       .context = page,
                                       .count = (uint32_t)pair_count },
              &ratio);
    printf("%s: first page %.2f ms, p99 %.2f ms (%s); last page %.2f ms\n", says, ratio.yardstick,
           ratio.yardstick_p99, ratio.yardstick_p99 <= bar_p99_ms ? "within 5 ms" : "MISSED 5 ms",
           ratio.subject);
    pairs_print(says, &ratio, bar_ratio);
}

/* Lists ------------------------------------------------------------------------------------- */

/* `query` finds one task in `one_in`, in so many applications. */
static void measure_tasks(const char *says, const char *query, size_t one_in, size_t applications)
{
    char cursor[TASK_ID_SIZE + 1];
    struct page page;

    history_seed_cursor(&seeds[0], LIMIT * one_in / applications + 2, cursor);
    snprintf(page.first, sizeof page.first, "/api/v1/tasks?limit=%d%s", LIMIT, query);
    snprintf(page.last, sizeof page.last, "%s&cursor=%s", page.first, cursor);
    measure(says, &page);
}

static void measure_lists(void)
{
    char query[128];

    measure_tasks("tasks", "", 1, APPLICATIONS);
    measure_tasks("tasks of an application", "&application=app-3", 1, 1);
    measure_tasks("tasks in a state", "&state=EXPIRED", 1, APPLICATIONS);
    measure_tasks("tasks in a rare state", "&state=FILLED", 1000, APPLICATIONS);
    measure_tasks("tasks of an interface", "&interface=GET%20/3", 20, APPLICATIONS);
    measure_tasks("tasks of a rare interface", "&interface=GET%20/rare", 1000, APPLICATIONS);
    measure_tasks("all of these", "&application=app-3&interface=GET%20/3&state=EXPIRED", 20, 1);
    snprintf(query, sizeof query, "&from=%llu&to=%llu", (unsigned long long)seeds[0].base_ms,
             (unsigned long long)(seeds[0].base_ms + seeds[0].count * STEP_MS / 2));
    measure_tasks("tasks of a time", query, 1, APPLICATIONS);
}

static void measure_task(const char *says, const char *rest, unsigned from)
{
    struct page page;

    snprintf(page.first, sizeof page.first, "/api/v1/tasks/%s/%s", templates[0], rest);
    snprintf(page.last, sizeof page.last, "%s&cursor=%u", page.first, from);
    measure(says, &page);
}

/* Making it --------------------------------------------------------------------------------- */

static void make_template(unsigned place)
{
    char path[512];

    snprintf(names[place], sizeof names[place], "app-%u", place);
    scheduler_create_task(names[place], ",\"sample_cap\":100", templates[place]);
    snprintf(path, sizeof path, "/api/v1/tasks/%s/cancel", templates[place]);
    if (place > 0)
        json_decref(scheduler_ask(&(struct api_call){ .method = "POST", .path = path }, 200));
}

/* The first one has a hundred samples of one trace, and a log that is full. */
static void fill_template(struct trace_id *trace)
{
    struct fake_probe probe = FAKE_PROBE(scheduler.port, names[0], "host-1:1");
    char command[256];

    for (int i = 0; i < SAMPLES; i++) {
        enum report_outcome outcome = fake_probe_report(
            &probe, &(struct fake_sample){ .task = templates[0], .trace = trace });
        CHECK(outcome == REPORT_ACCEPTED);
    }
    snprintf(command, sizeof command,
             "eval \"for i = 1, %d do redis.call('RPUSH', KEYS[1], redis.call('LINDEX', KEYS[1], "
             "0)) end\" 1 'stakeout:{%s}:task:%s:log'",
             LONG_LOG - SAMPLES - 3, names[0], templates[0]);
    redis_process_ask(&scheduler_redis, command);
}

static void seed(size_t tasks, unsigned events)
{
    uint64_t begin_ns = clock_monotonic_ns();
    size_t each = tasks / APPLICATIONS;
    uint64_t base_ms = ns_to_ms(clock_wall_ns()) - (each + 7200) * STEP_MS;

    for (unsigned i = 0; i < APPLICATIONS; i++) {
        seeds[i] = (struct history_seed){ .redis = &scheduler_redis,
                                          .application = names[i],
                                          .place = i,
                                          .template = templates[i],
                                          .count = each,
                                          .base_ms = base_ms,
                                          .step_ms = STEP_MS,
                                          .events = events };
        history_seed(&seeds[i]);
    }
    printf("%zu tasks with %u log events each, made in %.0f s\n", each * APPLICATIONS, events,
           (double)(clock_monotonic_ns() - begin_ns) / 1e9);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    size_t tasks = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    unsigned events = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 10;
    struct trace_id trace = trace_id_make();
    struct page page;

    if (argc > 3) pair_count = strtoull(argv[3], NULL, 10);
    redis_process_start(&scheduler_redis, "");
    scheduler.options[0] = "--redis";
    scheduler.options[1] = scheduler_redis.url;
    scheduler_process_start(&scheduler);
    for (unsigned i = 0; i < APPLICATIONS; i++) {
        make_template(i);
    }
    fill_template(&trace);
    seed(tasks, events);
    measure_lists();
    measure_task("a task's log of 10,000 events", "log?limit=100", LONG_LOG - LIMIT);
    measure_task("a task's samples", "samples?limit=10", SAMPLES - 10);
    snprintf(page.first, sizeof page.first, "/api/v1/traces/%s", trace.text);
    snprintf(page.last, sizeof page.last, "%s", page.first);
    measure("the 100 samples of a trace, twice", &page);
    printf("Redis holds %s\n",
           redis_process_ask(&scheduler_redis, "info memory | grep used_memory_human"));
    scheduler_process_done(&scheduler);
    redis_process_stop(&scheduler_redis);
    return 0;
}
