/* SPDX-License-Identifier: Apache-2.0 */
/* intake_bench.c [PAIRS]: what taking a report costs Redis and us, against two yardsticks.
 *
 * Redis' CPU, for reports of 2, 20 and 200 KB as they are stored: ours, staged by SET and decided
 * by a function, those that come together as one transaction; against redis-benchmark, which hands
 * the same bytes to the same function: the library of this program with one more line, by which the
 * function stores the bytes itself. Both keep 16 reports under way, redis-benchmark first by one
 * client that pipelines them, then by 16 clients; in a task whose cap takes them all, on the
 * private Redis with appendfsync always. All commands of ours are counted.
 *
 * Our own CPU, for reports of 200 KB: 256 under way against 4. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/own.h"
#include "common/base/random.h"
#include "scheduler/store/blob.h"
#include "scheduler/store/record.h"
#include "scheduler/store/store_private.h"
#include "tests/bench/pairs.h"

enum {
    PAIRS = 24,
    DEPTH = 16,
    FEW = 4,
    MANY = 256,
    BODY_SIZE_MAX = 200000,
    ARGUMENTS_MAX = 48,
    BENCH_ARGUMENTS = 13, /* redis-benchmark's own */
};

struct bench {
    char dir[32], socket[64];
    struct event_base *base;
    struct store *store;
    struct task_id task;
    char *body; /* random, so that it is stored as large as it is reported, and without zeros, which
                   redis-benchmark takes for the end */
    size_t body_size;
    unsigned count, depth, sent, open;
    unsigned clients; /* of redis-benchmark */
    bool is_up, is_created;
};

static void die(const struct problem *problem)
{
    fprintf(stderr, "bench_intake: %s\n", problem->detail);
    exit(1);
}

/* Redis, asked from outside ----------------------------------------------------------------- */

static void ask(const struct bench *bench, const char *command, char *ret, size_t size)
{
    char line[512];
    size_t got;
    FILE *pipe;

    snprintf(line, sizeof(line), "redis-cli -s %s/redis/redis.sock %s", bench->dir, command);
    pipe = popen(line, "re");
    CHECK(pipe);
    got = fread(ret, 1, size - 1, pipe);
    ret[got] = '\0';
    CHECK(pclose(pipe) == 0);
}

static double redis_cpu_us(const struct bench *bench)
{
    char info[2048];
    const char *sys, *user;

    ask(bench, "INFO cpu", info, sizeof(info));
    sys = strstr(info, "used_cpu_sys:");
    user = strstr(info, "used_cpu_user:");
    CHECK(sys && user);
    return 1e6 * (strtod(sys + strlen("used_cpu_sys:"), NULL) +
                  strtod(user + strlen("used_cpu_user:"), NULL));
}

/* The library under another name, with a function that is handed the bytes. */
static void load_yardstick(const struct bench *bench)
{
    static const char take[] =
        "export('take', function(keys, args)\n"
        "    redis.call('SET', keys[#keys - 1], args[8], 'NX', 'PX', 60000)\n"
        "    return commit_all(keys, args)\n"
        "end)\n";
    char path[64], command[128], answer[256];
    const char *at = store_functions, *found;
    FILE *file;

    snprintf(path, sizeof(path), "%s/yardstick.lua", bench->dir);
    file = fopen(path, "we");
    CHECK(file);
    while ((found = strstr(at, STORE_LIBRARY)) != NULL) {
        fwrite(at, 1, (size_t)(found - at), file);
        fputs("stakeout_bench", file);
        at = found + strlen(STORE_LIBRARY);
    }
    fputs(at, file);
    fputs(take, file);
    CHECK(fclose(file) == 0);
    snprintf(command, sizeof(command), "-x FUNCTION LOAD REPLACE <%s", path);
    ask(bench, command, answer, sizeof(answer));
    CHECK(strncmp(answer, "stakeout_bench", 14) == 0);
}

/* The task ---------------------------------------------------------------------------------- */

static void on_created(void *context, const struct store_answer *answer,
                       const struct problem *problem)
{
    struct bench *bench = context;

    if (problem) die(problem);
    CHECK(answer->verdict == STORE_DONE);
    bench->task = answer->task->id;
    bench->is_created = true;
}

/* In an empty Redis: the functions stay. */
static void begin(struct bench *bench)
{
    struct task_spec spec = TASK_SPEC_DEFAULT;
    char command[128], answer[64];

    ask(bench, "FLUSHALL", answer, sizeof(answer));
    snprintf(spec.application, sizeof(spec.application), "bench");
    snprintf(spec.interface, sizeof(spec.interface), "GET /");
    spec.duration_min = 15;
    spec.threshold_ms = 100;
    spec.sample_cap = SAMPLE_CAP_MAX;
    bench->is_created = false;
    store_task_create(bench->store, &spec, on_created, bench);
    while (!bench->is_created) {
        event_base_loop(bench->base, EVLOOP_ONCE);
    }
    snprintf(command, sizeof(command), "HSET 'stakeout:{bench}:task:%s' sample_cap 1000000000",
             bench->task.text);
    ask(bench, command, answer, sizeof(answer));
}

static struct sample_summary summary_make(const struct bench *bench)
{
    struct sample_summary summary = { .task = bench->task, .revision = 1, .incarnation = 1 };

    summary.id = sample_id_make();
    summary.trace = trace_id_make();
    snprintf(summary.application, sizeof(summary.application), "bench");
    snprintf(summary.interface, sizeof(summary.interface), "GET /");
    return summary;
}

/* Ours -------------------------------------------------------------------------------------- */

static void send_reports(struct bench *bench);

static void on_report(void *context, const struct store_commit *commit,
                      const struct problem *problem)
{
    struct bench *bench = context;

    if (problem) die(problem);
    CHECK(commit->outcome == REPORT_ACCEPTED);
    bench->open--;
    send_reports(bench);
}

static void send_reports(struct bench *bench)
{
    while (bench->open < bench->depth && bench->sent < bench->count) {
        struct sample_summary summary = summary_make(bench);

        bench->open++;
        bench->sent++;
        store_report(bench->store, &summary, (struct text){ bench->body, bench->body_size },
                     on_report, bench);
    }
}

static void take_all(struct bench *bench, unsigned depth)
{
    bench->depth = depth;
    bench->sent = 0;
    send_reports(bench);
    while (bench->open > 0) {
        event_base_loop(bench->base, EVLOOP_ONCE);
    }
}

static double redis_ours(void *context)
{
    struct bench *bench = context;
    double before_us;

    begin(bench);
    before_us = redis_cpu_us(bench);
    take_all(bench, DEPTH);
    return (redis_cpu_us(bench) - before_us) / bench->count;
}

static double own_cpu_us(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return 1e6 * (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static double own_at(struct bench *bench, unsigned depth)
{
    double before_us;

    begin(bench);
    before_us = own_cpu_us();
    take_all(bench, depth);
    return (own_cpu_us() - before_us) / bench->count;
}

static double own_at_many(void *context)
{
    return own_at(context, MANY);
}

static double own_at_few(void *context)
{
    return own_at(context, FEW);
}

/* redis-benchmark --------------------------------------------------------------------------- */

/* As store_reports.c calls it; redis-benchmark puts a number in the place of __rand_int__, so that
 * each sample is another. The bytes come last, from standard input. */
static struct redis_command yardstick_command(const struct bench *bench)
{
    static const char id[] = "00000000000000000000__rand_int__";
    struct sample_summary summary = summary_make(bench);
    struct key_tag tag = key_tag_make(TEXT("bench"));
    struct redis_command command = redis_command_make("FCALL");
    OWN(buf_done) struct buf record = BUF_INIT(RECORD_SIZE_MAX);

    memcpy(summary.id.text, id, sizeof(id));
    record_write_summary(&record, &summary);
    redis_command_add(&command, TEXT("stakeout_bench_take"));
    redis_command_add_u64(&command, STORE_MOVE_KEYS + 5);
    store_add_move_keys(&command, &tag, &bench->task);
    key_add_task(&command, &tag, &bench->task, "samples");
    key_add_task(&command, &tag, &bench->task, "seen");
    key_add(&command, &tag, "bytes");
    key_add_blob(&command, &tag, &summary.id, 1);
    key_add_blob(&command, &tag, &summary.id, 1);
    redis_command_add(&command, text_of(bench->task.text));
    redis_command_add(&command, TEXT("00000000000000000000__rand_int__"));
    redis_command_add_u64(&command, 1);
    redis_command_add_u64(&command, 0);
    redis_command_add(&command, buf_peek(&record));
    redis_command_add(&command, TEXT("0000000000000001"));
    redis_command_add(&command, TEXT(""));
    return command;
}

/* The arguments of a command, each of its own memory: "$3\r\nSET\r\n" again and again. */
static size_t split(struct text bytes, char **ret, size_t max)
{
    const char *at = memchr(bytes.data, '\n', bytes.size), *end = bytes.data + bytes.size;
    size_t count = 0;

    for (at++; at < end && count < max; count++) {
        size_t size = strtoul(at + 1, NULL, 10);

        at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
        ret[count] = mem_text(at, size);
        at += size + 2;
    }
    return count;
}

/* Runs it with the body on its standard input. */
static void run(const struct bench *bench, char **argv)
{
    int input[2], status;
    pid_t pid;

    CHECK(pipe(input) == 0);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        dup2(input[0], 0);
        close(input[0]);
        close(input[1]);
        CHECK(freopen("/dev/null", "w", stdout));
        execvp(argv[0], argv);
        _exit(127);
    }
    close(input[0]);
    for (size_t done = 0; done < bench->body_size;) {
        ssize_t size = write(input[1], bench->body + done, bench->body_size - done);

        CHECK(size > 0);
        done += (size_t)size;
    }
    close(input[1]);
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void benchmark(const struct bench *bench)
{
    struct redis_command command = yardstick_command(bench);
    char count[16], clients[16], depth[16], socket[64];
    char *argv[BENCH_ARGUMENTS + ARGUMENTS_MAX + 1] = {
        "redis-benchmark", "-s", socket, "-n", count, "-c", clients, "-P", depth, "-r",
        "1000000000",      "-q", "-x",
    };
    size_t split_count =
        split(redis_command_bytes(&command), argv + BENCH_ARGUMENTS, ARGUMENTS_MAX);

    snprintf(socket, sizeof(socket), "%s/redis/redis.sock", bench->dir);
    snprintf(count, sizeof(count), "%u", bench->count);
    snprintf(clients, sizeof(clients), "%u", bench->clients);
    snprintf(depth, sizeof(depth), "%u", DEPTH / bench->clients);
    run(bench, argv);
    for (size_t i = 0; i < split_count; i++) {
        free(argv[BENCH_ARGUMENTS + i]);
    }
    redis_command_done(&command);
}

static double redis_other(void *context)
{
    struct bench *bench = context;
    char command[128], answer[32];
    double before_us, cost_us;
    unsigned long taken;

    begin(bench);
    before_us = redis_cpu_us(bench);
    benchmark(bench);
    cost_us = redis_cpu_us(bench) - before_us;
    snprintf(command, sizeof(command), "HGET 'stakeout:{bench}:task:%s' samples", bench->task.text);
    ask(bench, command, answer, sizeof(answer));
    taken = strtoul(answer, NULL, 10); /* it sends whole pipelines; an id comes twice, rarely */
    CHECK(taken > bench->count * 99 / 100);
    return cost_us / (double)taken;
}

/* The bars ---------------------------------------------------------------------------------- */

/* clang-format off */
static const struct {
    const char *says;
    size_t body_size;
    unsigned reports, clients; /* of one measurement */
    pairs_measure_fn subject, yardstick;
    double bar;
} bars[] = {
    { "Redis, 2 KB, one client: us",      2000, 1200,     1, redis_ours, redis_other, 1.0 },
    { "Redis, 20 KB, one client: us",    20000,  600,     1, redis_ours, redis_other, 0.75 },
    { "Redis, 200 KB, one client: us",  200000,  100,     1, redis_ours, redis_other, 0.6 },
    { "Redis, 2 KB, 16 clients: us",      2000, 1200, DEPTH, redis_ours, redis_other, 1.0 },
    { "Redis, 20 KB, 16 clients: us",    20000,  600, DEPTH, redis_ours, redis_other, 0.75 },
    { "Redis, 200 KB, 16 clients: us",  200000,  100, DEPTH, redis_ours, redis_other, 0.6 },
    { "ours, 200 KB, 256 under way: us", 200000, 512,     1, own_at_many, own_at_few, 1.5 },
};
/* clang-format on */

static void on_up(void *context)
{
    ((struct bench *)context)->is_up = true;
}

int main(int argc, char **argv)
{
    struct bench bench = { .dir = "/tmp/stakeout-bench-XXXXXX", .base = event_base_new() };
    struct problem problem;
    char command[64];

    setvbuf(stdout, NULL, _IOLBF, 0);
    CHECK(mkdtemp(bench.dir));
    bench.body = mem_alloc(BODY_SIZE_MAX);
    for (size_t i = 0; i < BODY_SIZE_MAX; i++) {
        bench.body[i] = (char)(1 + random_u64() % 255);
    }
    bench.store =
        store_new(&(struct store_options){ .base = bench.base, .state_dir = bench.dir }, &problem);
    if (!bench.store) die(&problem);
    store_on_up(bench.store, on_up, &bench);
    while (!bench.is_up) {
        event_base_loop(bench.base, EVLOOP_ONCE);
    }
    load_yardstick(&bench);
    for (size_t i = 0; i < ARRAY_COUNT(bars); i++) {
        struct pairs_ratio ratio;

        bench.body_size = bars[i].body_size;
        bench.count = bars[i].reports;
        bench.clients = bars[i].clients;
        pairs_run(&(struct pairs_options){ .subject = bars[i].subject,
                                           .yardstick = bars[i].yardstick,
                                           .context = &bench,
                                           .count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10)
                                                             : PAIRS },
                  &ratio);
        pairs_print(bars[i].says, &ratio, bars[i].bar);
    }
    store_free(bench.store);
    event_base_free(bench.base);
    free(bench.body);
    snprintf(command, sizeof(command), "rm -rf '%s'", bench.dir);
    return system(command) == 0 ? 0 : 1;
}
