/* SPDX-License-Identifier: Apache-2.0 */
/* strange_server_test.c: what the CLI makes of a server that is none of ours, of one that lies, and
 * of a chain whose links are broken one by one. */
#include "tests/integration/cli/canned_server.h"
#include "tests/support/test.h"
#include "tests/unit/tools/cli/run.h"

#include <stdbool.h>
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
        struct canned_answer canned = { NULL, answers[i].bytes, 0 };
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
        struct canned_answer canned = { NULL, bodies[i], 0 };
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
        { "/api/v1/tasks?state=ACTIVE&limit=100&cursor=aa", second, 0 },
        { "/api/v1/tasks?state=ACTIVE&limit=99&cursor=bb", third, 0 },
        { "/api/v1/tasks?state=ACTIVE&limit=", first, 0 },
        { NULL, "", 0 },
    };
    const struct canned_answer endless = { NULL, first, 0 };
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
        JSON("{\"applications\": [{\"application\": \"\\u001b]0;x\\u0007\\u202eevil\\u0000\"}]}"), 0
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

static void one_loss_is_no_plural(void **state)
{
    const struct canned_answer canned[] = {
        { "/api/v1/tasks/" TASK "/ledger",
          JSON("{\"instances\": [], \"totals\": {\"drops\": {\"queue-full\": 1}, "
               "\"snapshot_drops\": {\"call-ended\": 1, \"no-buffer\": 2}}}"),
          0 },
        { NULL, JSON("{\"samples\": 0, \"sample_cap\": 1}"), 0 },
    };
    struct canned_server server;

    (void)state;
    serve(&server, canned);
    RUN("task", "show", TASK);
    canned_server_stop(&server);
    assert_non_null(strstr(run.out, "0 of 1 sample\n"));
    assert_non_null(strstr(run.out, "- 1 slow call was not sampled: queue-full, "));
    assert_non_null(strstr(run.out, "- 1 snapshot was lost: call-ended, "));
    assert_non_null(strstr(run.out, "- 2 snapshots were lost: no-buffer, "));
}

/* ------------------------------------------------------------------ a scheduler that goes */

#define BUSY           "HTTP/1.1 503 Busy\r\nConnection: close\r\n\r\n"
#define TASK_PATH      "/api/v1/tasks/" TASK
#define TASK_IN(state) JSON("{\"state\": \"" state "\", \"samples\": 1, \"sample_cap\": 1}")

/* Each row is a restart that meets one request of a round; the next one finds it back. */
static void watch_asks_again_whichever_request_met_the_restart(void **state)
{
    static const struct {
        const char *says;
        const char *path; /* of the request that is not answered */
        const char *bytes;
    } cases[] = {
        { "the task, closed", TASK_PATH " ", "" },
        { "the task, busy", TASK_PATH " ", BUSY },
        { "the ledger, closed", TASK_PATH "/ledger", "" },
        { "the ledger, busy", TASK_PATH "/ledger", BUSY },
        { "the samples, closed", TASK_PATH "/samples", "" },
        { "the samples, busy", TASK_PATH "/samples", BUSY },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        bool is_task = strcmp(cases[i].path, TASK_PATH " ") == 0;
        const struct canned_answer canned[] = {
            { is_task ? TASK_PATH " " : "/nothing", TASK_IN("ACTIVE"), 1 }, /* it was there */
            { cases[i].path, cases[i].bytes, 1 },
            { TASK_PATH "/ledger", JSON("{\"verdict\": \"Captured.\"}"), 0 },
            { TASK_PATH "/samples", JSON("{\"samples\": [{\"id\": \"" SAMPLE "\"}]}"), 0 },
            { NULL, TASK_IN("FILLED"), 0 },
        };
        struct canned_server server;

        serve(&server, canned);
        RUN("task", "watch", TASK);
        canned_server_stop(&server);
        if (run.code != 0 || !strstr(run.out, "Captured.") || !strstr(run.out, SAMPLE))
            fail_msg("%s: %d '%s' '%s'", cases[i].says, run.code, run.out, run.err);
        assert_string_equal(run.err, "stakeout: the scheduler does not answer; asking again\n"
                                     "stakeout: the scheduler answers again\n");
    }
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
    const char *line;  /* on standard output */
    const char *never; /* not there; may be NULL */
} chains[] = {
    { "a whole chain", NULL, NULL, 0, "Everything works.", NULL },
    { "another version", "/healthz", JSON("{\"version\": \"9.9\"}"), 0, "warn  version", NULL },
    { "no stakeoutd", "/healthz", JSON("{}"), 1, "fail  server", NULL },
    { "a token that is refused", "/api/v1/session",
      HEAD("401 No", "application/problem+json") "{\"detail\": \"A valid token is needed.\"}", 1,
      "fail  token", NULL },
    { "a viewer", "/api/v1/session", JSON("{\"name\": \"eve\", \"role\": \"viewer\"}"), 0,
      "warn  token", NULL },
    { "a scheduler from the past", "/api/v1/session",
      JSON("{\"name\": \"ana\", \"role\": \"operator\", \"time\": \"2001-01-01T00:00:00.000Z\"}"),
      0, "warn  clock", NULL },
    { "Redis is gone", "/readyz",
      HEAD("503 No", "application/json") "{\"checks\": [{\"name\": \"store\", \"ok\": false, "
                                         "\"detail\": \"Redis does not answer.\"}], "
                                         "\"guarantee\": \"Redis is not available.\"}",
      1, "fail  store", "durability" },
    { "not ready, without a reason", "/readyz", HEAD("503 No", "text/html") "<html>", 1,
      "fail  scheduler", NULL },
    { "a session that is not there yet", "/api/v1/session",
      HEAD("503 No", "application/problem+json") "{\"detail\": \"Not yet.\"}", 1, "fail  scheduler",
      "token create" },
    { "Redis may lose", "/readyz",
      JSON("{\"checks\": [], \"guarantee\": \"The last second may be lost.\"}"), 0,
      "warn  durability", NULL },
    { "no instance", "/api/v1/instances", JSON("{\"instances\": []}"), 0, "warn  instances", NULL },
    { "a silent instance", "/api/v1/instances",
      JSON("{\"instances\": [" POLLING ", {\"instance\": \"b\", \"state\": \"silent\"}]}"), 0,
      "warn  instance", NULL },
    { "an instance of another protocol", "/api/v1/instances",
      JSON("{\"instances\": [" POLLING ", {\"instance\": \"b\", \"state\": \"refused\", "
           "\"protocol\": 9, \"needs_protocol\": 1}]}"),
      1, "protocol 9, and 1 is", NULL },
    { "an instance that is gone", "/api/v1/instances",
      JSON("{\"instances\": [" POLLING ", {\"instance\": \"b\", \"state\": \"gone\", "
           "\"clock_offset_ms\": 99999}]}"),
      0, "1 of 1 are polling.", "warn" },
    { "a clock two seconds off", "/api/v1/instances",
      JSON("{\"instances\": [{\"instance\": \"a\", \"state\": \"polling\", "
           "\"clock_offset_ms\": 2000}]}"),
      0, "Everything works.", NULL },
    { "a clock more than two seconds off", "/api/v1/instances",
      JSON("{\"instances\": [{\"instance\": \"a\", \"state\": \"polling\", "
           "\"clock_offset_ms\": -2001}]}"),
      0, "2.0 s behind", NULL },
    { "a trouble with signals", "/api/v1/instances",
      JSON("{\"instances\": [{\"instance\": \"a\", \"state\": \"polling\", "
           "\"troubles\": [\"SIGURG is taken\\u001b[2J\"]}]}"),
      0, "SIGURG is taken\\x1b[2J", NULL },
    { "a note", "/api/v1/instances",
      JSON("{\"instances\": [{\"instance\": \"a\", \"state\": \"polling\", "
           "\"notes\": {\"no-slot\": 3, \"stale-token\": 0}}]}"),
      0, "no-slot, 3 times", "stale-token" },
    { "a note of one", "/api/v1/instances",
      JSON("{\"instances\": [{\"instance\": \"a\", \"state\": \"polling\", "
           "\"notes\": {\"no-slot\": 1}}]}"),
      0, "no-slot, 1 time:", NULL },
    { "one task", "/api/v1/tasks", JSON("{\"tasks\": [{}]}"), 0, "1 task is active", NULL },
    { "a trouble with permissions", "/api/v1/instances",
      JSON("{\"instances\": [{\"instance\": \"a\", \"state\": \"polling\", "
           "\"troubles\": [\"process_vm_readv is refused here.\"]}]}"),
      0, "CAP_SYS_PTRACE", NULL },
};

static void doctor_finds_each_broken_link(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(chains); i++) {
        struct canned_answer canned[] = {
            { chains[i].path ? chains[i].path : "/nothing", chains[i].bytes, 0 },
            { "/healthz", HEALTHZ, 0 },
            { "/readyz", READYZ, 0 },
            { "/api/v1/session", SESSION, 0 },
            { "/api/v1/instances", INSTANCES, 0 },
            { NULL, NO_TASKS, 0 },
        };
        struct canned_server server;

        serve(&server, canned);
        RUN("doctor");
        canned_server_stop(&server);
        if (run.code != chains[i].code || !strstr(run.out, chains[i].line) ||
            (chains[i].never && strstr(run.out, chains[i].never)))
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
        cmocka_unit_test(one_loss_is_no_plural),
        cmocka_unit_test(watch_asks_again_whichever_request_met_the_restart),
        cmocka_unit_test(doctor_finds_each_broken_link),
    };

    setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
    setenv("COLUMNS", "100", 1);
    setenv("TZ", "UTC", 1);
    unsetenv("STAKEOUT_TOKEN");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
