/* SPDX-License-Identifier: Apache-2.0 */
/* The probe's https, in a real process, against a real stakeoutd: whom it trusts, whom it does not,
 * and what its log says of that. argv[1] is the host program (host.c). */
#include "tests/integration/probe/host_process.h"
#include "tests/support/authority.h"
#include "tests/support/scheduler_process.h"
#include "tests/support/test.h"
#include "tests/support/tls_client.h"
#include "tests/support/wait.h"

#include "common/base/buf.h"
#include "common/base/own.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = 128, PATIENCE_MS = 30000, LOG_SIZE_MAX = 1024 * 1024 };

static const char *host_program;
static char directory[] = "/tmp/stakeout-https-XXXXXX";
static struct scheduler_process good = { .is_tls = true }, expired = { .is_tls = true };

static const char *file(const char *name)
{
    static char paths[8][PATH_SIZE];
    static int next;
    char *path = paths[next++ % 8];

    snprintf(path, PATH_SIZE, "%s/%s.pem", directory, name);
    return path;
}

static void start(struct scheduler_process *scheduler, char *certificate, const char *name)
{
    snprintf(certificate, PATH_SIZE, "%s/%s.pem", directory, name);
    scheduler->options[0] = "--tls-cert";
    scheduler->options[1] = certificate;
    scheduler_process_start(scheduler);
}

static int setup(void **state)
{
    static char good_path[PATH_SIZE], expired_path[PATH_SIZE], ca[PATH_SIZE];
    struct authority *authority, *other;

    (void)state;
    sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
    assert_non_null(mkdtemp(directory));
    authority = authority_new(directory, "ca");
    other = authority_new(directory, "other-ca");
    authority_issue(authority,
                    &(struct certificate_order){ .file = "server", .names = "DNS:localhost" });
    authority_issue(authority, &(struct certificate_order){ .file = "probe" });
    authority_issue(authority, &(struct certificate_order){ .file = "expired",
                                                            .names = "DNS:localhost",
                                                            .begins_s = -7200,
                                                            .ends_s = -3600 });
    authority_free(authority);
    authority_free(other);
    snprintf(ca, sizeof ca, "%s/ca.pem", directory);
    good.options[2] = "--tls-client-ca";
    good.options[3] = ca;
    start(&good, good_path, "server");
    start(&expired, expired_path, "expired");
    return 0;
}

static int remove_one(const char *path, const struct stat *facts, int kind, struct FTW *walk)
{
    (void)facts, (void)kind, (void)walk;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    scheduler_process_done(&good);
    scheduler_process_done(&expired);
    nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return 0;
}

/* --- a host --- */

struct visit {
    const char *says;
    const char *host;        /* in the URL */
    bool is_expired;         /* to the scheduler whose certificate has expired */
    const char *ca;          /* NULL: who the system trusts */
    const char *certificate; /* NULL: none */
    const char *log;         /* what is said */
};

static struct host_process *host_start(const struct visit *visit, const char *log)
{
    char server[96], ca[PATH_SIZE + 32], certificate[PATH_SIZE + 32], to[PATH_SIZE + 32];
    const char *const variables[] = {
        server, ca, certificate, to, "STAKEOUT_APPLICATION=shop", NULL
    };

    snprintf(server, sizeof server, "STAKEOUT_SERVER=https://%s:%u", visit->host,
             (unsigned)(visit->is_expired ? expired.port : good.port));
    snprintf(ca, sizeof ca, "STAKEOUT_CA=%s", visit->ca ? file(visit->ca) : "");
    snprintf(certificate, sizeof certificate, "STAKEOUT_CERT=%s",
             visit->certificate ? file(visit->certificate) : "");
    snprintf(to, sizeof to, "STAKEOUT_LOG=%s", log);
    return host_process_start(host_program, variables);
}

struct log_hope {
    const char *path, *needle;
    char text[8192];
};

static bool log_has(void *context)
{
    struct log_hope *hope = context;
    OWN(fd_closep) int fd = open(hope->path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? 0 : read(fd, hope->text, sizeof hope->text - 1);

    hope->text[size > 0 ? size : 0] = '\0';
    return strstr(hope->text, hope->needle) != NULL;
}

static void expect_log(const char *path, const char *needle, const char *says)
{
    struct log_hope hope = { .path = path, .needle = needle };

    if (!wait_until(log_has, &hope, PATIENCE_MS))
        fail_msg("%s: no '%s' in:\n%s", says, needle, hope.text);
}

static const struct visit visits[] = {
    { "all is well", "localhost", false, "ca", "probe",
      "link: connected\" server=\"https://localhost:" },
    { "another name", "127.0.0.1", false, "ca", "probe",
      "its certificate is not acceptable: IP address mismatch" },
    { "an authority that is not known", "localhost", false, NULL, "probe",
      "its certificate is not acceptable: unable to get local issuer certificate" },
    { "another authority", "localhost", false, "other-ca", "probe",
      "its certificate is not acceptable: " },
    { "a certificate that has expired", "localhost", true, "ca", "probe",
      "its certificate is not acceptable: certificate has expired" },
    { "no certificate of ours", "localhost", false, "ca", NULL,
      "status 403: A probe must show a client certificate here" },
    { "files that are not there", "localhost", false, "nowhere", NULL, "STAKEOUT_CA '" },
};

static void a_server_is_trusted_only_with_its_name_and_its_authority(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(visits); i++) {
        char log[PATH_SIZE];
        struct host_process *host;

        snprintf(log, sizeof log, "%s/log-%zu", directory, i);
        host = host_start(&visits[i], log);
        assert_string_equal(host_process_ask(host, "start"), "start 0");
        expect_log(log, visits[i].log, visits[i].says);
        assert_int_equal(host_process_end(host), 0);
    }
}

static bool has_interface(void *context)
{
    struct tls_answer answer;

    (void)context;
    if (tls_ask(&(struct tls_call){ .port = good.port,
                                    .ca = file("ca"),
                                    .request =
                                        "GET /api/v1/interfaces?application=shop HTTP/1.1\r\n"
                                        "Host: localhost\r\nConnection: close\r\n\r\n" },
                &answer) < 0)
        fail_msg("%s", answer.text);
    return strstr(answer.text, "GET /farewell") != NULL;
}

/* What is counted goes out at exit: OpenSSL ends itself there, too. */
static void a_host_that_exits_at_once_still_says_what_it_counted(void **state)
{
    char log[PATH_SIZE];
    struct host_process *host;

    (void)state;
    snprintf(log, sizeof log, "%s/log-farewell", directory);
    host = host_start(&visits[0], log);
    assert_string_equal(host_process_ask(host, "start"), "start 0");
    expect_log(log, "for=\"reports\"", "connected");
    assert_string_equal(host_process_ask(host, "call GET /farewell 1"), "called");
    assert_int_equal(host_process_end(host), 0);
    assert_true(wait_until(has_interface, NULL, PATIENCE_MS));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_is_trusted_only_with_its_name_and_its_authority),
        cmocka_unit_test(a_host_that_exits_at_once_still_says_what_it_counted),
    };

    if (argc != 2) return 2;
    host_program = argv[1];
    return cmocka_run_group_tests(tests, setup, teardown);
}
