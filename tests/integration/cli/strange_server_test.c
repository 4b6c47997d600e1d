/* SPDX-License-Identifier: Apache-2.0 */
/* strange_server_test.c: what the CLI makes of a server that is none of ours, of one that lies, and
 * of a chain whose links are broken one by one. */
#include "tests/integration/cli/canned_server.h"
#include "tests/support/test.h"
#include "tests/unit/tools/cli/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TASK   "19aa3f0c2b1e4d5f6a7b"
#define SAMPLE "5f0c9e2ab7d3416088c1d2e3f4a5b6c7"

#define HEAD(status, type) \
    "HTTP/1.1 " status "\r\nContent-Type: " type "\r\nConnection: close\r\n\r\n"
#define JSON(body) HEAD("200 OK", "application/json") body
#define RUN(...)   run_cli(&run, (const char *const[]){ __VA_ARGS__, NULL })

static struct run run;

static void serve(struct canned_server *server, const struct canned_answer *answers)
{
    char url[64];

    canned_server_start(server, answers);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", server->port);
    setenv("STAKEOUT_SERVER", url, 1);
}

static const struct {
    const char *says;
    const char *bytes;
    const char *blame; /* on standard error */
} answers[] = {
    { "a page", HEAD("200 OK", "text/html") "<html>", "no JSON object; is it a stakeoutd?" },
    { "an error without a reason", HEAD("500 Oops", "text/html") "<html>", "status 500" },
    { "a redirect", "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", "status 302" },
    { "JSON that is no object", JSON("[1, 2]"), "no JSON object" },
    { "half a document", JSON("{\"tasks\": ["), "no JSON object" },
    { "bytes that are no text", JSON("{\"tasks\": \"\xff\"}"), "no JSON object" },
    { "a body that is cut", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}", "does not answer" },
    { "nothing", "", "does not answer" },
    { "no HTTP", "SSH-2.0-OpenSSH_9.2\r\n", "does not answer" },
    { "a sentence that draws",
      HEAD("409 Conflict", "application/problem+json") "{\"detail\": \"\\u001b[2J\\u202egone\"}",
      "stakeout: \\x1b[2J\\u{202e}gone\n" },
};

static void answer_of_a_stranger_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(answers); i++) {
        struct canned_answer canned = { NULL, answers[i].bytes };
        struct canned_server server;

        serve(&server, &canned);
        RUN("task", "watch", TASK, "--json");
        assert_int_equal(run.code, 1);
        RUN("task", "list");
        canned_server_stop(&server);
        if (run.code != 1 || !strstr(run.err, answers[i].blame) || run.out[0])
            fail_msg("%s: %d '%s' '%s'", answers[i].says, run.code, run.out, run.err);
    }
}

static void fields_that_are_missing_or_strange_are_unknown(void **state)
{
    static const char *const bodies[] = {
        JSON("{}"),
        JSON("{\"tasks\": [{}, null, 3, {\"id\": 7, \"state\": [], \"created\": \"then\"}]}"),
        JSON("{\"samples\": [{}, null], \"events\": [{}, 1], \"next\": 7}"),
        JSON("{\"applications\": {}, \"interfaces\": [{}, {\"windows\": [null, {}]}]}"),
        JSON("{\"instances\": [{}, {\"troubles\": [1], \"notes\": []}], \"totals\": 1}"),
        JSON("{\"elapsed_ms\": 1e300, \"samples\": -1, \"tree\": {\"total_ms\": -1}}"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(bodies); i++) {
        struct canned_answer canned = { NULL, bodies[i] };
        struct canned_server server;

        serve(&server, &canned);
        RUN("task", "list");
        assert_int_equal(run.code, 0);
        RUN("task", "show", TASK);
        assert_int_equal(run.code, 0);
        RUN("task", "log", TASK);
        assert_int_equal(run.code, 0);
        RUN("task", "analysis", TASK);
        assert_int_equal(run.code, 0);
        RUN("task", "diff", TASK, TASK);
        assert_int_equal(run.code, 0);
        RUN("sample", "list", TASK);
        assert_int_equal(run.code, 0);
        RUN("sample", "show", SAMPLE);
        assert_int_equal(run.code, 0);
        RUN("application", "list");
        assert_int_equal(run.code, 0);
        RUN("interface", "list", "--application", "a");
        assert_int_equal(run.code, 0);
        RUN("instance", "list");
        assert_int_equal(run.code, 0);
        RUN("doctor");
        assert_int_equal(run.code, 1);
        canned_server_stop(&server);
    }
}

static void a_list_goes_on_behind_empty_pages(void **state)
{
    static const char first[] = JSON("{\"tasks\": [], \"next\": \"aa\"}");
    static const char second[] = JSON("{\"tasks\": [{\"id\": \"one\"}], \"next\": \"bb\"}");
    static const char third[] = JSON("{\"tasks\": [{\"id\": \"two\"}], \"next\": null}");
    const struct canned_answer pages[] = {
        { "/api/v1/tasks?state=ACTIVE&limit=100&cursor=aa", second },
        { "/api/v1/tasks?state=ACTIVE&limit=99&cursor=bb", third },
        { "/api/v1/tasks?state=ACTIVE&limit=", first },
        { NULL, "" },
    };
    const struct canned_answer endless = { NULL, first };
    struct canned_server server;

    (void)state;
    serve(&server, pages);
    RUN("task", "list", "--state", "active");
    canned_server_stop(&server);
    assert_int_equal(run.code, 0);
    assert_non_null(strstr(run.out, "one"));
    assert_non_null(strstr(run.out, "two"));
    assert_null(strstr(run.err, "there are more"));
    serve(&server, &endless);
    RUN("task", "list");
    canned_server_stop(&server);
    assert_int_equal(run.code, 0);
    assert_non_null(strstr(run.err, "there are more: --cursor aa"));
}

static void names_from_outside_cannot_draw(void **state)
{
    struct canned_answer canned = {
        NULL,
        JSON("{\"applications\": [{\"application\": \"\\u001b]0;x\\u0007\\u202eevil\\u0000\"}]}")
    };
    struct canned_server server;

    (void)state;
    serve(&server, &canned);
    RUN("application", "list");
    canned_server_stop(&server);
    assert_int_equal(run.code, 0);
    assert_non_null(strstr(run.out, "\\x1b]0;x\\x07\\u{202e}evil\\x00"));
    assert_null(strchr(run.out, '\x1b'));
}

/* ------------------------------------------------------------------ doctor */

#define HEALTHZ JSON("{\"status\": \"ok\", \"version\": \"" STAKEOUT_VERSION "\", \"checks\": []}")
#define READYZ                                                                                \
    JSON("{\"status\": \"ok\", \"checks\": [{\"name\": \"store\", \"ok\": true, \"detail\": " \
         "\"Redis answers.\"}], \"guarantee\": \"What was acknowledged survives kill -9.\"}")
#define SESSION   JSON("{\"name\": \"ana\", \"role\": \"operator\"}")
#define NO_TASKS  JSON("{\"tasks\": [], \"next\": null}")
#define POLLING   "{\"instance\": \"host-1:17\", \"state\": \"polling\", \"clock_offset_ms\": 12}"
#define INSTANCES JSON("{\"instances\": [" POLLING "]}")

static const struct {
    const char *says;
    const char *path, *bytes; /* the one answer that differs from a whole chain; NULL: none */
    int code;
    const char *line; /* on standard output */
} chains[] = {
    { "a whole chain", NULL, NULL, 0, "Everything works." },
    { "another version", "/healthz", JSON("{\"version\": \"9.9\"}"), 0, "warn  version" },
    { "no stakeoutd", "/healthz", JSON("{}"), 1, "fail  server" },
    { "a token that is refused", "/api/v1/session",
      HEAD("401 No", "application/problem+json") "{\"detail\": \"A valid token is needed.\"}", 1,
      "fail  token" },
    { "a viewer", "/api/v1/session", JSON("{\"name\": \"eve\", \"role\": \"viewer\"}"), 0,
      "warn  token" },
    { "a scheduler from the past", "/api/v1/session",
      JSON("{\"name\": \"ana\", \"role\": \"operator\", \"time\": \"2001-01-01T00:00:00.000Z\"}"),
      0, "warn  clock" },
    { "Redis is gone", "/readyz",
      HEAD("503 No", "application/json") "{\"checks\": [{\"name\": \"store\", \"ok\": false, "
                                         "\"detail\": \"Redis does not answer.\"}]}",
      1, "fail  store" },
    { "Redis may lose", "/readyz",
      JSON("{\"checks\": [], \"guarantee\": \"The last second may be lost.\"}"), 0,
      "warn  durability" },
    { "no instance", "/api/v1/instances", JSON("{\"instances\": []}"), 0, "warn  instances" },
    { "a silent instance", "/api/v1/instances",
      JSON("{\"instances\": [" POLLING ", {\"instance\": \"b\", \"state\": \"silent\"}]}"), 0,
      "warn  instance" },
    { "an instance of another protocol", "/api/v1/instances",
      JSON("{\"instances\": [" POLLING ", {\"instance\": \"b\", \"state\": \"refused\", "
           "\"protocol\": 9, \"needs_protocol\": 1}]}"),
      1, "protocol 9, and 1 is" },
    { "an instance that is gone", "/api/v1/instances",
      JSON("{\"instances\": [" POLLING ", {\"instance\": \"b\", \"state\": \"gone\", "
           "\"clock_offset_ms\": 99999}]}"),
      0, "Everything works." },
    { "a clock two seconds off", "/api/v1/instances",
      JSON("{\"instances\": [{\"instance\": \"a\", \"state\": \"polling\", "
           "\"clock_offset_ms\": 2000}]}"),
      0, "Everything works." },
    { "a clock more than two seconds off", "/api/v1/instances",
      JSON("{\"instances\": [{\"instance\": \"a\", \"state\": \"polling\", "
           "\"clock_offset_ms\": -2001}]}"),
      0, "2.0 s behind" },
    { "a trouble with signals", "/api/v1/instances",
      JSON("{\"instances\": [{\"instance\": \"a\", \"state\": \"polling\", "
           "\"troubles\": [\"SIGURG is taken\\u001b[2J\"]}]}"),
      0, "SIGURG is taken\\x1b[2J" },
    { "a note", "/api/v1/instances",
      JSON("{\"instances\": [{\"instance\": \"a\", \"state\": \"polling\", "
           "\"notes\": {\"no-slot\": 3, \"stale-token\": 0}}]}"),
      0, "no-slot, 3 times" },
    { "a trouble with permissions", "/api/v1/instances",
      JSON("{\"instances\": [{\"instance\": \"a\", \"state\": \"polling\", "
           "\"troubles\": [\"process_vm_readv is refused here.\"]}]}"),
      0, "CAP_SYS_PTRACE" },
};

static void doctor_finds_each_broken_link(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(chains); i++) {
        struct canned_answer canned[] = {
            { chains[i].path ? chains[i].path : "/nothing", chains[i].bytes },
            { "/healthz", HEALTHZ },
            { "/readyz", READYZ },
            { "/api/v1/session", SESSION },
            { "/api/v1/instances", INSTANCES },
            { NULL, NO_TASKS },
        };
        struct canned_server server;

        serve(&server, canned);
        RUN("doctor");
        canned_server_stop(&server);
        if (run.code != chains[i].code || !strstr(run.out, chains[i].line))
            fail_msg("%s: %d %s%s", chains[i].says, run.code, run.out, run.err);
        assert_null(strchr(run.out, '\x1b'));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answer_of_a_stranger_is_refused),
        cmocka_unit_test(fields_that_are_missing_or_strange_are_unknown),
        cmocka_unit_test(a_list_goes_on_behind_empty_pages),
        cmocka_unit_test(names_from_outside_cannot_draw),
        cmocka_unit_test(doctor_finds_each_broken_link),
    };

    setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
    setenv("COLUMNS", "100", 1);
    setenv("TZ", "UTC", 1);
    unsetenv("STAKEOUT_TOKEN");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
