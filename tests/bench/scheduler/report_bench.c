/* SPDX-License-Identifier: Apache-2.0 */
/* report_bench.c [PAIRS]: what a report costs stakeoutd, against libevent's bare server that takes
 * the same bytes and answers.
 *
 * Reports of 2, 20 and 200 KB, made of stacks as a server's are; each is a sample of its own, and
 * is answered when the embedded Redis has it on disk. CPU is that of the server's thread, as the
 * kernel counts it; Redis' own is bench_intake's. Clients are one thread elsewhere, each with one
 * report under way. */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/own.h"
#include "common/base/random.h"
#include "common/model/limits.h"
#include "common/model/sample.h"
#include "common/wire/report.h"
#include "tests/bench/pairs.h"
#include "tests/bench/scheduler/bare_server.h"
#include "tests/bench/scheduler/clients.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum {
    PAIRS = 24,
    CONNECTIONS = 16,
    STRIDE = 2, /* snapshots between two looks at how large it has become */
    FUNCTIONS = 1000,
    MODULES = 12,
    DEPTH = 48,
    HEAD_ROOM = 256,
};

#define APPLICATION "bench"

/* A report ---------------------------------------------------------------------------------- */

static uint32_t put_frame(struct stack_table *table, uint32_t number)
{
    struct frame frame = { .kind = FRAME_NATIVE, .offset = 0x1000 + number * 0x140 };
    char name[64], path[64], build_id[20];
    uint32_t index;

    memset(build_id, (int)(1 + number % MODULES), sizeof build_id);
    snprintf(path, sizeof path, "/opt/shop/lib/libpart-%u.so", number % MODULES);
    snprintf(name, sizeof name, "shop::part_%u::function_%u", number % MODULES, number);
    CHECK(stack_table_module(table, text_of(path), (struct text){ build_id, sizeof build_id },
                             &frame.module) == 0);
    CHECK(stack_table_string(table, text_of(name), &frame.function) == 0);
    frame.function_offset = frame.offset - 0x20;
    CHECK(stack_table_frame(table, &frame, &index) == 0);
    return index;
}

/* The same outer frames as the stack before, down to somewhere, and others within. */
static void add_snapshot(struct sample *sample, uint32_t frames[DEPTH])
{
    static const uint64_t each_ns = 5 * NS_PER_MS;
    struct snapshot *snapshot = &sample->snapshots[sample->snapshot_count];
    uint32_t changed =
        sample->snapshot_count == 0 ? DEPTH : 1 + (uint32_t)(random_u64() % (DEPTH - 8));

    for (uint32_t i = 0; i < changed; i++) {
        frames[i] = put_frame(&sample->stacks, (uint32_t)(random_u64() % FUNCTIONS));
    }
    *snapshot = (struct snapshot){ .offset_ns = sample->threshold_ns + sample->listened_ns,
                                   .cpu_ns = sample->snapshot_count == 0 ? 0 : each_ns,
                                   .syscall = SYSCALL_NONE };
    CHECK(stack_table_stack(&sample->stacks, frames, DEPTH, &snapshot->stack) == 0);
    sample->snapshot_count++;
    sample->listened_ns += each_ns;
    sample->elapsed_ns = sample->threshold_ns + sample->listened_ns;
    sample->end_cpu_ns = each_ns;
}

static struct sample *begin_sample(void)
{
    struct sample *sample = sample_new();

    CHECK(sample);
    sample->id = sample_id_make();
    sample->trace = trace_id_make();
    sample->revision = 1;
    sample->incarnation = 17;
    sample->threshold_ns = 100 * NS_PER_MS;
    sample->frequency_ns = sample->interval_ns = 5 * NS_PER_MS;
    sample->began_wall_ns = clock_wall_ns() - NS_PER_S;
    snprintf(sample->application, sizeof sample->application, APPLICATION);
    snprintf(sample->instance, sizeof sample->instance, "host-1:17");
    snprintf(sample->interface, sizeof sample->interface, "POST /checkout");
    snprintf(sample->thread_name, sizeof sample->thread_name, "worker-4");
    sample->snapshots = mem_zalloc(SNAPSHOTS_MAX, sizeof *sample->snapshots);
    return sample;
}

/* A request, in which the task and the sample's id are replaced for each. */
struct report {
    struct buf request;
    size_t body_size, task_at, id_at;
    char task[TASK_ID_SIZE + 1];
};

static size_t place_of(const struct buf *bytes, const char *what, size_t size)
{
    const char *at = memmem(bytes->data, bytes->size, what, size);

    CHECK(at);
    return (size_t)(at - bytes->data);
}

static void write_report(struct report *ret, const char *path, size_t size)
{
    OWN(sample_freep) struct sample *sample = begin_sample();
    OWN(buf_done) struct buf body = BUF_INIT(REPORT_SIZE_MAX);
    static const char task[] = "0123456789abcdef0123";
    uint32_t frames[DEPTH];
    char id[16];

    memcpy(sample->task.text, task, sizeof task);
    while (body.size < size) {
        CHECK(sample->snapshot_count + STRIDE <= SNAPSHOTS_MAX);
        for (int i = 0; i < STRIDE; i++) {
            add_snapshot(sample, frames);
        }
        buf_reset(&body);
        CHECK(report_encode(sample, &body) == 0);
    }
    for (int i = 0; i < 16; i++) {
        char digits[3] = { sample->id.text[2 * i], sample->id.text[2 * i + 1] };

        id[i] = (char)strtoul(digits, NULL, 16);
    }
    *ret =
        (struct report){ .request = BUF_INIT(REPORT_SIZE_MAX + HEAD_ROOM), .body_size = body.size };
    buf_printf(&ret->request,
               "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/msgpack\r\n"
               "Content-Length: %zu\r\n\r\n",
               path, body.size);
    buf_append(&ret->request, body.data, body.size);
    CHECK(ret->request.failed == 0);
    ret->task_at = place_of(&ret->request, task, sizeof task - 1);
    ret->id_at = place_of(&ret->request, id, sizeof id);
}

/* The next one to send: another sample of the task. */
static void next_report(void *context, struct text *ret)
{
    struct report *report = context;
    uint64_t id[2] = { random_u64(), random_u64() };

    memcpy(report->request.data + report->id_at, id, sizeof id);
    memcpy(report->request.data + report->task_at, report->task, TASK_ID_SIZE);
    *ret = buf_peek(&report->request);
}

/* CPU per report ---------------------------------------------------------------------------- */

struct server {
    pid_t pid;
    struct clients clients;
    struct report report;
};

struct match {
    struct server ours, bare;
    unsigned rounds; /* of one measurement: each fills a task */
};

static double cpu_us_of(pid_t pid)
{
    char path[64];
    unsigned long long ns = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
    file = fopen(path, "re");
    CHECK(file && fscanf(file, "%llu", &ns) == 1);
    fclose(file);
    return (double)ns / 1e3;
}

static double fill(struct server *server)
{
    double before_us = cpu_us_of(server->pid);

    clients_run_each(&server->clients, next_report, &server->report, SAMPLE_CAP_MAX);
    return cpu_us_of(server->pid) - before_us;
}

static void check_taken(const char *id)
{
    json_t *task = scheduler_get_task(id, "");

    CHECK(number_at(task, "samples") == SAMPLE_CAP_MAX);
    json_decref(task);
}

static double measure_ours(void *context)
{
    struct match *match = context;
    double sum_us = 0;

    for (unsigned i = 0; i < match->rounds; i++) {
        scheduler_create_task(APPLICATION, ",\"sample_cap\":100", match->ours.report.task);
        sum_us += fill(&match->ours);
        check_taken(match->ours.report.task);
    }
    return sum_us / (match->rounds * SAMPLE_CAP_MAX);
}

static double measure_bare(void *context)
{
    struct match *match = context;
    double sum_us = 0;

    for (unsigned i = 0; i < match->rounds; i++) {
        sum_us += fill(&match->bare);
    }
    return sum_us / (match->rounds * SAMPLE_CAP_MAX);
}

static void play(size_t size, unsigned rounds, double bar, uint32_t pair_count)
{
    struct match match = { .rounds = rounds };
    struct pairs_ratio ratio;
    char says[80];
    uint16_t port;

    match.ours.pid = scheduler.pid;
    write_report(&match.ours.report, "/probe/v1/report", size);
    write_report(&match.bare.report, "/hello", size);
    match.bare.pid = bare_server_start(TEXT("\x82\x01\x01\x02\x01"), &port);
    clients_open(&match.ours.clients, scheduler.port, CONNECTIONS);
    clients_open(&match.bare.clients, port, CONNECTIONS);
    snprintf(says, sizeof says, "a report of %.1f KB / bare evhttp: us of CPU",
             (double)match.ours.report.body_size / 1e3);
    pairs_run(&(struct pairs_options){ measure_ours, measure_bare, &match, pair_count }, &ratio);
    pairs_print(says, &ratio, 1 / bar);
    clients_close(&match.ours.clients);
    clients_close(&match.bare.clients);
    kill(match.bare.pid, SIGKILL);
    waitpid(match.bare.pid, NULL, 0);
    buf_done(&match.ours.report.request);
    buf_done(&match.bare.report.request);
}

int main(int argc, char **argv)
{
    /* What a bare server takes of ours, at least; so that ours over it is the inverse. */
    static const struct {
        size_t size;
        unsigned rounds;
        double bar;
    } bars[] = { { 2000, 6, 0.6 }, { 20000, 3, 0.55 }, { 200000, 1, 0.65 } };
    uint32_t pair_count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : PAIRS;

    setlinebuf(stdout);
    scheduler_process_start(&scheduler);
    for (size_t i = 0; i < ARRAY_COUNT(bars); i++) {
        play(bars[i].size, bars[i].rounds, bars[i].bar, pair_count);
    }
    scheduler_process_done(&scheduler);
    return 0;
}
