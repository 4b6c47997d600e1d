/* SPDX-License-Identifier: Apache-2.0 */
/* store_bench.c [REDIS-URL]: what taking a sample costs, and a page of tasks.
 *
 * Without a URL on a private Redis in a directory of its own, with appendfsync always. Bodies
 * are hex digits, so that they compress to about half, as reports do. CPU is this process' own,
 * compression included; Redis' is not in it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <event2/event.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "scheduler/history/history.h"
#include "scheduler/store/store.h"

enum { ROUND_MS = 2000, PAGE_TASKS = 2000, PAGE_ROUNDS = 200 };

struct bench {
    struct event_base *base;
    struct store *store;
    struct history *history;
    struct task_id task; /* that takes samples now */
    char *body;
    size_t body_size;
    unsigned in_flight, open, creating, number;
    uint64_t taken, until_ns;
    char cursor[CURSOR_SIZE_MAX + 1];
    bool is_up, is_read;
};

static uint64_t cpu_ns(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * NS_PER_S +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * NS_PER_US;
}

static void die(const struct problem *problem)
{
    fprintf(stderr, "bench_store: %s\n", problem->detail);
    exit(1);
}

static void on_up(void *context)
{
    ((struct bench *)context)->is_up = true;
}

/* Tasks ------------------------------------------------------------------------------------- */

static void send_reports(struct bench *bench);

static void on_created(void *context, const struct store_answer *answer,
                       const struct problem *problem)
{
    struct bench *bench = context;

    if (problem) die(problem);
    CHECK(answer->verdict == STORE_DONE);
    bench->creating--;
    bench->task = answer->task->id;
    send_reports(bench);
}

static void create(struct bench *bench, const char *application)
{
    struct task_spec spec = TASK_SPEC_DEFAULT;

    snprintf(spec.application, sizeof(spec.application), "%s", application);
    snprintf(spec.interface, sizeof(spec.interface), "GET /%u/", bench->number++);
    spec.duration_min = 5;
    spec.threshold_ms = 100;
    spec.sample_cap = SAMPLE_CAP_MAX;
    bench->creating++;
    store_task_create(bench->store, &spec, on_created, bench);
}

/* Ingest ------------------------------------------------------------------------------------ */

static void on_report(void *context, const struct store_commit *commit,
                      const struct problem *problem)
{
    struct bench *bench = context;

    if (problem) die(problem);
    bench->open--;
    bench->taken += commit->outcome == REPORT_ACCEPTED;
    if (commit->task->state == TASK_FILLED && bench->creating == 0 &&
        strcmp(commit->task->id.text, bench->task.text) == 0) {
        create(bench, "bench");
    }
    send_reports(bench);
}

static void send_reports(struct bench *bench)
{
    while (bench->creating == 0 && bench->open < bench->in_flight &&
           clock_monotonic_ns() < bench->until_ns) {
        struct sample_summary summary = { .task = bench->task, .revision = 1, .incarnation = 1 };
        summary.id = sample_id_make();
        summary.trace = trace_id_make();
        snprintf(summary.application, sizeof(summary.application), "bench");
        snprintf(summary.interface, sizeof(summary.interface), "GET /");
        bench->open++;
        store_report(bench->store, &summary, (struct text){ bench->body, bench->body_size },
                     on_report, bench);
    }
}

static void ingest(struct bench *bench, size_t body_size, unsigned in_flight)
{
    uint64_t began_ns = clock_monotonic_ns(), began_cpu_ns = cpu_ns(), took_ns;

    bench->body_size = body_size;
    bench->in_flight = in_flight;
    bench->taken = 0;
    bench->until_ns = began_ns + ms_to_ns(ROUND_MS);
    create(bench, "bench");
    while (bench->creating || bench->open || clock_monotonic_ns() < bench->until_ns) {
        event_base_loop(bench->base, EVLOOP_ONCE);
        if (!bench->creating && !bench->open) break;
    }
    took_ns = clock_monotonic_ns() - began_ns;
    printf("%8zu %9u %10.0f %12.1f\n", body_size, in_flight,
           (double)bench->taken * 1e9 / (double)took_ns,
           (double)(cpu_ns() - began_cpu_ns) / 1e3 / (double)(bench->taken + !bench->taken));
}

/* Pages ------------------------------------------------------------------------------------- */

static void on_cancelled(void *context, const struct store_answer *answer,
                         const struct problem *problem)
{
    struct bench *bench = context;

    (void)answer;
    if (problem) die(problem);
    bench->open--;
}

static void make_tasks(struct bench *bench)
{
    bench->until_ns = 0; /* no reports */
    for (unsigned i = 0; i < PAGE_TASKS; i++) {
        create(bench, "pages");
        while (bench->creating) {
            event_base_loop(bench->base, EVLOOP_ONCE);
        }
        bench->open++;
        store_task_cancel(bench->store, TEXT("pages"), &bench->task, TEXT(""), on_cancelled, bench);
        while (bench->open) {
            event_base_loop(bench->base, EVLOOP_ONCE);
        }
    }
}

static void on_page(void *context, const struct history_tasks *page, const struct problem *problem)
{
    struct bench *bench = context;

    if (problem) die(problem);
    memcpy(bench->cursor, page->next, sizeof(bench->cursor));
    bench->is_read = true;
}

static void read_page(struct bench *bench, const char *cursor)
{
    bench->is_read = false;
    history_tasks(
        bench->history,
        &(struct history_query){
            .application = TEXT("pages"), .state = -1, .cursor = text_of(cursor), .limit = 100 },
        on_page, bench);
    while (!bench->is_read) {
        event_base_loop(bench->base, EVLOOP_ONCE);
    }
}

static void time_page(struct bench *bench, const char *name, const char *cursor)
{
    uint64_t began_ns = clock_monotonic_ns();

    for (unsigned i = 0; i < PAGE_ROUNDS; i++) {
        read_page(bench, cursor);
    }
    printf("%-6s page of 100 of %d tasks: %6.0f us\n", name, PAGE_TASKS,
           (double)(clock_monotonic_ns() - began_ns) / 1e3 / PAGE_ROUNDS);
}

static void pages(struct bench *bench)
{
    char last[CURSOR_SIZE_MAX + 1] = "", next[CURSOR_SIZE_MAX + 1] = "";

    make_tasks(bench);
    do {
        memcpy(last, next, sizeof(last));
        read_page(bench, last);
        memcpy(next, bench->cursor, sizeof(next));
    } while (next[0]);
    time_page(bench, "first", "");
    time_page(bench, "last", last);
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = { 2000, 20000, 200000 };
    static const unsigned depths[] = { 1, 16, 64 };
    char dir[] = "/tmp/stakeout-bench-XXXXXX", command[64];
    struct bench bench = { .base = event_base_new() };
    struct problem problem;

    setvbuf(stdout, NULL, _IOLBF, 0);
    CHECK(mkdtemp(dir));
    bench.body = mem_alloc(sizes[2]);
    for (size_t i = 0; i < sizes[2]; i++) {
        bench.body[i] = "0123456789abcdef"[random_u64() % 16];
    }
    bench.store = store_new(&(struct store_options){ .base = bench.base,
                                                     .state_dir = dir,
                                                     .url = argc > 1 ? argv[1] : NULL },
                            &problem);
    if (!bench.store) die(&problem);
    bench.history = history_new(bench.store);
    store_on_up(bench.store, on_up, &bench);
    while (!bench.is_up) {
        event_base_loop(bench.base, EVLOOP_ONCE);
    }
    printf("   bytes in flight  samples/s  CPU us each\n");
    for (size_t s = 0; s < ARRAY_COUNT(sizes); s++) {
        for (size_t d = 0; d < ARRAY_COUNT(depths); d++) {
            ingest(&bench, sizes[s], depths[d]);
        }
    }
    pages(&bench);
    store_free(bench.store);
    history_free(bench.history);
    event_base_free(bench.base);
    free(bench.body);
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    return system(command) == 0 ? 0 : 1;
}
