/* SPDX-License-Identifier: Apache-2.0 */
/* http_bench.c [PAIRS [PARKED]]: what HTTP costs stakeoutd, against bare servers.
 *
 *   - CPU of a poll that is answered at once, "no tasks", against libevent's server that says the
 *     same bytes to the same request, and against nginx (where it is installed);
 *   - memory of a parked poll, after its second wake;
 *   - waking 10,000 parked polls: from the answer to the order that does it, which is on disk by
 *     then, to the last poll's, against libevent's server that answers as many; CPU likewise; and,
 *     in other wakes, what others wait meanwhile;
 *   - from exec to the first 200.
 *
 * CPU is that of the server's thread, as the kernel counts it. Clients are one thread elsewhere. */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/own.h"
#include "common/base/random.h"
#include "common/model/limits.h"
#include "common/wire/messages.h"
#include "tests/bench/pairs.h"
#include "tests/bench/scheduler/bare_server.h"
#include "tests/bench/scheduler/clients.h"
#include "tests/support/free_port.h"
#include "tests/support/loopback.h"
#include "tests/support/process_usage.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PAIRS = 24,
    PARKED = 10000,
    CONNECTIONS = 64,
    REQUESTS = 4000, /* per measurement */
    STARTS = 20,
    OTHERS = 12, /* wakes with a bystander */
    REQUEST_SIZE = 768,
    SPARE_DESCRIPTORS = 200,
};

#define APPLICATION "bench"

static const double bar_bare = 1 / 0.9, bar_nginx = 1 / 0.45, bar_wake = 1.2, bar_others_ms = 20,
                    bar_parked_kb = 6, bar_start_ms = 100;

static uint32_t pair_count = PAIRS;
static size_t parked_count = PARKED;

/* Requests ---------------------------------------------------------------------------------- */

struct request {
    char bytes[REQUEST_SIZE];
    size_t size;
};

/* A poll of the instance number `index`, which has tasks of this version. */
static void write_poll(struct request *to, size_t index, const char *version)
{
    OWN(buf_done) struct buf body = BUF_INIT(POLL_SIZE_MAX);
    char instance[32];
    struct wire_poll poll = { .protocol = WIRE_PROTOCOL,
                              .application = TEXT(APPLICATION),
                              .incarnation = index + 1,
                              .version = text_of(version),
                              .clock_wall_ns = clock_wall_ns() };

    snprintf(instance, sizeof instance, "host-%zu", index);
    poll.instance = text_of(instance);
    CHECK(wire_poll_encode(&poll, &body) == 0);
    to->size = (size_t)snprintf(to->bytes, REQUEST_SIZE,
                                "POST /probe/v1/poll HTTP/1.1\r\nHost: localhost\r\n"
                                "Content-Type: application/msgpack\r\nContent-Length: %zu\r\n\r\n",
                                body.size);
    CHECK(to->size + body.size <= REQUEST_SIZE);
    memcpy(to->bytes + to->size, body.data, body.size);
    to->size += body.size;
}

static struct text text_of_request(const struct request *request)
{
    return (struct text){ request->bytes, request->size };
}

/* Asks once; what a probe is told. */
static struct api_answer first_poll(void)
{
    OWN(buf_done) struct buf body = BUF_INIT(POLL_SIZE_MAX);
    struct wire_poll poll = { .protocol = WIRE_PROTOCOL,
                              .application = TEXT(APPLICATION),
                              .instance = TEXT("asker"),
                              .incarnation = UINT64_MAX / 2,
                              .clock_wall_ns = clock_wall_ns() };
    struct api_answer answer;

    CHECK(wire_poll_encode(&poll, &body) == 0);
    api_ask(&(struct api_call){ .port = scheduler.port,
                                .path = "/probe/v1/poll",
                                .content_type = "application/msgpack",
                                .body = buf_peek(&body) },
            &answer);
    CHECK(answer.status == 200);
    return answer;
}

static void read_version(char ret[65])
{
    OWN(wire_arena_done) struct wire_arena arena = { 0 };
    struct api_answer answer = first_poll();
    struct wire_poll_answer told;
    struct problem problem;

    CHECK(wire_poll_answer_decode(buf_peek(&answer.body), &arena, &told, &problem) == 0);
    snprintf(ret, 65, "%.*s", TEXT_ARGS(told.version));
    api_answer_done(&answer);
}

/* CPU per request --------------------------------------------------------------------------- */

struct server {
    pid_t pid;
    struct clients clients;
    struct request request;
};

static uint64_t cpu_ns_of(pid_t pid)
{
    char path[64];
    unsigned long long ns = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
    file = fopen(path, "re");
    CHECK(file && fscanf(file, "%llu", &ns) == 1);
    fclose(file);
    return ns;
}

static double cpu_per_request_us(struct server *server)
{
    uint64_t before_ns = cpu_ns_of(server->pid);

    clients_run(&server->clients, text_of_request(&server->request), REQUESTS);
    return (double)(cpu_ns_of(server->pid) - before_ns) / 1e3 / REQUESTS;
}

struct match {
    struct server ours, other;
};

static double measure_ours(void *context)
{
    return cpu_per_request_us(&((struct match *)context)->ours);
}

static double measure_other(void *context)
{
    return cpu_per_request_us(&((struct match *)context)->other);
}

static void play(struct match *match, const char *says, double bar)
{
    struct pairs_ratio ratio;

    pairs_run(&(struct pairs_options){ measure_ours, measure_other, match, pair_count }, &ratio);
    pairs_print(says, &ratio, bar);
    clients_close(&match->ours.clients);
    clients_close(&match->other.clients);
    kill(match->other.pid, SIGKILL);
    waitpid(match->other.pid, NULL, 0);
}

static void open_ours(struct server *ours)
{
    ours->pid = scheduler.pid;
    write_poll(&ours->request, 0, "");
    clients_open(&ours->clients, scheduler.port, CONNECTIONS);
}

/* The same bytes of a request, but for its path. */
static void write_hello(struct request *to, const struct request *poll)
{
    static const char path[] = "POST /hello";
    size_t cut = strlen("POST /probe/v1/poll");

    memcpy(to->bytes, path, sizeof path - 1);
    memcpy(to->bytes + sizeof path - 1, poll->bytes + cut, poll->size - cut);
    to->size = poll->size - cut + sizeof path - 1;
}

static void against_evhttp(struct text body)
{
    struct match match = { 0 };
    uint16_t port;

    open_ours(&match.ours);
    match.other.pid = bare_server_start(body, &port);
    write_hello(&match.other.request, &match.ours.request);
    clients_open(&match.other.clients, port, CONNECTIONS);
    play(&match, "poll, nothing new / bare evhttp: us of CPU", bar_bare);
}

static bool is_listening(void *port)
{
    int fd = loopback_connect(*(uint16_t *)port);

    if (fd < 0) return false;
    close(fd);
    return true;
}

static pid_t nginx_start(const char *directory, size_t body_size, uint16_t port)
{
    char path[128], body[512];
    FILE *file;
    pid_t pid;

    memset(body, 'x', body_size);
    body[body_size] = '\0';
    snprintf(path, sizeof path, "%s/nginx.conf", directory);
    file = fopen(path, "we");
    CHECK(file);
    fprintf(file,
            "daemon off; master_process off; error_log /dev/null; pid %s/pid;\n"
            "events { worker_connections 1024; }\n"
            "http { access_log off; keepalive_requests 100000000; tcp_nodelay on;\n"
            "client_body_temp_path %s; proxy_temp_path %s; fastcgi_temp_path %s;\n"
            "uwsgi_temp_path %s; scgi_temp_path %s;\n"
            "server { listen 127.0.0.1:%u; location / { default_type application/msgpack;\n"
            "return 200 \"%s\"; } } }\n",
            directory, directory, directory, directory, directory, directory, (unsigned)port, body);
    fclose(file);
    pid = fork();
    if (pid > 0) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execlp("nginx", "nginx", "-c", path, "-p", directory, "-e", "/dev/null", (char *)NULL);
    _exit(127);
}

static void against_nginx(size_t body_size)
{
    struct match match = { 0 };
    char directory[] = "/tmp/stakeout-bench-XXXXXX", path[64];
    uint16_t port = free_port();

    if (system("command -v nginx >/dev/null") != 0) {
        puts("nginx is not installed: not compared");
        return;
    }
    CHECK(mkdtemp(directory));
    open_ours(&match.ours);
    match.other.pid = nginx_start(directory, body_size, port);
    CHECK(wait_until(is_listening, &port, 10000));
    write_hello(&match.other.request, &match.ours.request);
    clients_open(&match.other.clients, port, CONNECTIONS);
    play(&match, "poll, nothing new / nginx: us of CPU", bar_nginx);
    snprintf(path, sizeof path, "%s/nginx.conf", directory);
    unlink(path);
    snprintf(path, sizeof path, "%s/pid", directory);
    unlink(path);
    rmdir(directory);
}

/* Parked ------------------------------------------------------------------------------------ */

struct waking {
    struct clients ours, bare;
    pid_t bare_pid;
    char task[TASK_ID_SIZE + 1]; /* that is active; "": none */
    double ours_us, bare_us;     /* of CPU, over all wakes */
};

static bool all_are_parked(void *context)
{
    (void)context;
    return scheduler_metric("stakeout_polls_parked") == (double)parked_count;
}

static void park_ours(struct waking *waking)
{
    struct request request;
    char version[65];

    read_version(version);
    for (size_t i = 0; i < parked_count; i++) {
        write_poll(&request, i, version);
        clients_send(&waking->ours, i, text_of_request(&request));
    }
    CHECK(wait_until(all_are_parked, NULL, 30000));
}

static void order(struct waking *waking)
{
    char path[64];

    if (!*waking->task) {
        scheduler_create_task(APPLICATION, "", waking->task);
        return;
    }
    snprintf(path, sizeof path, "/api/v1/tasks/%s/cancel", waking->task);
    json_decref(scheduler_post(path, "{}", 200));
    waking->task[0] = '\0';
}

/* Somebody else, meanwhile: how long is the longest that a page takes? Told through the pipe. */
static pid_t bystander_start(int to, int until)
{
    pid_t pid = fork();
    double longest_ms = 0;
    char end;

    CHECK(pid >= 0);
    if (pid > 0) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    fcntl(until, F_SETFL, O_NONBLOCK);
    do {
        uint64_t begin_ns = clock_monotonic_ns();
        struct api_answer answer;
        double elapsed_ms;

        api_ask(&(struct api_call){ .port = scheduler.port, .path = "/healthz" }, &answer);
        api_answer_done(&answer);
        elapsed_ms = (double)(clock_monotonic_ns() - begin_ns) / 1e6;
        if (elapsed_ms > longest_ms) longest_ms = elapsed_ms;
    } while (read(until, &end, 1) < 0);
    (void)!write(to, &longest_ms, sizeof longest_ms);
    _exit(0);
}

static double wake_ours(void *context)
{
    struct waking *waking = context;
    uint64_t begin_ns, cpu_ns;

    park_ours(waking);
    cpu_ns = cpu_ns_of(scheduler.pid);
    order(waking);
    begin_ns = clock_monotonic_ns();
    clients_await(&waking->ours, parked_count);
    waking->ours_us += (double)(cpu_ns_of(scheduler.pid) - cpu_ns) / 1e3;
    return (double)(clock_monotonic_ns() - begin_ns) / 1e6;
}

/* The longest that anybody else waits during a wake. Not in those that are timed: it asks without a
 * pause, which costs as much as waking. */
static double others_wait_ms(struct waking *waking)
{
    double longest_ms = 0;
    int told[2], until[2];
    pid_t bystander;

    park_ours(waking);
    CHECK(pipe2(told, O_CLOEXEC) == 0 && pipe2(until, O_CLOEXEC) == 0);
    bystander = bystander_start(told[1], until[0]);
    order(waking);
    clients_await(&waking->ours, parked_count);
    CHECK(write(until[1], "", 1) == 1);
    CHECK(read(told[0], &longest_ms, sizeof longest_ms) == sizeof longest_ms);
    waitpid(bystander, NULL, 0);
    close(told[0]), close(told[1]);
    close(until[0]), close(until[1]);
    return longest_ms;
}

static double wake_bare(void *context)
{
    static const char park[] = "GET /park HTTP/1.1\r\nHost: localhost\r\n\r\n",
                      wake[] = "GET /wake HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct waking *waking = context;
    uint64_t begin_ns, cpu_ns;

    for (size_t i = 0; i < parked_count; i++) {
        clients_send(&waking->bare, i, text_of(park));
    }
    clients_send(&waking->bare, parked_count,
                 TEXT("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    clients_await(&waking->bare, 1); /* what was sent before it is parked by then */
    cpu_ns = cpu_ns_of(waking->bare_pid);
    begin_ns = clock_monotonic_ns();
    clients_send(&waking->bare, parked_count, text_of(wake));
    clients_await(&waking->bare, parked_count + 1);
    waking->bare_us += (double)(cpu_ns_of(waking->bare_pid) - cpu_ns) / 1e3;
    return (double)(clock_monotonic_ns() - begin_ns) / 1e6;
}

static const char *verdict_of(double figure, double bar)
{
    return figure <= bar ? "met" : "missed";
}

/* What is known of an instance is not a poll's: all have asked before. */
static void introduce(void)
{
    struct clients clients;
    struct request request;

    clients_open(&clients, scheduler.port, 1);
    for (size_t i = 0; i < parked_count; i++) {
        write_poll(&request, i, "");
        clients_run(&clients, text_of_request(&request), 1);
    }
    clients_close(&clients);
}

static void weigh(struct waking *waking)
{
    struct process_usage before, after;
    double kb;

    introduce();
    process_usage_read(scheduler.pid, &before);
    clients_open(&waking->ours, scheduler.port, parked_count);
    wake_ours(waking);
    wake_ours(waking);
    park_ours(waking);
    process_usage_read(scheduler.pid, &after);
    kb = ((double)after.resident_kb - (double)before.resident_kb) / (double)parked_count;
    printf("%zu parked polls after their second wake: %.1f KB each (bar %.0f: %s)\n", parked_count,
           kb, bar_parked_kb, verdict_of(kb, bar_parked_kb));
    order(waking);
    clients_await(&waking->ours, parked_count);
    clients_close(&waking->ours);
}

/* Both have their clients in this process: as many as its descriptors allow. */
static void wake(struct waking *waking, struct text body)
{
    double others_ms[OTHERS], longest_ms;
    struct pairs_ratio ratio;
    struct rlimit limit;
    uint16_t port;

    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    if (parked_count > (limit.rlim_cur - SPARE_DESCRIPTORS) / 2)
        parked_count = (limit.rlim_cur - SPARE_DESCRIPTORS) / 2;
    waking->ours_us = waking->bare_us = 0;
    waking->bare_pid = bare_server_start(body, &port);
    clients_open(&waking->ours, scheduler.port, parked_count);
    clients_open(&waking->bare, port, parked_count + 1);
    pairs_run(&(struct pairs_options){ wake_ours, wake_bare, waking, pair_count }, &ratio);
    printf("%zu parked polls:\n", parked_count);
    pairs_print("waking them, last answer / bare evhttp: ms", &ratio, bar_wake);
    printf("CPU of waking them: %.2f of the bare server's\n", waking->ours_us / waking->bare_us);
    for (int i = 0; i < OTHERS; i++) {
        others_ms[i] = others_wait_ms(waking);
    }
    longest_ms = pairs_quantile(others_ms, OTHERS, 1);
    printf("others meanwhile: at most %.1f ms, %.1f in the median wake (bar %.0f: %s)\n",
           longest_ms, pairs_quantile(others_ms, OTHERS, 0.5), bar_others_ms,
           verdict_of(longest_ms, bar_others_ms));
    clients_close(&waking->ours);
    clients_close(&waking->bare);
    kill(waking->bare_pid, SIGKILL);
    waitpid(waking->bare_pid, NULL, 0);
}

/* The start --------------------------------------------------------------------------------- */

static void starts(void)
{
    double ms[STARTS];

    for (int i = 0; i < STARTS; i++) {
        struct scheduler_process process = { .ready_path = "/healthz" };
        uint64_t begin_ns = clock_monotonic_ns();

        scheduler_process_start(&process);
        ms[i] = (double)(clock_monotonic_ns() - begin_ns) / 1e6;
        scheduler_process_done(&process);
    }
    printf("from exec to the first 200: %.0f ms", pairs_quantile(ms, STARTS, 0.5));
    printf(" (bar %.0f: %s)\n", bar_start_ms,
           verdict_of(pairs_quantile(ms, STARTS, 0.5), bar_start_ms));
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

int main(int argc, char **argv)
{
    struct waking waking = { 0 };
    struct api_answer answer;

    if (argc > 1) pair_count = (uint32_t)strtoul(argv[1], NULL, 10);
    if (argc > 2) parked_count = strtoul(argv[2], NULL, 10);
    raise_descriptor_limit();
    setlinebuf(stdout);
    starts();
    scheduler_process_start(&scheduler);
    answer = first_poll();
    against_evhttp(buf_peek(&answer.body));
    against_nginx(answer.body.size);
    weigh(&waking);
    wake(&waking, buf_peek(&answer.body));
    api_answer_done(&answer);
    scheduler_process_done(&scheduler);
    return 0;
}
