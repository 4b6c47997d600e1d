/* SPDX-License-Identifier: Apache-2.0 */
/* tls_test.c: a real stakeoutd with https: who is let in, and how its certificate changes. */
#include "tests/support/authority.h"
#include "tests/support/loopback.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"
#include "tests/support/tls_client.h"
#include "tests/support/wait.h"

#include "common/base/own.h"

#include <errno.h>
#include <ftw.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATH_SIZE = 128, PATIENCE_MS = 20000 };

#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
#define POLL                                                                   \
    "POST /probe/v1/poll HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" \
    "Content-Length: 1\r\n\r\nx"

static struct {
    char directory[32];
    char ca[PATH_SIZE], server[PATH_SIZE], stranger_ca[PATH_SIZE], stranger[PATH_SIZE],
        client[PATH_SIZE];
    struct authority *authority, *other;
} files = { .directory = "/tmp/stakeout-tls-XXXXXX" };

static void issue_server(const char *file)
{
    authority_issue(files.authority,
                    &(struct certificate_order){ .file = file, .names = "DNS:localhost" });
}

static int setup(void **state)
{
    (void)state;
    sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
    assert_non_null(mkdtemp(files.directory));
    files.authority = authority_new(files.directory, "ca");
    files.other = authority_new(files.directory, "stranger-ca");
    issue_server("server");
    authority_issue(files.authority, &(struct certificate_order){ .file = "client" });
    authority_issue(files.other, &(struct certificate_order){ .file = "stranger" });
    authority_path(files.authority, "ca", files.ca, PATH_SIZE);
    authority_path(files.authority, "server", files.server, PATH_SIZE);
    authority_path(files.authority, "client", files.client, PATH_SIZE);
    authority_path(files.other, "stranger-ca", files.stranger_ca, PATH_SIZE);
    authority_path(files.other, "stranger", files.stranger, PATH_SIZE);
    scheduler.is_tls = true;
    scheduler.options[0] = "--tls-cert";
    scheduler.options[1] = files.server;
    scheduler.options[2] = "--tls-client-ca";
    scheduler.options[3] = files.ca;
    return scheduler_setup(state);
}

static int remove_one(const char *path, const struct stat *facts, int kind, struct FTW *walk)
{
    (void)facts, (void)kind, (void)walk;
    return remove(path);
}

static int teardown(void **state)
{
    int rc = scheduler_teardown(state);

    authority_free(files.authority);
    authority_free(files.other);
    nftw(files.directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return rc;
}

static struct tls_answer ask(const char *request, const char *certificate)
{
    struct tls_answer answer;

    if (tls_ask(&(struct tls_call){ .port = scheduler.port,
                                    .ca = files.ca,
                                    .certificate = certificate,
                                    .request = request },
                &answer) < 0)
        fail_msg("%s", answer.text);
    return answer;
}

static void expect(const struct tls_answer *answer, const char *needle)
{
    if (!strstr(answer->text, needle)) fail_msg("no '%s' in:\n%s", needle, answer->text);
}

static void a_client_that_knows_the_authority_is_answered(void **state)
{
    struct tls_answer answer = ask(GET("/readyz"), NULL);

    (void)state;
    expect(&answer, "HTTP/1.1 200 OK");
    answer = ask("GET /nothing HTTP/1.1\n\n", NULL); /* refused beside libevent */
    expect(&answer, "HTTP/1.1 400 ");
}

static void versions_before_1_2_are_not_spoken(void **state)
{
    struct tls_call call = { .port = scheduler.port, .ca = files.ca, .request = GET("/healthz") };
    struct tls_answer answer;

    (void)state;
    call.version_max = TLS1_2_VERSION;
    assert_int_equal(tls_ask(&call, &answer), 0);
    expect(&answer, "HTTP/1.1 200 OK");
    call.version_max = TLS1_1_VERSION;
    assert_int_equal(tls_ask(&call, &answer), -1);
}

static double failed_count(void)
{
    static const char series[] = "\nstakeout_tls_handshakes_failed_total ";
    struct tls_answer page = ask(GET("/metrics"), NULL);
    const char *at = strstr(page.text, series);

    assert_non_null(at);
    return strtod(at + sizeof series - 1, NULL);
}

static bool have_failed(void *context)
{
    return failed_count() >= *(double *)context;
}

static void a_client_that_speaks_plain_http_is_told_and_counted(void **state)
{
    double failed = failed_count() + 1;
    int fd = loopback_connect(scheduler.port);
    char answer[512] = "";
    ssize_t size;

    (void)state;
    assert_int_equal(send(fd, GET("/healthz"), sizeof GET("/healthz") - 1, MSG_NOSIGNAL),
                     sizeof GET("/healthz") - 1);
    size = recv(fd, answer, sizeof answer - 1, MSG_WAITALL);
    assert_true(size > 0);
    assert_non_null(strstr(answer, "HTTP/1.1 400 Bad Request"));
    assert_non_null(strstr(answer, "\r\n\r\nThis port is for https:// and no other\n"));
    close(fd);
    assert_true(wait_until(have_failed, &failed, 10000));
}

static void a_probe_must_show_a_certificate_of_the_authority(void **state)
{
    struct tls_answer answer = ask(POLL, NULL);

    (void)state;
    expect(&answer, "HTTP/1.1 403 ");
    expect(&answer, "A probe must show a client certificate here.");
    answer = ask(POLL, files.client);
    expect(&answer, "HTTP/1.1 415 "); /* its body was read, and is no poll */
    answer = ask(GET("/api/v1/tasks"), NULL);
    expect(&answer, "HTTP/1.1 200 OK"); /* an operator needs none */
}

static void a_stranger_s_certificate_ends_the_connection(void **state)
{
    struct tls_call call = {
        .port = scheduler.port, .ca = files.ca, .certificate = files.stranger, .request = POLL
    };
    struct tls_answer answer;

    (void)state;
    /* Of TLS 1.3, the server's refusal comes behind the client's handshake. */
    if (tls_ask(&call, &answer) == 0) assert_string_equal(answer.text, "");
}

static bool has_serial(void *context)
{
    return ask(GET("/healthz"), NULL).serial == *(long *)context;
}

static bool log_has(void *context)
{
    return scheduler_log_has(context);
}

static void a_hangup_takes_the_new_certificate(void **state)
{
    long before = ask(GET("/healthz"), NULL).serial;

    (void)state;
    issue_server("server"); /* its serial is the next that is free */
    kill(scheduler.pid, SIGHUP);
    assert_true(
        wait_until(log_has, (void *)(uintptr_t) "the certificate is read again", PATIENCE_MS));
    assert_true(ask(GET("/healthz"), NULL).serial > before);
}

static void a_bad_certificate_is_refused_and_the_old_one_stays(void **state)
{
    long before = ask(GET("/healthz"), NULL).serial;
    char saved[PATH_SIZE + 8];
    FILE *file;

    (void)state;
    snprintf(saved, sizeof saved, "%s.saved", files.server);
    assert_int_equal(rename(files.server, saved), 0);
    file = fopen(files.server, "we");
    fputs("no certificate\n", file);
    fclose(file);
    kill(scheduler.pid, SIGHUP);
    assert_true(
        wait_until(log_has, (void *)(uintptr_t) "holds no certificate in PEM form", PATIENCE_MS));
    assert_true(has_serial(&before));

    authority_issue(files.authority, &(struct certificate_order){ .file = "server",
                                                                  .names = "DNS:localhost",
                                                                  .begins_s = -7200,
                                                                  .ends_s = -3600 });
    kill(scheduler.pid, SIGHUP);
    assert_true(wait_until(log_has, (void *)(uintptr_t) "has expired", PATIENCE_MS));
    assert_true(has_serial(&before));
    assert_int_equal(rename(saved, files.server), 0);
}

/* --- the command line --- */

static int run_cli(const char *ca, char *ret, size_t size)
{
    char server[64];
    size_t got;
    FILE *said;

    snprintf(server, sizeof server, "https://localhost:%u", (unsigned)scheduler.port);
    setenv("STAKEOUT_SERVER", server, 1);
    if (ca)
        setenv("STAKEOUT_CA", ca, 1);
    else
        unsetenv("STAKEOUT_CA");
    said = popen(STAKEOUT_PATH " task list 2>&1", "re");
    assert_non_null(said);
    got = fread(ret, 1, size - 1, said);
    ret[got] = '\0';
    return pclose(said);
}

static void the_command_line_verifies_too(void **state)
{
    char said[4096];

    (void)state;
    assert_int_equal(run_cli(files.ca, said, sizeof said), 0);
    assert_int_not_equal(run_cli(files.stranger_ca, said, sizeof said), 0);
    assert_non_null(strstr(said, "is not acceptable"));
    assert_non_null(strstr(said, "--ca or STAKEOUT_CA names who may sign it"));
    assert_int_not_equal(run_cli(NULL, said, sizeof said), 0);
}

/* --- beyond loopback --- */

static void expect_refusal(struct scheduler_process *process, const char *says)
{
    OWN(buf_done) struct buf log = BUF_INIT(SCHEDULER_LOG_SIZE_MAX);
    const char *const nothing[] = { NULL };
    char output[16];

    assert_int_equal(scheduler_process_command(process, nothing, output, sizeof output), 1);
    scheduler_process_read_log(process, &log);
    if (!strstr(log.data, says)) fail_msg("no '%s' in:\n%s", says, log.data);
}

static void beyond_loopback_there_must_be_tls_and_tokens(void **state)
{
    struct scheduler_process process = { .options = { "--listen", "0.0.0.0:0" }, .is_tls = true };
    const char *const create[] = { "token", "create", "viewer", "anna", NULL };
    struct tls_answer answer;
    char token[128], request[512];

    (void)state;
    expect_refusal(&process, "to listen beyond loopback, give a certificate");
    process.options[2] = "--tls-cert";
    process.options[3] = files.server;
    expect_refusal(&process, "to listen beyond loopback there must be tokens");
    assert_int_equal(scheduler_process_command(&process, create, token, sizeof token), 0);
    scheduler_process_start(&process);
    snprintf(request, sizeof request,
             "GET /api/v1/tasks HTTP/1.1\r\nHost: any.name\r\nAuthorization: Bearer %s\r\n"
             "Connection: close\r\n\r\n",
             token);
    assert_int_equal(
        tls_ask(&(struct tls_call){ .port = process.port, .ca = files.ca, .request = request },
                &answer),
        0);
    expect(&answer, "HTTP/1.1 200 OK");
    scheduler_process_done(&process);
}

/* ------------------------------------------------------------------ sessions */

static bool is_shut(void *context)
{
    struct tls_answer answer = ask(GET("/api/v1/session"), NULL);

    (void)context;
    return strstr(answer.text, "HTTP/1.1 401 ") != NULL;
}

static struct tls_answer ask_with_cookie(const char *name, const char *secret)
{
    char request[512];

    snprintf(request, sizeof request,
             "GET /api/v1/session HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
             "Cookie: %s=%s\r\n\r\n",
             name, secret);
    return ask(request, NULL);
}

/* Over TLS only the cookie counts that no other host, and no plain page of this one, can set. */
static void a_session_s_cookie_is_secure_and_has_no_other_name(void **state)
{
    static const char name[] = "\r\nSet-Cookie: __Host-stakeout_session=";
    const char *words[] = { "token", "create", "viewer", "eve", NULL };
    char token[128], body[160], request[512], secret[65];
    struct tls_answer answer;
    const char *cookie;

    (void)state;
    assert_int_equal(scheduler_process_command(&scheduler, words, token, sizeof token), 0);
    assert_true(wait_until(is_shut, NULL, PATIENCE_MS));
    snprintf(body, sizeof body, "{\"token\":\"%s\"}", token);
    snprintf(request, sizeof request,
             "POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
             "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    answer = ask(request, NULL);
    expect(&answer, "HTTP/1.1 201 ");
    cookie = strstr(answer.text, name);
    assert_non_null(cookie);
    snprintf(secret, sizeof secret, "%s", cookie + sizeof name - 1);
    expect(&answer, "; Path=/; HttpOnly; SameSite=Strict; Max-Age=604800; Secure\r\n");
    answer = ask_with_cookie("__Host-stakeout_session", secret);
    expect(&answer, "HTTP/1.1 200 ");
    answer = ask_with_cookie("stakeout_session", secret);
    expect(&answer, "HTTP/1.1 401 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_that_knows_the_authority_is_answered),
        cmocka_unit_test(versions_before_1_2_are_not_spoken),
        cmocka_unit_test(a_client_that_speaks_plain_http_is_told_and_counted),
        cmocka_unit_test(a_probe_must_show_a_certificate_of_the_authority),
        cmocka_unit_test(a_stranger_s_certificate_ends_the_connection),
        cmocka_unit_test(a_hangup_takes_the_new_certificate),
        cmocka_unit_test(a_bad_certificate_is_refused_and_the_old_one_stays),
        cmocka_unit_test(the_command_line_verifies_too),
        cmocka_unit_test(beyond_loopback_there_must_be_tls_and_tokens),
        cmocka_unit_test(a_session_s_cookie_is_secure_and_has_no_other_name),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
