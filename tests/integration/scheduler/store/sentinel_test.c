/* SPDX-License-Identifier: Apache-2.0 */
/* A master, its replica and three Sentinels, all real: the master is found, followed, and killed
 * under load without losing what was acknowledged. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "tests/integration/scheduler/store/conn_room.h"
#include "tests/integration/scheduler/store/storm.h"
#include "tests/support/authority.h"
#include "tests/support/free_port.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

enum { SENTINELS = 3, KNOWN_MS_MAX = 30000 };

struct family {
    struct redis_process master, replica, sentinels[SENTINELS];
    int master_port, replica_port, sentinel_ports[SENTINELS];
};

static void start_sentinel(struct family *family, size_t index, const char *more)
{
    char config[1024];

    family->sentinel_ports[index] = free_port();
    snprintf(config, sizeof(config),
             "port %d\nbind 127.0.0.1\nsentinel monitor house 127.0.0.1 %d 2\n"
             "sentinel down-after-milliseconds house 1000\nsentinel failover-timeout house 2000\n"
             "%s",
             family->sentinel_ports[index], family->master_port, more);
    redis_process_start_sentinel(&family->sentinels[index], config);
}

static void start_pair(struct family *family)
{
    char config[256];

    family->master_port = free_port();
    snprintf(config, sizeof(config),
             "port %d\nbind 127.0.0.1\nappendonly yes\nappendfsync always\n", family->master_port);
    redis_process_start(&family->master, config);
    family->replica_port = free_port();
    snprintf(config, sizeof(config),
             "port %d\nbind 127.0.0.1\nappendonly yes\nappendfsync always\n"
             "replicaof 127.0.0.1 %d\n",
             family->replica_port, family->master_port);
    redis_process_start(&family->replica, config);
}

/* They know each other and the replica, which is in step. */
static bool is_known(void *context)
{
    struct family *family = context;

    for (size_t i = 0; i < SENTINELS; i++) {
        struct redis_process *sentinel = &family->sentinels[i];

        if (!strstr(redis_process_ask(sentinel, "SENTINEL ckquorum house"), "OK 3 usable"))
            return false;
        if (!*redis_process_ask(sentinel, "SENTINEL replicas house")) return false;
    }
    return strstr(redis_process_ask(&family->replica, "INFO replication | grep link_status"),
                  "link_status:up");
}

static void family_start(struct family *family)
{
    start_pair(family);
    for (size_t i = 0; i < SENTINELS; i++) {
        start_sentinel(family, i, "");
    }
    if (!wait_until(is_known, family, KNOWN_MS_MAX)) fail_msg("the Sentinels see no house");
}

static void family_stop(struct family *family)
{
    for (size_t i = 0; i < SENTINELS; i++) {
        redis_process_stop(&family->sentinels[i]);
    }
    redis_process_stop(&family->replica);
    redis_process_stop(&family->master);
}

static void family_url(const struct family *family, char *ret, size_t size)
{
    snprintf(ret, size, "redis+sentinel://127.0.0.1:%d,127.0.0.1:%d,127.0.0.1:%d/house",
             family->sentinel_ports[0], family->sentinel_ports[1], family->sentinel_ports[2]);
}

static uint64_t port_of(struct line *line)
{
    struct asked asked = { .rc = 0 };
    const char *found;

    ask(line, &asked, "INFO", TEXT("server"));
    wait_for(line, &asked.answered, 1);
    assert_int_equal(asked.rc, 0);
    found = strstr(asked.text, "tcp_port:");
    assert_non_null(found);
    return strtoul(found + strlen("tcp_port:"), NULL, 10);
}

static void a_master_that_hangs_is_left_when_they_name_another(void **state)
{
    struct family family = { .master_port = 0 };
    struct line *line = line_new("");
    char url[192];

    (void)state;
    family_start(&family);
    family_url(&family, url, sizeof(url));
    connect_to(line, url);
    wait_for(line, &line->ups, 1);
    assert_int_equal(port_of(line), family.master_port);

    /* Nothing is asked of it meanwhile, so only what they say can tell us. */
    kill(family.master.pid, SIGSTOP);
    wait_for(line, &line->ups, 2);
    assert_string_equal(line->why, "the Sentinels name another master");
    assert_int_equal(port_of(line), family.replica_port);
    line_free(line);
    family_stop(&family);
}

static void sentinels_are_asked_in_turn_with_words_of_their_own(void **state)
{
    struct family family = { .master_port = free_port() };
    char config[128], url[256];
    struct line *line;

    (void)state;
    snprintf(config, sizeof(config), "port %d\nbind 127.0.0.1\nrequirepass ours\n",
             family.master_port);
    line = line_new(config);
    start_sentinel(&family, 0, "requirepass theirs\nsentinel auth-pass house ours\n");
    snprintf(url, sizeof(url),
             "redis+sentinel://:ours@127.0.0.1:%d,127.0.0.1:%d/house/4?sentinel-password=theirs",
             free_port(), family.sentinel_ports[0]);
    connect_to(line, url);
    wait_for(line, &line->ups, 1);
    assert_int_equal(line->downs, 0); /* that nobody is at the first was no matter */
    assert_int_equal(port_of(line), family.master_port);
    line_free(line);
    redis_process_stop(&family.sentinels[0]);
}

static void sentinels_and_master_may_be_behind_tls(void **state)
{
    char dir[] = "/tmp/stakeout-tls-XXXXXX", tls[512], config[700], url[192], ca[64];
    struct family family = { .master_port = free_port() };
    struct redis_tls_files files = { .ca = ca };
    struct authority *authority;
    struct line *line;
    int sentinel_port;

    (void)state;
    assert_non_null(mkdtemp(dir));
    authority = authority_new(dir, "ca");
    authority_issue(authority,
                    &(struct certificate_order){ .file = "server", .names = "IP:127.0.0.1" });
    authority_path(authority, "ca", ca, sizeof(ca));
    authority_free(authority);
    snprintf(tls, sizeof(tls),
             "tls-cert-file %s/server.pem\ntls-key-file %s/server.pem\ntls-ca-cert-file %s\n"
             "tls-auth-clients no\ntls-replication yes\n",
             dir, dir, ca);
    snprintf(config, sizeof(config), "port 0\ntls-port %d\nbind 127.0.0.1\n%s", family.master_port,
             tls);
    line = line_new(config);
    sentinel_port = free_port();
    snprintf(config, sizeof(config), "port 0\ntls-port %d\n%s", sentinel_port, tls);
    start_sentinel(&family, 0, config); /* of two ports in a configuration, the last one counts */
    snprintf(url, sizeof(url), "rediss+sentinel://127.0.0.1:%d/house", sentinel_port);
    connect_by_tls(line, url, &files);
    wait_for(line, &line->ups, 1);
    assert_bodies_arrive(line);
    line_free(line);
    redis_process_stop(&family.sentinels[0]);
    snprintf(config, sizeof(config), "rm -rf '%s'", dir);
    assert_int_equal(system(config), 0);
}

static const struct {
    const char *says, *url, *why;
} nobodies[] = {
    { "a name that they do not know", "redis+sentinel://127.0.0.1:%d/other",
      "no Sentinel names a master 'other': 127.0.0.1:%d: it knows none" },
    { "a wrong password", "redis+sentinel://127.0.0.1:%d/house?sentinel-password=x",
      "no Sentinel names a master 'house': 127.0.0.1:%d: ERR AUTH" },
};

static void who_names_no_master_is_said_and_asked_again(void **state)
{
    struct family family = { .master_port = free_port() };

    (void)state;
    start_sentinel(&family, 0, "");
    for (size_t i = 0; i < sizeof(nobodies) / sizeof(nobodies[0]); i++) {
        struct line *line = line_new("");
        char url[192], why[192];

        snprintf(url, sizeof(url), nobodies[i].url, family.sentinel_ports[0]);
        snprintf(why, sizeof(why), nobodies[i].why, family.sentinel_ports[0]);
        connect_to(line, url);
        wait_for(line, &line->downs, 2);
        if (!strstr(line->why, why)) fail_msg("%s: %s", nobodies[i].says, line->why);
        line_free(line);
    }
    redis_process_stop(&family.sentinels[0]);
}

static void a_redis_that_is_no_master_is_left(void **state)
{
    struct line *line = line_new("replicaof 127.0.0.1 1\n");
    struct redis_address address = { .wants_master = true };

    (void)state;
    snprintf(address.path, sizeof(address.path), "%s", line->redis.socket);
    redis_conn_connect(line->conn, &address);
    wait_for(line, &line->downs, 1);
    assert_string_equal(line->why, "it is no master");
    redis_process_ask(&line->redis, "REPLICAOF NO ONE");
    wait_for(line, &line->ups, 1);
    line_free(line);
}

static void the_master_is_killed_under_load_and_nothing_is_lost(void **state)
{
    struct family family = { .master_port = 0 };
    struct fixture named = { .base = NULL }, *fixture;
    struct storm *storm;
    uint64_t killed_ns, worked_ns;

    (void)state;
    family_start(&family);
    family_url(&family, named.redis.url, sizeof(named.redis.url));
    fixture = fixture_join(&named);
    storm = storm_new(fixture);
    storm_until(storm, STORM_CAP / 3);
    killed_ns = clock_monotonic_ns();
    redis_process_kill(&family.master); /* with reports under way */
    fixture_wait_down(fixture);
    fixture_wait_ready(fixture);
    worked_ns = clock_monotonic_ns();
    storm_until(storm, STORM_CAP / 3 + STORM_SENDERS + 1);
    print_message("the master killed: works again after %" PRIu64 " ms; %u reports sent again\n",
                  (worked_ns - killed_ns) / NS_PER_MS, storm_again(storm));
    storm_end(storm);
    fixture_free(fixture);
    family_stop(&family);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_master_that_hangs_is_left_when_they_name_another),
        cmocka_unit_test(sentinels_are_asked_in_turn_with_words_of_their_own),
        cmocka_unit_test(sentinels_and_master_may_be_behind_tls),
        cmocka_unit_test(who_names_no_master_is_said_and_asked_again),
        cmocka_unit_test(a_redis_that_is_no_master_is_left),
        cmocka_unit_test(the_master_is_killed_under_load_and_nothing_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
