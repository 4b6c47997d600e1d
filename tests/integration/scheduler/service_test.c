/* SPDX-License-Identifier: Apache-2.0 */
/* service_test.c: stakeoutd under a service manager: what it tells, its watchdog, its settings read
 * again, and sockets that are handed over, by us and by systemd's own program. */
#include "tests/support/free_port.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include "common/base/clock.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SOON_MS = 30000, SAID_SIZE = 512 };

/* --- the service manager's end --- */

static int manager = -1;
static char said[SAID_SIZE]; /* the last message */

/* An address of our own, in the abstract namespace. */
static void listen_to_it(const char **ret_variable)
{
    static char variable[64];
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int size;

    snprintf(variable, sizeof variable, "NOTIFY_SOCKET=@stakeout-service-%d", (int)getpid());
    size = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "%s",
                    strchr(variable, '@') + 1);
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(manager, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)size)),
                     0);
    *ret_variable = variable;
}

/* Takes messages until one has these words. */
static bool hears(const char *words)
{
    uint64_t end_ns = clock_monotonic_ns() + ms_to_ns(SOON_MS);

    while (clock_monotonic_ns() < end_ns) {
        struct pollfd look = { .fd = manager, .events = POLLIN };
        ssize_t size;

        if (poll(&look, 1, 1000) <= 0) continue;
        size = recv(manager, said, sizeof said - 1, 0);
        assert_true(size > 0);
        said[size] = '\0';
        if (strstr(said, words)) return true;
    }
    return false;
}

static void write_settings(const char *text)
{
    char path[96];
    FILE *file;

    snprintf(path, sizeof path, "%s/settings", scheduler.directory);
    file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static bool log_has(void *context)
{
    return scheduler_log_has(context);
}

/* A request's line is written when it is answered, which may be read first. */
static void await_log(const char *words)
{
    if (!wait_until(log_has, (void *)words, SOON_MS)) fail_msg("not in the log: %s", words);
}

/* --- the tests --- */

static void it_says_how_it_is(void **state)
{
    static char path[96];

    (void)state;
    listen_to_it(&scheduler.environment[0]);
    scheduler.environment[1] = "WATCHDOG_USEC=400000";
    snprintf(scheduler.directory, sizeof scheduler.directory, "/tmp/stakeout-test-XXXXXX");
    assert_non_null(mkdtemp(scheduler.directory));
    snprintf(path, sizeof path, "%s/settings", scheduler.directory);
    scheduler.options[0] = "--config";
    scheduler.options[1] = path;
    write_settings("log-level = info\n");
    scheduler_process_start(&scheduler);
    assert_true(hears("READY=1"));
    assert_true(hears("STATUS=0 instances, 0 active tasks. All is well."));
    scheduler_create_task("shop", "", (char[TASK_ID_SIZE + 1]){ "" });
    assert_true(hears("STATUS=0 instances, 1 active tasks."));
}

/* Again and again, by the loop; also those that came meanwhile are heard here. */
static void the_watchdog_hears_of_the_loop(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_true(hears("WATCHDOG=1"));
    }
}

static void ask_to_reload(void)
{
    unsigned long long us;
    const char *at;

    assert_int_equal(kill(scheduler.pid, SIGHUP), 0);
    assert_true(hears("RELOADING=1"));
    at = strstr(said, "MONOTONIC_USEC=");
    assert_non_null(at);
    us = strtoull(at + strlen("MONOTONIC_USEC="), NULL, 10);
    assert_true(us > 0 && us * NS_PER_US <= clock_monotonic_ns());
    assert_true(hears("READY=1"));
}

static void settings_are_read_again(void **state)
{
    (void)state;
    json_decref(scheduler_get("/api/v1/tasks"));
    assert_false(scheduler_log_has("msg=\"request\""));
    write_settings("log-level = debug\nlog-format = json\nretention-days = 3\n");
    ask_to_reload();
    json_decref(scheduler_get("/api/v1/tasks"));
    await_log("\"msg\":\"request\",\"route\":\"/api/v1/tasks\",\"status\":200");
    await_log("\"msg\":\"a setting changed\",\"setting\":\"log-level\"");
    await_log("from the next start on\",\"setting\":\"retention-days\"");
    assert_true(scheduler_metric("stakeout_config_last_reload_successful") == 1);
}

static void settings_that_cannot_be_read_change_nothing(void **state)
{
    (void)state;
    write_settings("log-level = loud\nlog-format = logfmt\n");
    ask_to_reload();
    await_log("settings:1: log-level is 'loud'; it must be debug, info, warn");
    assert_false(scheduler_log_has("level=debug"));
    assert_true(scheduler_metric("stakeout_config_last_reload_successful") == 0);
    write_settings("log-level = warn\nretention-days = 3\n");
    ask_to_reload();
    assert_true(scheduler_metric("stakeout_config_last_reload_successful") == 1);
}

static void it_says_that_it_stops(void **state)
{
    (void)state;
    assert_int_equal(kill(scheduler.pid, SIGTERM), 0);
    assert_true(hears("STOPPING=1"));
    assert_int_equal(scheduler_process_stop(&scheduler), 0);
    scheduler_process_done(&scheduler);
    close(manager);
}

/* --- a socket that is handed over --- */

static int listen_at(uint16_t *ret_port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

/* Who comes before it runs, or between two runs, waits, and is answered. */
static void nobody_is_refused_while_it_restarts(void **state)
{
    struct api_answer answer;
    uint16_t port;
    int asked;

    (void)state;
    scheduler = (struct scheduler_process){ .listen_fd = listen_at(&port) };
    scheduler.ready_path = "/healthz";
    for (int i = 0; i < 3; i++) {
        asked = api_send(&(struct api_call){ .port = port, .path = "/healthz" });
        scheduler_process_start(&scheduler);
        assert_int_equal(scheduler.port, port); /* its log says where it listens */
        api_receive(asked, &answer);
        assert_int_equal(answer.status, 200);
        api_answer_done(&answer);
        assert_int_equal(scheduler_process_stop(&scheduler), 0);
    }
    close(scheduler.listen_fd);
    scheduler_process_done(&scheduler);
}

static void a_socket_of_another_kind_is_refused(void **state)
{
    int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    char output[64];

    (void)state;
    scheduler = (struct scheduler_process){ .listen_fd = udp };
    assert_int_equal(
        scheduler_process_command(&scheduler, (const char *[]){ NULL }, output, sizeof output), 1);
    assert_true(scheduler_log_has("it must listen, by TCP"));
    scheduler.listen_fd = 0;
    scheduler.environment[0] = "LISTEN_FDS=2"; /* for somebody else: no LISTEN_PID of its own */
    scheduler_process_start(&scheduler);
    assert_int_equal(scheduler_process_stop(&scheduler), 0);
    close(udp);
    scheduler_process_done(&scheduler);
}

struct asked {
    uint16_t port;
    int status;
};

static bool is_answered(void *context)
{
    struct asked *asked = context;
    struct api_answer answer;

    if (api_try(&(struct api_call){ .port = asked->port, .path = "/healthz" }, &answer) < 0)
        return false;
    asked->status = answer.status;
    api_answer_done(&answer);
    return true;
}

/* systemd's own program starts it when somebody comes. */
static void systemd_hands_over_its_socket(void **state)
{
    struct asked asked = { .port = free_port() };
    char listen[32], directory[] = "/tmp/stakeout-test-XXXXXX", command[64];
    pid_t pid;

    (void)state;
    if (system("command -v systemd-socket-activate >/dev/null") != 0) skip();
    assert_non_null(mkdtemp(directory));
    snprintf(listen, sizeof listen, "127.0.0.1:%u", (unsigned)asked.port);
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        execlp("systemd-socket-activate", "systemd-socket-activate", "-l", listen, STAKEOUTD_PATH,
               "--state-dir", directory, (char *)NULL);
        _exit(127);
    }
    assert_true(wait_until(is_answered, &asked, SOON_MS));
    assert_int_equal(asked.status, 200);
    kill(pid, SIGTERM); /* the program has become stakeoutd */
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_how_it_is),
        cmocka_unit_test(the_watchdog_hears_of_the_loop),
        cmocka_unit_test(settings_are_read_again),
        cmocka_unit_test(settings_that_cannot_be_read_change_nothing),
        cmocka_unit_test(it_says_that_it_stops),
        cmocka_unit_test(nobody_is_refused_while_it_restarts),
        cmocka_unit_test(a_socket_of_another_kind_is_refused),
        cmocka_unit_test(systemd_hands_over_its_socket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
