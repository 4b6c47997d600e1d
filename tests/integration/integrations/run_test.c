/* SPDX-License-Identifier: Apache-2.0 */
/* `stakeout run`: servers that were built without stakeout, and are watched all the same; and
 * programs of all other kinds, which must not notice. */
#include "tests/integration/integrations/http_client.h"
#include "tests/integration/integrations/run_server.h"
#include "tests/integration/integrations/watched.h"
#include "tests/integration/system/house_fixture.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRACE      "4bf92f3577b34da6a3ce929d0e0e4736"
#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

enum { EXIT_CODE = 7, PATH_SIZE = 200 };

static struct run_server server_of(const char *application)
{
    return (struct run_server){ .application = application,
                                .scheduler_port = house.scheduler.port };
}

static void order(const char *application, const char *interface, struct task_id *ret)
{
    house_order(&house,
                &(struct order){ .application = application,
                                 .interface = interface,
                                 .threshold_ms = 50,
                                 .sample_cap = 1 },
                ret);
}

static void assert_sampled(const struct task_id *task, int code, const char *trace,
                           const char *function, const char *waiting_for)
{
    struct watched_sample sample;

    watched_wait_sample(&house, task, &sample);
    assert_int_equal(sample.response_code, code);
    if (trace) assert_string_equal(sample.trace, trace);
    assert_in_range(sample.elapsed_ms, 300, 5000);
    if (function) watched_assert_share(&sample, function, 80);
    if (waiting_for) {
        int share = watched_detached_share(&sample, waiting_for);

        if (share < 80) fail_msg("%d %% of the time it waited for '%s'", share, waiting_for);
    }
    watched_sample_done(&sample);
}

/* FastCGI ----------------------------------------------------------------------------------- */

/* Asks as a web server does, with cgi-fcgi; the answer's first bytes are in *ret. */
static void ask_fastcgi(const char *socket, const char *uri, char ret[RUN_SAID_SIZE])
{
    char command[1024];
    FILE *pipe;

    snprintf(command, sizeof command,
             "REQUEST_METHOD=GET REQUEST_URI='%s' CONTENT_LENGTH=0 "
             "HTTP_TRACEPARENT=00-" TRACE "-00f067aa0ba902b7-01 " CGI_FCGI " -bind -connect %s",
             uri, socket);
    pipe = popen(command, "re");
    CHECK(pipe);
    ret[fread(ret, 1, RUN_SAID_SIZE - 1, pipe)] = '\0';
    while (fgetc(pipe) != EOF) {
    }
    pclose(pipe);
}

static void assert_fastcgi_is_watched(const char *how)
{
    struct run_server server = server_of(how);
    char socket[PATH_SIZE], said[RUN_SAID_SIZE];
    struct task_id task;

    snprintf(socket, sizeof socket, "%s/%s.sock", house.scheduler.directory, how);
    run_server_start(&server, WORDS(STAKEOUT, "run", "--rule", "GET /slow/{id} slow", "--",
                                    FASTCGI_SERVER, how, socket));
    ask_fastcgi(socket, "/first", said); /* the probe starts with the first accept */
    order(how, "slow", &task);
    house_wait_armed(&house, &task, 1);
    ask_fastcgi(socket, "/slow/1?x=y", said);
    if (!strstr(said, "203")) fail_msg("%s", said);
    assert_sampled(&task, 203, TRACE, "slow_query", NULL);
    ask_fastcgi(socket, "/exit", said);
    assert_int_equal(run_server_wait(&server), EXIT_CODE);
    watched_assert_counts(
        &house, how,
        (const struct watched_count[]){
            { "GET /first", 1 }, { "slow", 1 }, { "GET /exit", 1 }, { NULL, 0 } });
}

static void fastcgi_is_watched_by_its_three_interfaces(void **state)
{
    (void)state;
    assert_fastcgi_is_watched("accept_r");
    assert_fastcgi_is_watched("accept");
    assert_fastcgi_is_watched("stdio");
}

/* The answers with and without the library are byte for byte the same. */
static void fastcgi_answers_are_unchanged(void **state)
{
    static const char *const uris[] = { "/x", "/big/1", "/moved/1", "/slow/1" };
    static char said[2][4][RUN_SAID_SIZE];
    char socket[PATH_SIZE], last[RUN_SAID_SIZE];

    (void)state;
    for (int is_run = 0; is_run < 2; is_run++) {
        struct run_server server = server_of("unchanged");

        snprintf(socket, sizeof socket, "%s/same.sock", house.scheduler.directory);
        if (is_run) {
            run_server_start(&server, WORDS(STAKEOUT, "run", FASTCGI_SERVER, "accept_r", socket));
        } else {
            run_server_start(&server, WORDS(FASTCGI_SERVER, "accept_r", socket));
        }
        for (size_t i = 0; i < ARRAY_COUNT(uris); i++) {
            ask_fastcgi(socket, uris[i], said[is_run][i]);
        }
        ask_fastcgi(socket, "/exit", last);
        assert_int_equal(run_server_wait(&server), EXIT_CODE);
    }
    for (size_t i = 0; i < ARRAY_COUNT(uris); i++) {
        assert_true(strlen(said[0][i]) > 10);
        assert_string_equal(said[0][i], said[1][i]);
    }
}

/* libmicrohttpd and evhttp ------------------------------------------------------------------ */

struct claim {
    const char *path, *interface;
    int code;
    const char *function, *waiting_for;
};

static void assert_claim(const char *application, uint16_t port, const struct claim *claim)
{
    struct http_reply reply;
    struct task_id task;

    order(application, claim->interface, &task);
    house_wait_armed(&house, &task, 1);
    http_get(port, claim->path, "traceparent: 00-" TRACE "-00f067aa0ba902b7-01\r\n", &reply);
    if (reply.status != claim->code) fail_msg("%s: %d", claim->path, reply.status);
    assert_sampled(&task, claim->code, TRACE, claim->function, claim->waiting_for);
    house_wait_state(&house, &task, "FILLED", 20000);
}

static void assert_server_is_watched(const char *application, const char *program,
                                     const char *argument, const struct claim *claims)
{
    struct run_server server = server_of(NULL);
    struct http_reply reply;
    uint16_t port;

    run_server_start(&server, WORDS(STAKEOUT, "run", "--application", application, "--rule",
                                    "GET /slow/{id}", "--", program, argument));
    port = (uint16_t)strtoul(server.said, NULL, 10);
    for (; claims->path; claims++) {
        assert_claim(application, port, claims);
    }
    http_get(port, "/exit", NULL, &reply);
    assert_int_equal(reply.status, 200);
    assert_int_equal(run_server_wait(&server), EXIT_CODE);
}

static void microhttpd_is_watched_in_one_loop(void **state)
{
    static const struct claim claims[] = {
        { "/slow/1?x=y", "GET /slow/{id}", 203, "slow_lookup", NULL },
        { "/later/1", "GET /later/{id}", 202, NULL, "detached: MHD_resume_connection" },
        { "/from/1", "GET /from/{id}", 201, NULL, "detached: MHD_resume_connection" },
        { NULL, NULL, 0, NULL, NULL },
    };

    (void)state;
    assert_server_is_watched("mhd-loop", MICROHTTPD_SERVER, "loop", claims);
}

static void microhttpd_is_watched_with_threads(void **state)
{
    static const struct claim claims[] = {
        { "/slow/1", "GET /slow/{id}", 203, "slow_lookup", NULL },
        { NULL, NULL, 0, NULL, NULL },
    };

    (void)state;
    assert_server_is_watched("mhd-threads", MICROHTTPD_SERVER, "threads", claims);
}

static void evhttp_is_watched(void **state)
{
    static const struct claim claims[] = {
        { "/slow/1", "GET /slow/{id}", 203, "slow_lookup", NULL },
        { "/later/1", "GET /later/{id}", 202, NULL, "detached: evhttp_send_reply" },
        { NULL, NULL, 0, NULL, NULL },
    };

    (void)state;
    assert_server_is_watched("evhttp", EVHTTP_SERVER, "loop", claims);
}

/* All in one go: uploads, pieces, errors, clients that leave, connections that are kept. */
static void every_request_is_one_call(void **state)
{
    static const struct watched_count expected[] = {
        { "GET /error", 1 },
        { "GET /drop/{id}", 1 },
        { "GET /pieces/{id}", 1 },
        { "GET /later/{id}", 2 },
        { "GET /kept", 3 },
        { "GET /exit", 1 },
        { NULL, 0 },
    };
    struct run_server server = server_of("every");
    struct http_reply reply;
    uint16_t port;
    int fd;

    (void)state;
    run_server_start(&server, WORDS(STAKEOUT, "run", EVHTTP_SERVER));
    port = (uint16_t)strtoul(server.said, NULL, 10);
    http_get(port, "/error", NULL, &reply);
    assert_int_equal(reply.status, 500);
    fd = http_connect(port);
    http_send(fd, "GET /pieces/1 HTTP/1.0\r\n\r\n");
    assert_true(http_drain(fd) > strlen("piece 3\npiece 2\npiece 1\n"));
    fd = http_connect(port);
    http_send(fd, "GET /drop/1 HTTP/1.0\r\n\r\n");
    assert_int_equal(http_drain(fd), 0);
    fd = http_connect(port);
    http_send(fd, "GET /later/1 HTTP/1.1\r\nHost: a\r\n\r\n");
    close(fd); /* it does not wait for its answer */
    http_get(port, "/later/2", NULL, &reply);
    assert_int_equal(reply.status, 202);
    fd = http_connect(port);
    for (int i = 0; i < 3; i++) {
        http_send(fd, "GET /kept HTTP/1.1\r\nHost: a\r\n\r\n");
        http_read_reply(fd, &reply);
    }
    close(fd);
    http_get(port, "/exit", NULL, &reply);
    assert_int_equal(run_server_wait(&server), EXIT_CODE);
    watched_assert_counts(&house, "every", expected);
}

static void an_upload_is_one_call(void **state)
{
    static const struct watched_count expected[] = {
        { "POST /upload", 2 },
        { "GET /exit", 1 },
        { NULL, 0 },
    };
    struct run_server server = server_of("upload");
    struct http_reply reply;
    uint16_t port;
    int fd;

    (void)state;
    run_server_start(&server, WORDS(STAKEOUT, "run", MICROHTTPD_SERVER, "loop"));
    port = (uint16_t)strtoul(server.said, NULL, 10);
    fd = http_connect(port);
    for (int i = 0; i < 2; i++) {
        http_send(fd, "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf");
        http_send(fd, "half");
        http_read_reply(fd, &reply);
        assert_int_equal(reply.status, 200);
    }
    close(fd);
    http_get(port, "/exit", NULL, &reply);
    assert_int_equal(run_server_wait(&server), EXIT_CODE);
    watched_assert_counts(&house, "upload", expected);
}

/* Programs of other kinds ------------------------------------------------------------------- */

static int run(const char *const *words, char ret_said[RUN_SAID_SIZE],
               char ret_errors[RUN_SAID_SIZE])
{
    char path[PATH_SIZE];
    struct run_server server = server_of(NULL);
    FILE *file;
    int code;

    snprintf(path, sizeof path, "%s/errors", house.scheduler.directory);
    server.errors_path = path;
    code = run_server_hear(&server, words);
    snprintf(ret_said, RUN_SAID_SIZE, "%s", server.said);
    file = fopen(path, "re");
    CHECK(file);
    ret_errors[fread(ret_errors, 1, RUN_SAID_SIZE - 1, file)] = '\0';
    fclose(file);
    return code;
}

static void other_programs_run_as_ever(void **state)
{
    static const struct {
        const char *words[8];
        int code;
        const char *says, *complains; /* NULL: nothing */
    } cases[] = {
        { { "sh", "-c", "echo out; echo err >&2; exit 9" }, 9, "out\n", "err\n" },
        { { "sh", "-c", "kill -9 $$" }, 128 + 9, NULL, NULL },
        { { "echo", "--help", "--json" }, 0, "--help --json\n", NULL },
        { { "--", "echo", "x" }, 0, "x\n", NULL },
        { { "sh", "-c", "sh -c 'echo $0 inner' deep" }, 0, "deep inner\n", NULL },
        { { "no-such-program-anywhere" }, 127, NULL, "there is no program" },
        { { "/no/such/program" }, 127, NULL, "there is no program" },
        { { "/etc/passwd" }, 126, NULL, "cannot be executed" },
        { { STATIC_PROGRAM }, 5, "static\n", "runs without the probe: it is statically linked" },
        { { "--rule", "GET x", "echo" }, 2, NULL, "--rule: 'GET x': the path must begin with '/'" },
        { { "--token-file", "/no/such/file", "echo" }, 2, NULL, "'/no/such/file' cannot be read" },
        { { "--server", "ftp://h", "echo" }, 2, NULL, "http://" },
        { { "--nonsense", "echo" }, 2, NULL, "--nonsense" },
        { { NULL }, 2, NULL, "an argument is missing: 'run PROGRAM [ARG...]'" },
    };
    char said[RUN_SAID_SIZE], errors[RUN_SAID_SIZE];

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        const char *words[12] = { STAKEOUT, "run" };
        int code;

        for (size_t n = 0; cases[i].words[n]; n++) {
            words[2 + n] = cases[i].words[n];
        }
        code = run(words, said, errors);
        if (code != cases[i].code || strcmp(said, cases[i].says ? cases[i].says : "") != 0 ||
            (cases[i].complains ? !strstr(errors, cases[i].complains) : *errors != '\0'))
            fail_msg("case %zu: %d, '%s', '%s'", i, code, said, errors);
    }
}

/* Needs root: the file must be somebody else's. */
static void a_setuid_program_is_run_and_told(void **state)
{
    char path[PATH_SIZE], command[1024], said[RUN_SAID_SIZE], errors[RUN_SAID_SIZE];

    (void)state;
    if (geteuid() != 0) skip();
    snprintf(path, sizeof path, "%s/other", house.scheduler.directory);
    snprintf(command, sizeof command, "cp /bin/echo %s && chown 65534 %s && chmod 4755 %s", path,
             path, path);
    CHECK(system(command) == 0);
    assert_int_equal(run(WORDS(STAKEOUT, "run", path, "hello"), said, errors), 0);
    assert_string_equal(said, "hello\n");
    assert_non_null(strstr(errors, "runs without the probe: it runs with other privileges"));
}

/* The token goes from the file to the scheduler, and not into the environment. */
static void the_token_stays_out_of_the_environment(void **state)
{
    char path[PATH_SIZE], said[RUN_SAID_SIZE], errors[RUN_SAID_SIZE];
    FILE *file;

    (void)state;
    snprintf(path, sizeof path, "%s/token", house.scheduler.directory);
    file = fopen(path, "we");
    CHECK(file && fputs("secret-of-the-probe\n", file) > 0);
    fclose(file);
    assert_int_equal(run(WORDS(STAKEOUT, "run", "--token-file", path, "env"), said, errors), 0);
    assert_null(strstr(said, "secret-of-the-probe"));
    assert_non_null(strstr(said, "STAKEOUT_RUN_TOKEN_FILE="));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_programs_run_as_ever),
        cmocka_unit_test(a_setuid_program_is_run_and_told),
        cmocka_unit_test(the_token_stays_out_of_the_environment),
        cmocka_unit_test(fastcgi_is_watched_by_its_three_interfaces),
        cmocka_unit_test(fastcgi_answers_are_unchanged),
        cmocka_unit_test(microhttpd_is_watched_in_one_loop),
        cmocka_unit_test(microhttpd_is_watched_with_threads),
        cmocka_unit_test(evhttp_is_watched),
        cmocka_unit_test(every_request_is_one_call),
        cmocka_unit_test(an_upload_is_one_call),
    };

    if (argc == 2) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, house_setup, house_teardown);
}
