/* SPDX-License-Identifier: Apache-2.0 */
/* mod_stakeout and a scheduler behind https that wants to see a certificate, in a httpd whose own
 * mod_ssl has OpenSSL loaded. argv[1] is the MPM. */
#include "tests/integration/integrations/http_client.h"
#include "tests/integration/integrations/httpd_process.h"
#include "tests/support/authority.h"
#include "tests/support/scheduler_process.h"
#include "tests/support/test.h"
#include "tests/support/tls_client.h"
#include "tests/support/wait.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_SIZE = 128, LINES_SIZE = 2048, PATIENCE_MS = 30000 };

static const char *mpm;
static char directory[] = "/tmp/stakeout-apache-tls-XXXXXX";
static struct scheduler_process scheduler = { .is_tls = true };

static const char *file(const char *name, char ret[PATH_SIZE])
{
    snprintf(ret, PATH_SIZE, "%s/%s.pem", directory, name);
    return ret;
}

static int setup(void **state)
{
    static const char *const names[] = { "ca", "probe" };
    static char certificate[PATH_SIZE], ca[PATH_SIZE];
    struct authority *authority;

    (void)state;
    assert_non_null(mkdtemp(directory));
    authority = authority_new(directory, "ca");
    authority_issue(authority,
                    &(struct certificate_order){ .file = "server", .names = "DNS:localhost" });
    authority_issue(authority, &(struct certificate_order){ .file = "probe" });
    authority_free(authority);
    assert_int_equal(chmod(directory, 0755), 0); /* for the children's user */
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        char path[PATH_SIZE];

        assert_int_equal(chmod(file(names[i], path), 0644), 0);
    }
    scheduler.options[0] = "--tls-cert";
    scheduler.options[1] = file("server", certificate);
    scheduler.options[2] = "--tls-client-ca";
    scheduler.options[3] = file("ca", ca);
    scheduler_process_start(&scheduler);
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
    scheduler_process_done(&scheduler);
    nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return 0;
}

static bool has_interface(void *name)
{
    char ca[PATH_SIZE];
    struct tls_answer answer;

    if (tls_ask(&(struct tls_call){ .port = scheduler.port,
                                    .ca = file("ca", ca),
                                    .request =
                                        "GET /api/v1/interfaces?application=httpd HTTP/1.1\r\n"
                                        "Host: localhost\r\nConnection: close\r\n\r\n" },
                &answer) < 0)
        fail_msg("%s", answer.text);
    return strstr(answer.text, name) != NULL;
}

static void requests_are_reported_over_https(void **state)
{
    char lines[LINES_SIZE];
    struct httpd_process httpd = { .mpm = mpm, .with_stakeout = true, .lines = lines };
    struct http_reply reply;

    (void)state;
    snprintf(lines, sizeof lines,
             "LoadModule ssl_module " HTTPD_MODULES "/mod_ssl.so\n"
             "StakeoutApplication httpd\nStakeoutServer https://localhost:%u\n"
             "StakeoutCA %s/ca.pem\nStakeoutCertificate %s/probe.pem\n",
             (unsigned)scheduler.port, directory, directory);
    httpd_process_start(&httpd);
    http_get(httpd.port, "/item/4711", NULL, &reply);
    assert_int_equal(reply.status, 404); /* the error document is index.html */
    assert_true(wait_until(has_interface, "GET /item/{id}", PATIENCE_MS));
    httpd_process_stop(&httpd);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_reported_over_https),
    };

    if (argc != 2) return 2;
    mpm = argv[1];
    return cmocka_run_group_tests(tests, setup, teardown);
}
