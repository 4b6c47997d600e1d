/* SPDX-License-Identifier: Apache-2.0 */
/* What mod_stakeout's samples tell of slow requests in Debian's apache2: asleep or computing, with
 * /proc closed to the children, as it is where root started httpd, and open; over HTTP/2; in
 * scripts of PHP. argv[1] is the MPM. */
#include "tests/integration/integrations/httpd_house.h"

#include "common/base/own.h"
#include "tests/integration/integrations/http_client.h"
#include "tests/integration/integrations/watched.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    THRESHOLD_MS = 150, /* what takes no time takes less on a crowded machine, too */
    SAID_SIZE = 8192,
    COMMAND_SIZE = 1024,
    SETTLED_MS = 60000,
    RESET_STREAMS = 6,
};

enum {
    FRAME_HEAD_SIZE = 9,
    FRAME_SIZE_MAX = 256,
    FRAME_HEADERS = 1,
    FRAME_RST_STREAM = 3,
    FRAME_SETTINGS = 4,
    FRAME_IS_WHOLE = 5, /* END_STREAM, END_HEADERS */
};

#define TRACE       "4bf92f3577b34da6a3ce929d0e0e4736"
#define TRACEPARENT "traceparent: 00-" TRACE "-00f067aa0ba902b7-01"

/* One instance is enough to be asked: all have the task. */
static void order(const char *application, const char *interface, struct task_id *ret)
{
    house_order(&house,
                &(struct order){ .application = application,
                                 .interface = interface,
                                 .threshold_ms = THRESHOLD_MS,
                                 .sample_cap = 1 },
                ret);
    house_wait_armed(&house, ret, httpd_house_instances());
}

/* Where and why ----------------------------------------------------------------------------- */

/* Asks for something fast and something slow, and finds the latter in `function`. */
static void assert_looked_into(const char *application, const char *more, const char *path,
                               const char *function, struct task_id *ret_task)
{
    struct httpd_process httpd = httpd_house_server(application, more);
    struct watched_sample sample;
    struct http_reply reply;
    char interface[64], asked[64];

    snprintf(interface, sizeof interface, "GET /%s/{id}", path);
    httpd_process_start(&httpd);
    order(application, interface, ret_task);
    snprintf(asked, sizeof asked, "/%s/8?ms=0", path);
    http_get(httpd.port, asked, NULL, &reply);
    snprintf(asked, sizeof asked, "/%s/9?ms=500", path);
    http_get(httpd.port, asked, TRACEPARENT "\r\n", &reply);
    assert_int_equal(reply.status, 203);
    watched_wait_sample(&house, ret_task, &sample);
    assert_string_equal(sample.interface, interface);
    assert_string_equal(sample.trace, TRACE);
    assert_int_equal(sample.response_code, 203);
    assert_in_range(sample.elapsed_ms, 500, 5000);
    watched_assert_share(&sample, function, 80);
    watched_sample_done(&sample);
    httpd_process_stop(&httpd);
}

static int64_t count_of(const struct task_id *task, const char *figure)
{
    return house_ledger_sum(&house, task, figure);
}

/* Whether it is a signal that tells of a sleeping thread is up to who started httpd. */
static void a_slow_request_is_looked_into(void **state)
{
    struct task_id task;

    (void)state;
    assert_looked_into("slow", NULL, "slow", "slow_lookup", &task);
    if (geteuid() == 0) {
        assert_in_range(count_of(&task, "signals"), 1, 10);
    } else {
        assert_int_equal(count_of(&task, "signals"), 0);
    }
}

static void a_computing_request_is_looked_into(void **state)
{
    struct task_id task;

    (void)state;
    assert_looked_into("busy", NULL, "busy", "busy_lookup", &task);
    assert_true(count_of(&task, "signals") + count_of(&task, "perf") > 0);
}

static void a_dumpable_child_is_read_where_it_sleeps(void **state)
{
    struct task_id task;

    (void)state;
    assert_looked_into("dumpable", "StakeoutDumpable on\n", "slow", "slow_lookup", &task);
    /* A look may fall into the moment in which it runs, before its response is written. */
    assert_true(count_of(&task, "signals") < count_of(&task, "reads"));
    assert_int_equal(count_of(&task, "interrupted"), 0);
}

/* Requests that overlap ---------------------------------------------------------------------- */

/* The response before it is still in httpd's buffer when it begins, and is written with its own. */
static void a_request_behind_another_is_whole(void **state)
{
    struct httpd_process httpd = httpd_house_server("pipelined", NULL);
    struct watched_sample sample;
    struct http_reply reply;
    struct task_id task;
    int fd;

    (void)state;
    httpd_process_start(&httpd);
    order("pipelined", "GET /slow/{id}", &task);
    fd = http_connect(httpd.port);
    http_send(fd, "GET /index.html HTTP/1.1\r\nHost: localhost\r\n\r\n"
                  "GET /slow/1?ms=300 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    http_read_reply(fd, &reply);
    assert_int_equal(reply.status, 200);
    http_read_reply(fd, &reply);
    assert_int_equal(reply.status, 203);
    close(fd);
    watched_wait_sample(&house, &task, &sample);
    assert_int_equal(sample.response_code, 203);
    assert_in_range(sample.elapsed_ms, 300, 5000);
    watched_sample_done(&sample);
    httpd_process_stop(&httpd);
}

/* The response is 16 MB, the client does not read for a while: the call is not over. With event, no
 * thread runs it then; with the others, a thread stands in write. */
static void a_call_ends_when_its_response_was_written(void **state)
{
    struct httpd_process httpd = httpd_house_server("big", NULL);
    struct watched_sample sample;
    struct task_id task;
    int fd;

    (void)state;
    httpd_process_start(&httpd);
    order("big", "GET /big.bin", &task);
    fd = http_connect(httpd.port);
    http_send(fd, "GET /big.bin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    watched_wait_snapshots(&house, &task, 20); /* meanwhile we read nothing */
    assert_in_range(http_drain(fd), HTTPD_BIG_SIZE, HTTPD_BIG_SIZE + 4096);
    watched_wait_sample(&house, &task, &sample);
    assert_int_equal(sample.response_code, 200);
    if (httpd_is("event")) {
        assert_true(watched_detached_share(&sample, "detached: the client to read") > 50);
    } else {
        assert_int_equal(watched_detached_share(&sample, "detached: the client to read"), 0);
    }
    watched_sample_done(&sample);
    httpd_process_stop(&httpd);
}

/* HTTP/2 ------------------------------------------------------------------------------------ */

static const char http2[] = "LoadModule http2_module " HTTPD_MODULES "/mod_http2.so\n"
                            "Protocols h2c http/1.1\n";

/* Runs a client to its end; what it said is in `ret`. Fails where it failed. */
static void run_client(const char *command, char ret[SAID_SIZE])
{
    FILE *client = popen(command, "r");

    CHECK(client);
    ret[fread(ret, 1, SAID_SIZE - 1, client)] = '\0';
    if (pclose(client) != 0) fail_msg("%s: %s", command, ret);
}

static void a_request_over_http2_is_looked_into(void **state)
{
    struct httpd_process httpd = httpd_house_server("streams", http2);
    char command[COMMAND_SIZE], said[SAID_SIZE];
    struct watched_sample sample;
    struct task_id task;

    (void)state;
    if (!*NGHTTP) skip();
    httpd_process_start(&httpd);
    order("streams", "GET /slow/{id}", &task);
    snprintf(command, sizeof command,
             NGHTTP " -v -H '" TRACEPARENT "' 'http://127.0.0.1:%u/slow/1?ms=500' 2>&1",
             (unsigned)httpd.port);
    run_client(command, said);
    assert_non_null(strstr(said, ":status: 203"));
    watched_wait_sample(&house, &task, &sample);
    assert_string_equal(sample.trace, TRACE);
    assert_int_equal(sample.response_code, 203);
    assert_in_range(sample.elapsed_ms, 500, 5000);
    watched_assert_share(&sample, "slow_lookup", 80);
    watched_sample_done(&sample);
    httpd_process_stop(&httpd);
}

/* Streams of a connection run side by side, each on a thread that goes on with others before the
 * response was read. */
static void requests_over_http2_are_counted(void **state)
{
    static const struct watched_count expected[] = {
        { "GET /slow/{id}", 600 },
        { "GET /index.html", 6000 },
        { NULL, 0 },
    };
    struct httpd_process httpd = httpd_house_server("multiplexed", http2);
    char command[COMMAND_SIZE], said[SAID_SIZE];
    struct task_id task;

    (void)state;
    if (!*H2LOAD) skip();
    httpd_process_start(&httpd);
    order("multiplexed", "GET /slow/{id}", &task);
    snprintf(command, sizeof command,
             H2LOAD " -n 600 -c 3 -m 10 'http://127.0.0.1:%u/slow/1?ms=5' 2>&1",
             (unsigned)httpd.port);
    run_client(command, said);
    if (!strstr(said, "600 succeeded, 0 failed, 0 errored")) fail_msg("%s", said);
    snprintf(command, sizeof command,
             H2LOAD " -n 6000 -c 3 -m 30 'http://127.0.0.1:%u/index.html' 2>&1",
             (unsigned)httpd.port);
    run_client(command, said);
    if (!strstr(said, "status codes: 6000 2xx")) fail_msg("%s", said);
    httpd_process_stop(&httpd);
    watched_assert_counts(&house, "multiplexed", expected);
}

/* Frames as they are on the wire: the length in three bytes, type, flags, and the stream. */
static void send_frame(int fd, int type, int flags, uint32_t stream, const void *body, size_t size)
{
    unsigned char frame[FRAME_SIZE_MAX] = {
        (unsigned char)(size >> 16),   (unsigned char)(size >> 8),   (unsigned char)size,
        (unsigned char)type,           (unsigned char)flags,         (unsigned char)(stream >> 24),
        (unsigned char)(stream >> 16), (unsigned char)(stream >> 8), (unsigned char)stream
    };

    CHECK(FRAME_HEAD_SIZE + size <= sizeof frame);
    memcpy(frame + FRAME_HEAD_SIZE, body, size);
    size += FRAME_HEAD_SIZE;
    CHECK(write(fd, frame, size) == (ssize_t)size);
}

/* GET over http; the path and the authority are literal. */
static void send_stream_get(int fd, uint32_t stream, const char *path)
{
    static const char authority[] = "localhost";
    char headers[FRAME_SIZE_MAX];
    int size = snprintf(headers, sizeof headers, "\x82\x86\x04%c%s\x01%c%s", (int)strlen(path),
                        path, (int)strlen(authority), authority);

    send_frame(fd, FRAME_HEADERS, FRAME_IS_WHOLE, stream, headers, (size_t)size);
}

static bool is_settled(void *context)
{
    return count_of(context, "pending") == 0 && count_of(context, "seen") == RESET_STREAMS;
}

/* The client gives its streams up while their requests are being looked into: each is a call that
 * ends once, and the threads go on with others. */
static void requests_whose_streams_are_reset_end_once(void **state)
{
    static const unsigned char cancel[] = { 0, 0, 0, 8 };
    struct httpd_process httpd = httpd_house_server("reset", http2);
    struct task_id task;
    int fd;

    (void)state;
    if (httpd_is("prefork")) skip();
    httpd_process_start(&httpd);
    house_order(&house,
                &(struct order){ .application = "reset",
                                 .interface = "GET /slow/{id}",
                                 .threshold_ms = THRESHOLD_MS,
                                 .sample_cap = 2 * RESET_STREAMS },
                &task);
    house_wait_armed(&house, &task, httpd_house_instances());
    fd = http_connect(httpd.port);
    http_send(fd, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    send_frame(fd, FRAME_SETTINGS, 0, 0, "", 0);
    for (uint32_t i = 0; i < RESET_STREAMS; i++) {
        send_stream_get(fd, 2 * i + 1, "/slow/1?ms=1500");
    }
    watched_wait_snapshots(&house, &task, 3 * RESET_STREAMS);
    for (uint32_t i = 0; i < RESET_STREAMS; i++) {
        send_frame(fd, FRAME_RST_STREAM, 0, 2 * i + 1, cancel, sizeof cancel);
    }
    if (!wait_until(is_settled, &task, SETTLED_MS))
        fail_msg("%d streams: %d calls seen, %d pend", RESET_STREAMS, (int)count_of(&task, "seen"),
                 (int)count_of(&task, "pending"));
    house_assert_ledger_adds_up(&house, &task);
    assert_int_equal(count_of(&task, "sampled"), RESET_STREAMS);
    close(fd);
    httpd_process_stop(&httpd);
    watched_assert_counts(
        &house, "reset",
        (const struct watched_count[]){ { "GET /slow/{id}", RESET_STREAMS }, { NULL, 0 } });
}

/* PHP --------------------------------------------------------------------------------------- */

static void put_script(const struct httpd_process *httpd, const char *name, const char *text)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof path, "%s/htdocs/%s", httpd->directory, name);
    file = fopen(path, "we");
    CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0);
    CHECK(chmod(path, 0644) == 0);
}

static void assert_script_looked_into(const struct httpd_process *httpd, const char *name)
{
    char path[64], interface[64];
    struct watched_sample sample;
    struct http_reply reply;
    struct task_id task;

    snprintf(path, sizeof path, "/%s", name);
    snprintf(interface, sizeof interface, "GET /%s", name);
    order("php", interface, &task);
    http_get(httpd->port, path, NULL, &reply);
    assert_int_equal(reply.status, 201);
    watched_wait_sample(&house, &task, &sample);
    assert_int_equal(sample.response_code, 201);
    assert_in_range(sample.elapsed_ms, 500, 5000);
    watched_assert_share(&sample, "php_execute_script", 80);
    watched_sample_done(&sample);
}

/* mod_php is for prefork alone, and does not load beside a sanitizer's library. */
static void a_script_of_php_is_looked_into(void **state)
{
    struct httpd_process httpd =
        httpd_house_server("php", "LoadModule php_module " MOD_PHP "\n"
                                  "AddHandler application/x-httpd-php .php\n");

    (void)state;
    if (!*MOD_PHP || *SANITIZER_LIBRARY || !httpd_is("prefork")) skip();
    httpd_process_start(&httpd);
    put_script(&httpd, "asleep.php",
               "<?php http_response_code(201); $until = microtime(true) + 0.5;\n"
               "while (microtime(true) < $until) { usleep(500000); } echo 'done';\n");
    put_script(&httpd, "busy.php",
               "<?php http_response_code(201); $until = microtime(true) + 0.5;\n"
               "for ($i = 0; microtime(true) < $until; $i++) { md5($i); } echo 'done';\n");
    assert_script_looked_into(&httpd, "asleep.php");
    assert_script_looked_into(&httpd, "busy.php");
    httpd_process_stop(&httpd);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_request_is_looked_into),
        cmocka_unit_test(a_computing_request_is_looked_into),
        cmocka_unit_test(a_dumpable_child_is_read_where_it_sleeps),
        cmocka_unit_test(a_request_behind_another_is_whole),
        cmocka_unit_test(a_call_ends_when_its_response_was_written),
        cmocka_unit_test(a_request_over_http2_is_looked_into),
        cmocka_unit_test(requests_over_http2_are_counted),
        cmocka_unit_test(requests_whose_streams_are_reset_end_once),
        cmocka_unit_test(a_script_of_php_is_looked_into),
    };

    httpd_house_arguments(argc, argv);
    return cmocka_run_group_tests(tests, house_setup, house_teardown);
}
