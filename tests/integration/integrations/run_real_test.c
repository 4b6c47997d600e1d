/* SPDX-License-Identifier: Apache-2.0 */
/* `stakeout run` of servers that nobody here wrote, as their users start them: fcgiwrap, by
 * spawn-fcgi, behind Apache's mod_proxy_fcgi; and debuginfod, over libmicrohttpd. */
#include "tests/integration/integrations/http_client.h"
#include "tests/integration/integrations/httpd_process.h"
#include "tests/integration/integrations/run_server.h"
#include "tests/integration/integrations/watched.h"
#include "tests/integration/system/house_fixture.h"
#include "tests/support/free_port.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"

enum { SOON_MS = 20000, COMMAND_SIZE = 1024, LINES_SIZE = 1024, PATH_SIZE = 200 };

static bool is_listening(void *context)
{
    const uint16_t *port = context;
    int fd = http_try_connect(*port);

    if (fd >= 0) close(fd);
    return fd >= 0;
}

/* `command` listens on the port, as a child that dies with us. */
static struct run_server start_server(const char *application, const char *command, uint16_t port)
{
    struct run_server server = { .application = application,
                                 .scheduler_port = house.scheduler.port };
    char line[COMMAND_SIZE + 64];

    snprintf(line, sizeof line, "echo up; exec %s >/dev/null 2>&1", command);
    run_server_start(&server, (const char *[]){ "/bin/sh", "-c", line, NULL });
    if (!wait_until(is_listening, &port, SOON_MS)) fail_msg("%s: does not listen", command);
    return server;
}

static void stop_server(struct run_server *server)
{
    kill(server->pid, SIGTERM);
    run_server_wait(server);
}

/* FastCGI ----------------------------------------------------------------------------------- */

static void put_script(char path[PATH_SIZE])
{
    FILE *file;

    snprintf(path, PATH_SIZE, "%s/slow.cgi", house.scheduler.directory);
    file = fopen(path, "we");
    CHECK(file);
    CHECK(fputs("#!/bin/sh\nsleep 0.5\n"
                "printf 'Status: 203 Slow\\r\\nContent-Length: 5\\r\\n\\r\\nslow\\n'\n",
                file) > 0);
    CHECK(fclose(file) == 0 && chmod(path, 0755) == 0);
}

/* A httpd without mod_stakeout, in front of the port. */
static struct httpd_process start_front(const char *script, uint16_t port)
{
    static char lines[LINES_SIZE];

    snprintf(lines, sizeof lines,
             "LoadModule proxy_module " HTTPD_MODULES "/mod_proxy.so\n"
             "LoadModule proxy_fcgi_module " HTTPD_MODULES "/mod_proxy_fcgi.so\n"
             "ProxyPass /app/ fcgi://127.0.0.1:%u/\n"
             "ProxyFCGISetEnvIf true SCRIPT_FILENAME %s\n",
             (unsigned)port, script);
    return (struct httpd_process){ .mpm = "event", .lines = lines };
}

static void a_fastcgi_server_behind_apache_is_watched(void **state)
{
    char command[COMMAND_SIZE], script[PATH_SIZE];
    uint16_t port = free_port();
    struct httpd_process httpd;
    struct run_server server;
    struct watched_sample sample;
    struct http_reply reply;
    struct task_id task;

    (void)state;
    if (!*SPAWN_FCGI || !*FCGIWRAP) skip();
    put_script(script);
    snprintf(command, sizeof command,
             SPAWN_FCGI " -n -a 127.0.0.1 -p %u -- " STAKEOUT
                        " run --rule 'GET /app/{script}' " FCGIWRAP,
             (unsigned)port);
    server = start_server("wrapped", command, port);
    httpd = start_front(script, port);
    httpd_process_start(&httpd);
    http_get(httpd.port, "/app/first", NULL, &reply); /* the probe starts with the first accept */
    house_order(&house,
                &(struct order){ .application = "wrapped",
                                 .interface = "GET /app/{script}",
                                 .threshold_ms = 50,
                                 .sample_cap = 1 },
                &task);
    house_wait_armed(&house, &task, 1);
    http_get(httpd.port, "/app/slow.cgi?x=1", "traceparent: 00-" TRACE "-00f067aa0ba902b7-01\r\n",
             &reply);
    assert_int_equal(reply.status, 203);
    watched_wait_sample(&house, &task, &sample);
    assert_int_equal(sample.response_code, 203);
    assert_string_equal(sample.trace, TRACE);
    assert_in_range(sample.elapsed_ms, 500, 5000);
    assert_true(watched_share(&sample, "select") + watched_share(&sample, "__select") > 80);
    watched_sample_done(&sample);
    httpd_process_stop(&httpd);
    stop_server(&server);
}

/* libmicrohttpd ----------------------------------------------------------------------------- */

static void a_server_over_libmicrohttpd_is_watched(void **state)
{
    static const struct watched_count expected[] = {
        { "GET /metrics", 2 },
        { "GET /buildid/{id}/{kind}", 1 },
        { NULL, 0 },
    };
    char command[COMMAND_SIZE];
    uint16_t port = free_port();
    struct run_server server;
    struct http_reply reply;

    (void)state;
    if (!*DEBUGINFOD) skip();
    snprintf(command, sizeof command,
             STAKEOUT " run --rule 'GET /buildid/{id}/{kind}' " DEBUGINFOD
                      " -p %u -d :memory: -F %s",
             (unsigned)port, house.scheduler.directory);
    server = start_server("debuginfod", command, port);
    http_get(port, "/metrics", NULL, &reply);
    assert_int_equal(reply.status, 200);
    http_get(port, "/metrics", NULL, &reply);
    http_get(port, "/buildid/00ff00ff/debuginfo", NULL, &reply);
    assert_int_equal(reply.status, 404);
    watched_assert_counts(&house, "debuginfod", expected);
    stop_server(&server);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fastcgi_server_behind_apache_is_watched),
        cmocka_unit_test(a_server_over_libmicrohttpd_is_watched),
    };

    if (argc == 2) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, house_setup, house_teardown);
}
