/* SPDX-License-Identifier: Apache-2.0 */
/* A real Redis behind TLS: who proves who it is, is spoken to, and nobody else. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/model/problem.h"
#include "scheduler/store/redis/redis_tls.h"
#include "tests/integration/scheduler/store/conn_room.h"
#include "tests/support/authority.h"
#include "tests/support/free_port.h"
#include "tests/support/test.h"

static char dir[] = "/tmp/stakeout-tls-XXXXXX";

static struct redis_tls_files files_of(const char *ca, const char *own)
{
    static char paths[2][128];

    snprintf(paths[0], sizeof(paths[0]), "%s/%s.pem", dir, ca);
    snprintf(paths[1], sizeof(paths[1]), "%s/%s.pem", dir, own ? own : "");
    return (struct redis_tls_files){ paths[0], own ? paths[1] : NULL, NULL };
}

/* A Redis that shows this certificate on the port. */
static struct line *line_with(const char *certificate, const char *clients, int port)
{
    char config[512];

    snprintf(config, sizeof(config),
             "tls-port %d\nbind 127.0.0.1\ntls-cert-file %s/%s.pem\ntls-key-file %s/%s.pem\n"
             "tls-ca-cert-file %s/ca.pem\ntls-auth-clients %s\nrequirepass s3cret\n",
             port, dir, certificate, dir, certificate, dir, clients);
    return line_new(config);
}

static const char *url_of(const char *host, int port)
{
    static char url[128];

    snprintf(url, sizeof(url), "rediss://:s3cret@%s:%d/3", host, port);
    return url;
}

static void who_proves_who_it_is_is_spoken_to(void **state)
{
    static const char *const hosts[] = { "localhost", "127.0.0.1" };
    struct redis_tls_files files = files_of("ca", NULL);
    int port = free_port();
    struct line *line = line_with("server", "no", port);

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(hosts); i++) {
        struct asked client = { .rc = 0 };

        connect_by_tls(line, url_of(hosts[i], port), &files);
        wait_for(line, &line->ups, i + 1);
        ask(line, &client, "CLIENT", TEXT("INFO"));
        wait_for(line, &client.answered, 1);
        assert_non_null(strstr(client.text, " db=3 "));
        assert_bodies_arrive(line);
    }
    line_free(line);
}

static const struct {
    const char *says, *certificate, *clients, *ca, *own, *host, *why;
} refusals[] = {
    { "a stranger signed it", "server", "no", "stranger", NULL, "localhost",
      "its certificate is not accepted: self-signed certificate in certificate chain" },
    { "it is for another name", "host", "no", "ca", NULL, "localhost",
      "its certificate is not accepted: hostname mismatch" },
    { "it is for a name, not for the number", "host", "no", "ca", NULL, "127.0.0.1",
      "its certificate is not accepted: IP address mismatch" },
    { "it wants one of ours", "server", "yes", "ca", NULL, "localhost", "TLS failed" },
};

static void who_does_not_is_left_with_the_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(refusals); i++) {
        struct redis_tls_files files = files_of(refusals[i].ca, refusals[i].own);
        int port = free_port();
        struct line *line = line_with(refusals[i].certificate, refusals[i].clients, port);

        connect_by_tls(line, url_of(refusals[i].host, port), &files);
        wait_for(line, &line->downs, 2);
        if (!strstr(line->why, refusals[i].why)) fail_msg("%s: %s", refusals[i].says, line->why);
        assert_int_equal(line->ups, 0);
        line_free(line);
    }
}

static void a_certificate_of_ours_is_shown_where_it_is_wanted(void **state)
{
    struct redis_tls_files files = files_of("ca", "client");
    int port = free_port();
    struct line *line = line_with("server", "yes", port);

    (void)state;
    connect_by_tls(line, url_of("localhost", port), &files);
    wait_for(line, &line->ups, 1);
    line_free(line);
}

static void run_in_dir(const char *command)
{
    char line[256];

    snprintf(line, sizeof(line), "cd '%s' && %s", dir, command);
    assert_int_equal(system(line), 0);
}

static void renewed_files_need_no_restart(void **state)
{
    struct redis_tls_files files = files_of("renewed", NULL);
    int port = free_port();
    struct line *line = line_with("server", "no", port);

    (void)state;
    run_in_dir("cp stranger.pem renewed.pem");
    connect_by_tls(line, url_of("localhost", port), &files);
    wait_for(line, &line->downs, 1);
    run_in_dir("rm renewed.pem");
    wait_for(line, &line->downs, line->downs + 2);
    assert_non_null(strstr(line->why, "renewed.pem' of 'redis-ca' cannot be used"));
    run_in_dir("cp ca.pem renewed.pem");
    wait_for(line, &line->ups, 1);
    line_free(line);
}

static void files_that_cannot_be_used_are_named_at_the_start(void **state)
{
    struct redis_tls_files good = files_of("ca", "client");
    const struct {
        struct redis_tls_files files;
        const char *says;
    } rows[] = {
        { good, NULL },
        { { 0 }, NULL },
        { { "/nowhere/ca.pem", NULL, NULL }, "'/nowhere/ca.pem' of 'redis-ca' cannot be used" },
        { { NULL, good.cert, good.cert }, NULL },
        { { NULL, NULL, good.cert }, "'redis-key' needs 'redis-cert'" },
        { { NULL, "/nowhere/client.pem", NULL }, "client.pem' of 'redis-cert' cannot be used" },
        { { NULL, good.ca, NULL }, "ca.pem' of 'redis-cert' cannot be used" }, /* without a key */
        { { NULL, good.cert, good.ca }, "ca.pem' of 'redis-key' cannot be used" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct problem problem = { 0 };
        int rc = redis_tls_check(&rows[i].files, &problem);

        assert_int_equal(rc, rows[i].says ? -1 : 0);
        if (rows[i].says && !strstr(problem.detail, rows[i].says)) fail_msg("%s", problem.detail);
    }
}

static void issue(struct authority *authority, const char *file, const char *names)
{
    authority_issue(authority, &(struct certificate_order){ .file = file, .names = names });
}

static int make_certificates(void **state)
{
    struct authority *authority;

    (void)state;
    assert_non_null(mkdtemp(dir));
    authority_free(authority_new(dir, "stranger"));
    authority = authority_new(dir, "ca");
    issue(authority, "server", "DNS:localhost,IP:127.0.0.1");
    issue(authority, "host", "DNS:redis.test");
    issue(authority, "client", NULL);
    authority_free(authority);
    return 0;
}

static int remove_certificates(void **state)
{
    char command[64];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_proves_who_it_is_is_spoken_to),
        cmocka_unit_test(who_does_not_is_left_with_the_reason),
        cmocka_unit_test(a_certificate_of_ours_is_shown_where_it_is_wanted),
        cmocka_unit_test(renewed_files_need_no_restart),
        cmocka_unit_test(files_that_cannot_be_used_are_named_at_the_start),
    };

    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
