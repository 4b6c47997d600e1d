/* SPDX-License-Identifier: Apache-2.0 */
/* fetch_test.c: Debian's own debuginfod, and servers that are worse. What is missing is fetched
 * after the answer, and the next one has it. */
#include "tests/integration/scheduler/symbols/symbols_fixture.h"

#include "common/base/clock.h"
#include "common/base/own.h"
#include "tests/support/free_port.h"
#include "tests/support/loopback.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

static uint64_t attempts(const struct fixture *fixture)
{
    struct symbols_counts counts = symbols_counts(fixture->symbols);

    return counts.fetches + counts.fetches_failed;
}

static void await_attempts(struct fixture *fixture, uint64_t count)
{
    uint64_t deadline_ns = clock_monotonic_ns() + 40 * NS_PER_S;

    while (attempts(fixture) < count) {
        assert_true(clock_monotonic_ns() < deadline_ns);
        event_base_loop(fixture->base, EVLOOP_ONCE);
    }
}

static struct fixture *fixture_of(const char *url, uint64_t size_max)
{
    static const char *servers[1];

    servers[0] = url;
    return fixture_new_with(&(struct symbols_options){ .program = "/proc/self/exe",
                                                       .servers = servers,
                                                       .server_count = 1,
                                                       .fetch_ms = 20000,
                                                       .upload_size_max = size_max },
                            true);
}

/* ---- a server of our own, in a child: one answer to every request ---- */

struct server {
    int fd, asked_fd; /* the first byte of each build-id that was asked for comes there, in hex */
    pid_t pid;
    char url[64];
};

static _Noreturn void serve(int fd, int asked_fd, const char *head, const char *path)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        int client = accept(fd, NULL, NULL);
        FILE *file = path ? fopen(path, "rb") : NULL;
        char part[4096];
        size_t size;

        if (client < 0) _exit(0);
        (void)!read(client, part, sizeof part);
        (void)!write(asked_fd, part + strlen("GET /buildid/"), 2);
        (void)!write(client, head, strlen(head));
        while (file && (size = fread(part, 1, sizeof part, file)) > 0)
            if (write(client, part, size) < 0) break;
        if (file) fclose(file);
        close(client);
    }
}

static struct server server_start(const char *head, const char *path)
{
    uint16_t port;
    struct server server = { .fd = loopback_listen(0, &port) };
    int asked[2];

    assert_int_equal(pipe(asked), 0);
    server.asked_fd = asked[0];
    snprintf(server.url, sizeof server.url, "http://127.0.0.1:%u", (unsigned)port);
    server.pid = fork();
    if (server.pid == 0) {
        sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
        serve(server.fd, asked[1], head, path);
    }
    close(asked[1]);
    return server;
}

static void server_stop(struct server *server)
{
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    close(server->fd);
    close(server->asked_fd);
}

#define OK_HEAD "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"

static void what_a_server_has_is_fetched_after_the_answer(void **state)
{
    struct server server = server_start(OK_HEAD, FIXTURES "/libinlined.so");
    struct fixture *fixture = fixture_of(server.url, 0);

    *state = fixture;
    assert_int_equal(ask_gone(fixture, FIXTURES "/libinlined.so").count, 0); /* not waited for */
    await_attempts(fixture, 1);
    assert_int_equal(symbols_counts(fixture->symbols).fetches, 1);
    assert_int_equal(symbols_file_at(fixture->symbols, 0)->source, SYMBOL_FETCHED);
    server_stop(&server);
    assert_int_equal(ask_gone(fixture, FIXTURES "/libinlined.so").count, 1); /* it is ours now */
}

static void what_nobody_has_is_not_asked_for_again(void **state)
{
    struct server server =
        server_start("HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", NULL);
    struct fixture *fixture = fixture_of(server.url, 0);
    char asked[16];

    *state = fixture;
    ask_gone(fixture, FIXTURES "/libinlined.so");
    await_attempts(fixture, 1);
    for (uint64_t i = 0; i < 3; i++) {
        static uint8_t id[BUILD_ID_SIZE_MAX];
        size_t size = build_id_of(FIXTURES "/libinlined.so", id);

        ask(fixture, (struct question){ .path = "/opt/gone/libinlined.so",
                                        .build_id = { (char *)id, size },
                                        .offset = 0x1000 + i });
    }
    /* Another build is asked for, behind what may be under way; it comes next, or nothing was. */
    ask(fixture, (struct question){ .path = "/opt/gone/libother.so",
                                    .build_id = TEXT("12345678901234567890"),
                                    .offset = 0x1000 });
    await_attempts(fixture, 2);
    assert_int_equal(read(server.asked_fd, asked, 4), 4);
    assert_memory_equal(asked + 2, "31", 2);
    server_stop(&server);
}

/* The name says one build, the file is another; or it is larger than may be; or no file at all. */
static void a_server_that_lies_gives_nothing(void **state)
{
    static const struct {
        const char *path;
        uint64_t size_max;
    } lies[] = { { FIXTURES "/split5/libsplit.so", 0 },
                 { FIXTURES "/libinlined.so", 1000 },
                 { SOURCES "/inlined.c", 0 } };

    for (size_t i = 0; i < ARRAY_COUNT(lies); i++) {
        struct server server = server_start(OK_HEAD, lies[i].path);
        struct fixture *fixture = fixture_of(server.url, lies[i].size_max);

        ask_gone(fixture, FIXTURES "/libinlined.so");
        await_attempts(fixture, 1);
        assert_int_equal(symbols_counts(fixture->symbols).fetches_failed, 1);
        assert_int_equal(symbols_counts(fixture->symbols).store_files, 0);
        server_stop(&server);
        if (i + 1 < ARRAY_COUNT(lies))
            teardown((void **)&fixture);
        else
            *state = fixture;
    }
}

#ifdef DEBUGINFOD

static bool is_listening(const char *url, const char *hex)
{
    char command[512];

    snprintf(command, sizeof command,
             "python3 -c 'import urllib.request as u; u.urlopen(\"%s/buildid/%s/debuginfo\")' "
             "2>/dev/null",
             url, hex);
    return system(command) == 0;
}

/* It has scanned the folder when it answers with the file. */
static pid_t debuginfod_start(const char *root, const char *port)
{
    char database[PATH_SIZE + 32];
    pid_t pid = fork();

    if (pid != 0) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(database, sizeof database, "%s/debuginfod.sqlite", root);
    freopen("/dev/null", "w", stdout);
    freopen("/dev/null", "w", stderr);
    execl(DEBUGINFOD, "debuginfod", "-d", database, "-p", port, "-F", FIXTURES, (char *)NULL);
    _exit(127);
}

static void a_real_debuginfod_is_asked(void **state)
{
    uint64_t deadline_ns = clock_monotonic_ns() + 60 * NS_PER_S;
    char url[64], port[8], hex[2 * BUILD_ID_SIZE_MAX + 1];
    uint8_t id[BUILD_ID_SIZE_MAX];
    struct fixture *fixture;
    pid_t pid;

    text_to_hex(id, build_id_of(FIXTURES "/libinlined.so", id), hex);
    snprintf(port, sizeof port, "%u", free_port());
    snprintf(url, sizeof url, "http://127.0.0.1:%s", port);
    fixture = fixture_of(url, 0);
    *state = fixture;
    pid = debuginfod_start(fixture->root, port);
    while (!is_listening(url, hex))
        assert_true(clock_monotonic_ns() < deadline_ns);
    assert_int_equal(ask_gone(fixture, FIXTURES "/libinlined.so").count, 0);
    await_attempts(fixture, 1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_int_equal(symbols_counts(fixture->symbols).fetches, 1);
    assert_int_equal(ask_gone(fixture, FIXTURES "/libinlined.so").count, 1);
}

#endif

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(what_a_server_has_is_fetched_after_the_answer, NULL),
        TEST(what_nobody_has_is_not_asked_for_again, NULL),
        TEST(a_server_that_lies_gives_nothing, NULL),
#ifdef DEBUGINFOD
        TEST(a_real_debuginfod_is_asked, NULL),
#endif
    };

    if (symbols_worker_is_meant(argc, argv)) return symbols_worker_run(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
