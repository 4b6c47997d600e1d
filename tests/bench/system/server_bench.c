/* SPDX-License-Identifier: Apache-2.0 */
/* server_bench.c [PAIRS [shop|Apache]]: what the probe costs a saturated server by request.
 *
 * Two servers of a kind run side by side: one with the probe, linked to a real scheduler, and one
 * that was built, or is configured, without it. Both are asked for something slow by SLOW clients
 * all the time; for something fast by FAST clients, as often as they are answered, in turns. A
 * measurement is such a turn: the server's CPU time, the probe's threads included, by answer.
 *
 *   no task      the probe counts calls; nothing is watched
 *   task         the slow ones are listened to every 5 ms, by the default budget, or without one
 *
 * The slow clients are apart by a part of what their calls take, so that all but one of them are
 * listened to at every moment. Beside the ratio stands what the probe's own threads used, by the
 * kernel's books: the ratio is of two processes, and moves with whatever else the machine does.
 *
 * The kinds are the demo's shop (GET /item/{id}, and an upstream that never answers), and Debian's
 * Apache with mod_stakeout (a static page, and mod_slow), if they were built. */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/wall_time.h"
#include "tests/bench/pairs.h"
#include "tests/bench/system/load.h"
#include "tests/bench/system/own_threads.h"
#include "tests/integration/system/house.h"
#include "tests/support/wait.h"
#ifdef WITH_HTTPD
#include "tests/integration/integrations/httpd_process.h"
#endif

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    PAIRS = 200,
    SPELL_PAIRS = 10, /* with the same processes, and one task: its cap is not reached */
    TURN_MS = 100,
    TRIES_MAX = 10,
    FAST = 12,
    SLOW = 5,
    LISTENED_MIN = 4, /* calls, at every moment */
    FREQUENCY_MS = 5,
    THRESHOLD_MS = 50,
    SAMPLE_CAP = 100,
    ARMED_MS = 20000,
    PIDS_MAX = 64,
    LINE_SIZE = 128,
};

/* ---- servers ---- */

struct server {
    pid_t pids[PIDS_MAX];
    size_t pid_count;
    uint16_t port;
    struct load *load;
    double used_ns, own_ns; /* in all turns: CPU time, and the part of the probe's threads */
    char folder[64];        /* the shop's */
};

/* How a server is started: with a probe (or not), and its budget (or all there is). */
struct terms {
    bool has_probe, is_unlimited;
    const struct house *house;
};

struct kind {
    const char *name, *application, *interface, *fast, *slow;
    uint32_t slow_ms; /* what a slow call takes */
    void (*start)(const struct terms *terms, struct server *ret);
    void (*stop)(struct server *server);
};

/* For the processes that start from here on. */
static void environment_set(const struct terms *terms)
{
    char address[64];

    snprintf(address, sizeof address, "http://127.0.0.1:%u",
             (unsigned)terms->house->scheduler.port);
    setenv("STAKEOUT_SERVER", address, 1);
    if (terms->is_unlimited) {
        setenv("STAKEOUT_BUDGET_CORE", "100", 1);
        setenv("STAKEOUT_BUDGET_THREAD", "100", 1);
    } else {
        unsetenv("STAKEOUT_BUDGET_CORE");
        unsetenv("STAKEOUT_BUDGET_THREAD");
    }
}

#ifdef SHOP

static uint16_t deaf_port; /* connections to it are accepted by the kernel, and never answered */

static void deaf_open(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd;

    if (deaf_port != 0) return;
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(fd, (struct sockaddr *)&address, size) == 0 && listen(fd, 4096) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    deaf_port = ntohs(address.sin_port);
}

static void become_shop(const struct terms *terms, const char *folder, int output)
{
    char port[16];
    const char *program = terms->has_probe ? SHOP : SHOP_WITHOUT;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    CHECK(dup2(output, 1) == 1);
    snprintf(port, sizeof port, "%u", (unsigned)deaf_port);
    execl(program, "shop", "--folder", folder, "--carrier", port, "--items", "20000", (char *)NULL);
    _exit(127);
}

static void shop_start(const struct terms *terms, struct server *ret)
{
    char line[LINE_SIZE];
    unsigned port = 0;
    int output[2];
    FILE *said;

    deaf_open();
    environment_set(terms);
    snprintf(ret->folder, sizeof ret->folder, "/tmp/stakeout-bench-XXXXXX");
    CHECK(mkdtemp(ret->folder) && pipe2(output, O_CLOEXEC) == 0);
    ret->pids[0] = fork();
    CHECK(ret->pids[0] >= 0);
    if (ret->pids[0] == 0) become_shop(terms, ret->folder, output[1]);
    close(output[1]);
    said = fdopen(output[0], "r");
    CHECK(said != NULL);
    while (fgets(line, sizeof line, said) && port == 0) {
        if (sscanf(line, "shop: http://127.0.0.1:%u", &port) == 1) break;
    }
    CHECK(port != 0);
    fclose(said);
    ret->pid_count = 1;
    ret->port = (uint16_t)port;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status, (void)kind, (void)where;
    return remove(path);
}

static void shop_stop(struct server *server)
{
    kill(server->pids[0], SIGTERM);
    waitpid(server->pids[0], NULL, 0);
    nftw(server->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif

#ifdef WITH_HTTPD

/* As Debian configures it: the tests' few threads make children come and go under this load. */
#define HTTPD_LINES                                            \
    "StartServers 2\nMinSpareThreads 25\nMaxSpareThreads 75\n" \
    "ThreadsPerChild 25\nMaxRequestWorkers 150\n"

static struct httpd_process httpds[2]; /* without, and with the probe */
static char httpd_lines[512];

static void httpd_start(const struct terms *terms, struct server *ret)
{
    struct httpd_process *httpd = &httpds[terms->has_probe];

    snprintf(httpd_lines, sizeof httpd_lines,
             HTTPD_LINES "StakeoutDumpable on\nStakeoutApplication httpd\n"
                         "StakeoutServer http://127.0.0.1:%u\n"
                         "StakeoutInterface GET /slow/{id}\n",
             (unsigned)terms->house->scheduler.port);
    environment_set(terms);
    *httpd = (struct httpd_process){ .mpm = "event",
                                     .with_stakeout = terms->has_probe,
                                     .lines = terms->has_probe ? httpd_lines : HTTPD_LINES };
    httpd_process_start(httpd);
    ret->port = httpd->port;
}

static void httpd_stop(struct server *server)
{
    httpd_process_stop(server->port == httpds[0].port ? &httpds[0] : &httpds[1]);
}

#endif

static double own_ns(const struct server *server)
{
    double sum_ns = 0;

    for (size_t i = 0; i < server->pid_count; i++) {
        sum_ns += own_threads_cpu_ns(server->pids[i]);
    }
    return sum_ns;
}

/* CPU time of all its processes. Apache's come and go: those of the turn's begin are counted. */
static double cpu_ns(const struct server *server)
{
    double sum_ns = 0;

    for (size_t i = 0; i < server->pid_count; i++) {
        struct timespec used;
        clockid_t clock;

        if (clock_getcpuclockid(server->pids[i], &clock) != 0) continue;
        if (clock_gettime(clock, &used) != 0) continue;
        sum_ns += (double)used.tv_sec * 1e9 + (double)used.tv_nsec;
    }
    return sum_ns;
}

static void processes_find(struct server *server)
{
#ifdef WITH_HTTPD
    for (int i = 0; i < 2; i++) {
        if (httpds[i].pid > 0 && httpds[i].port == server->port)
            server->pid_count = httpd_process_children(&httpds[i], server->pids);
    }
#else
    (void)server;
#endif
}

static void server_start(const struct kind *kind, const struct terms *terms, struct server *ret)
{
    *ret = (struct server){ 0 };
    kind->start(terms, ret);
    ret->load = load_start(&(struct load_options){ .port = ret->port,
                                                   .fast = kind->fast,
                                                   .slow = kind->slow,
                                                   .fast_count = FAST,
                                                   .slow_count = SLOW,
                                                   .slow_apart_ms = kind->slow_ms / SLOW });
}

static void server_stop(const struct kind *kind, struct server *server)
{
    load_stop(server->load);
    kind->stop(server);
}

/* A turn: nanoseconds of CPU by answer; 0: the machine stood still, and nothing was answered. */
static double turn_take(struct server *server)
{
    uint64_t answers;
    double used_ns, used_own_ns;

    load_let(server->load, true);
    nanosleep(&(struct timespec){ .tv_nsec = TURN_MS / 10 * 1000000L }, NULL); /* it gets warm */
    processes_find(server);
    used_own_ns = own_ns(server);
    used_ns = cpu_ns(server);
    answers = load_answers(server->load);
    nanosleep(&(struct timespec){ .tv_nsec = TURN_MS * 1000000L }, NULL);
    used_ns = cpu_ns(server) - used_ns;
    answers = load_answers(server->load) - answers;
    server->own_ns += own_ns(server) - used_own_ns;
    server->used_ns += used_ns;
    load_let(server->load, false);
    return answers > 0 ? used_ns / (double)answers : 0;
}

static double measure(struct server *server)
{
    double ns = 0;

    for (int i = 0; i < TRIES_MAX && ns <= 0; i++) {
        ns = turn_take(server);
    }
    CHECK(ns > 0); /* it answers */
    return ns;
}

/* ---- tasks ---- */

struct arming {
    struct house *house;
    struct task_id task;
};

static bool is_listening(void *context)
{
    struct arming *arming = context;

    return house_ledger_sum(arming->house, &arming->task, "snapshots") > 0;
}

static void task_order(struct house *house, const struct kind *kind, struct task_id *ret)
{
    struct arming arming = { .house = house };

    house_order(house,
                &(struct order){ .application = kind->application,
                                 .interface = kind->interface,
                                 .threshold_ms = THRESHOLD_MS,
                                 .frequency_ms = FREQUENCY_MS,
                                 .sample_cap = SAMPLE_CAP },
                &arming.task);
    CHECK(wait_until(is_listening, &arming, ARMED_MS));
    *ret = arming.task;
}

/* What was listened to, summed over tasks. */
struct listened {
    double s; /* of all calls together */
    int64_t snapshots, calls;
    double judged_ms, enough_ms; /* and how long at LISTENED_MIN calls or more */
};

/* When a call began to be listened to, and when it ended. */
struct edge {
    double at_ms;
    int change;
};

static int edge_order(const void *a, const void *b)
{
    double x = ((const struct edge *)a)->at_ms, y = ((const struct edge *)b)->at_ms;

    return (x > y) - (x < y);
}

/* From when all clients had one, to when the first had its last. */
static void listened_judge(struct edge *edges, size_t count, struct listened *listened)
{
    int calls = 0;

    qsort(edges, count, sizeof *edges, edge_order);
    for (size_t i = 0; i + 1 < count; i++) {
        double lasts_ms = edges[i + 1].at_ms - edges[i].at_ms;

        calls += edges[i].change;
        if (i < (size_t)2 * SLOW || i + 2 * SLOW >= count) continue;
        listened->judged_ms += lasts_ms;
        if (calls >= LISTENED_MIN) listened->enough_ms += lasts_ms;
    }
}

static void listened_add(struct house *house, const struct task_id *task, struct listened *listened)
{
    json_t *answer = house_get(house, "/api/v1/tasks/%s/samples?limit=1000", task->text), *sample;
    struct edge edges[2 * SAMPLE_CAP];
    size_t i, count = 0;

    json_array_foreach(json_object_get(answer, "samples"), i, sample)
    {
        double ms = json_number_value(json_object_get(sample, "elapsed_ms")) - THRESHOLD_MS;
        uint64_t at_ms = 0;

        listened->calls++;
        if (ms <= 0 || count == (size_t)2 * SAMPLE_CAP) continue;
        CHECK(wall_time_parse(text_of(json_string_value(json_object_get(sample, "at"))), &at_ms) ==
              0);
        listened->s += ms / 1e3;
        edges[count++] = (struct edge){ (double)at_ms + THRESHOLD_MS, 1 };
        edges[count++] = (struct edge){ (double)at_ms + THRESHOLD_MS + ms, -1 };
    }
    listened_judge(edges, count, listened);
    json_decref(answer);
    listened->snapshots += house_ledger_sum(house, task, "snapshots");
}

/* ---- rows ---- */

struct row {
    const struct kind *kind;
    struct house *house;
    const char *says;
    bool has_task, is_unlimited;
    uint32_t count;
    double *with, *without; /* by pair */
    double servers_ns, used_ns,
        own_ns; /* CPU time: of both; in turns of the one with the probe, and
                                         * what its threads of ours used of that */
    struct listened listened;
};

/* Servers of a spell are started in turns that change, too: where a process lies in memory is
 * chance, and a percent or two. */
static void servers_start(const struct row *row, bool probe_first, struct server ret[2])
{
    for (int i = 0; i < 2; i++) {
        int which = (i == 0) == probe_first;
        struct terms terms = { .house = row->house,
                               .is_unlimited = row->is_unlimited,
                               .has_probe = which == 1 };

        server_start(row->kind, &terms, &ret[which]);
    }
    measure(&ret[0]);
    measure(&ret[1]);
    ret[1].used_ns = ret[1].own_ns = 0;
}

static void turns_take(struct server servers[2], uint32_t count, double *with, double *without)
{
    for (uint32_t i = 0; i < count; i++) {
        if (i % 2 == 0) with[i] = measure(&servers[1]);
        without[i] = measure(&servers[0]);
        if (i % 2 != 0) with[i] = measure(&servers[1]);
    }
}

/* So many pairs with servers, and a task, of their own. */
static void spell_take(struct row *row, uint32_t at, uint32_t count)
{
    struct server servers[2];
    struct task_id task;
    double servers_ns;

    servers_start(row, at / SPELL_PAIRS % 2 != 0, servers);
    if (row->has_task) task_order(row->house, row->kind, &task);
    servers_ns = cpu_ns(&servers[0]) + cpu_ns(&servers[1]);
    turns_take(servers, count, row->with + at, row->without + at);
    row->servers_ns += cpu_ns(&servers[0]) + cpu_ns(&servers[1]) - servers_ns;
    row->used_ns += servers[1].used_ns;
    row->own_ns += servers[1].own_ns;
    if (row->has_task) {
        house_cancel(row->house, &task);
        listened_add(row->house, &task, &row->listened);
    }
    server_stop(row->kind, &servers[0]);
    server_stop(row->kind, &servers[1]);
}

static void row_print(const struct row *row, const struct pairs_ratio *ratio)
{
    const struct listened *listened = &row->listened;
    char says[LINE_SIZE];

    snprintf(says, sizeof says, "%s, %s", row->kind->name, row->says);
    pairs_print(says, ratio, row->has_task ? 1.01 : 1);
    if (!row->has_task) {
        pairs_print_worse(ratio);
    } else if (listened->snapshots > 0) {
        printf("%-36s %lld snapshots of %lld calls, one each %.1f ms; %d or more calls listened to "
               "in %.1f %% of the time\n",
               "", (long long)listened->snapshots, (long long)listened->calls,
               1e3 * listened->s / (double)listened->snapshots, LISTENED_MIN,
               100 * listened->enough_ms / listened->judged_ms);
    }
    printf("%-36s the probe's threads used %.2f %% of the server's CPU time\n", "",
           100 * row->own_ns / row->used_ns);
}

static void row_measure(struct row row)
{
    struct pairs_busy before = pairs_busy_read(), after;
    struct pairs_ratio ratio;

    row.with = mem_alloc(row.count * sizeof *row.with);
    row.without = mem_alloc(row.count * sizeof *row.without);
    for (uint32_t at = 0; at < row.count; at += SPELL_PAIRS) {
        spell_take(&row, at, row.count - at < SPELL_PAIRS ? row.count - at : SPELL_PAIRS);
    }
    after = pairs_busy_read();
    after.own_s += row.servers_ns / 1e9;
    pairs_of(row.with, row.without, row.count, &ratio);
    ratio.others = pairs_busy_others(&before, &after);
    row_print(&row, &ratio);
    free(row.with);
    free(row.without);
}

static const struct kind kinds[] = {
#ifdef SHOP
    { "shop", "shop", "GET /shipping/{parcel}", "/item/7", "/shipping/17", 900, shop_start,
      shop_stop },
#endif
#ifdef WITH_HTTPD
    { "Apache", "httpd", "GET /slow/{id}", "/index.html", "/slow/x?ms=900", 900, httpd_start,
      httpd_stop },
#endif
    { 0 },
};

int main(int argc, char **argv)
{
    uint32_t count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : PAIRS;
    struct house house = { 0 };

    if (count == 0 || count > PAIRS_COUNT_MAX) {
        fprintf(stderr, "usage: bench_server [PAIRS [shop|Apache]]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("ns of CPU by request of a saturated server, to the same without the probe\n");
    house_open(&house);
    for (const struct kind *kind = kinds; kind->name; kind++) {
        struct row row = { .kind = kind, .house = &house, .count = count };

        if (argc > 2 && strcmp(argv[2], kind->name) != 0) continue;
        row.says = "no task";
        row_measure(row);
        row.has_task = true;
        row.is_unlimited = true;
        row.says = "task at 5 ms, no budget";
        row_measure(row);
        row.is_unlimited = false;
        row.says = "task at 5 ms, budget";
        row_measure(row);
    }
    house_close(&house);
    return 0;
}
