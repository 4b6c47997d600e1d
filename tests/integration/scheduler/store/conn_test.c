/* SPDX-License-Identifier: Apache-2.0 */
/* The connection: every kind of address, order and bounds under a backlog, a Redis that hangs. */
#include "tests/integration/scheduler/store/conn_room.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

#include "tests/support/free_port.h"
#include "tests/support/test.h"

static void every_kind_of_address_leads_to_its_database(void **state)
{
    char config[256], tcp[128], named[128], unix_url[192];
    int port = free_port();
    struct line *line;

    (void)state;
    snprintf(config, sizeof(config),
             "port %d\nbind 127.0.0.1\nrequirepass s3:cr@t\nuser ann on >pw ~* +@all\n", port);
    line = line_new(config);
    snprintf(tcp, sizeof(tcp), "redis://:s3%%3Acr%%40t@localhost:%d/5", port);
    snprintf(named, sizeof(named), "redis://ann:pw@127.0.0.1:%d/5", port);
    snprintf(unix_url, sizeof(unix_url), "redis+unix://:s3%%3Acr%%40t@%s?db=5", line->redis.socket);
    for (unsigned i = 0; i < 3; i++) {
        const char *urls[] = { tcp, named, unix_url };
        struct asked client = { .rc = 0 };
        connect_to(line, urls[i]);
        wait_for(line, &line->ups, i + 1);
        ask(line, &client, "CLIENT", TEXT("INFO"));
        wait_for(line, &client.answered, 1);
        assert_int_equal(client.rc, 0);
        assert_non_null(strstr(client.text, " db=5 "));
    }
    line_free(line);
}

static void a_wrong_password_is_said_and_tried_again(void **state)
{
    struct line *line = line_new("requirepass right\n");
    char url[192];

    (void)state;
    snprintf(url, sizeof(url), "redis+unix://:wrong@%s", line->redis.socket);
    connect_to(line, url);
    wait_for(line, &line->downs, 3);
    assert_non_null(strstr(line->why, "WRONGPASS"));
    assert_int_equal(line->ups, 0);
    assert_false(redis_conn_is_up(line->conn));
    line_free(line);
}

static void a_backlog_is_answered_in_order_and_in_flight_is_bounded(void **state)
{
    enum { COUNT = 200, BODY_SIZE = 100 * 1024, IN_FLIGHT_MAX = 1024 * 1024 };
    struct line *line = line_new("");
    struct asked *asked = mem_zalloc(COUNT, sizeof(*asked));
    char *body = mem_zalloc(1, BODY_SIZE);
    struct redis_conn_figures figures;
    unsigned order = 0;

    (void)state;
    memset(body, 'x', BODY_SIZE);
    connect_to(line, line->redis.url);
    wait_for(line, &line->ups, 1);
    for (unsigned i = 0; i < COUNT; i++) {
        asked[i].order = &order;
        ask(line, &asked[i], "ECHO", (struct text){ body, BODY_SIZE });
        redis_conn_read_figures(line->conn, &figures);
        assert_true(figures.in_flight_size <= IN_FLIGHT_MAX);
    }
    assert_true(figures.queued_count > COUNT / 2);
    wait_for(line, &order, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        assert_int_equal(asked[i].rc, 0);
        assert_int_equal(asked[i].place, i);
    }
    redis_conn_read_figures(line->conn, &figures);
    assert_int_equal(figures.queued_size + figures.in_flight_size, 0);
    free(asked);
    free(body);
    line_free(line);
}

static void too_much_that_waits_is_refused_and_every_callback_comes_once(void **state)
{
    enum { COUNT = 100, BODY_SIZE = 1000 * 1024 };
    struct line *line = line_new("");
    struct asked *asked = mem_zalloc(COUNT, sizeof(*asked));
    char *body = mem_zalloc(1, BODY_SIZE);
    unsigned order = 0, refused = 0, lost = 0;

    (void)state;
    connect_to(line, line->redis.url);
    wait_for(line, &line->ups, 1);
    kill(line->redis.pid, SIGSTOP);
    for (unsigned i = 0; i < COUNT; i++) {
        asked[i].order = &order;
        ask(line, &asked[i], "ECHO", (struct text){ body, BODY_SIZE });
    }
    redis_process_kill(&line->redis);
    wait_for(line, &order, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        refused += asked[i].rc == -ENOBUFS;
        lost += asked[i].rc == -ECONNRESET || asked[i].rc == -ENOTCONN;
    }
    assert_int_equal(refused + lost, COUNT);
    assert_true(refused > 0 && lost > 60);
    free(asked);
    free(body);
    line_free(line);
}

static void a_redis_that_hangs_is_left_after_its_time(void **state)
{
    struct line *line = line_new("");
    struct redis_conn_figures figures;
    struct asked asked = { .rc = 0 };

    (void)state;
    connect_to(line, line->redis.url);
    wait_for(line, &line->ups, 1);
    kill(line->redis.pid, SIGSTOP);
    ask(line, &asked, "ECHO", TEXT("hello"));
    wait_for(line, &asked.answered, 1);
    assert_int_equal(asked.rc, -ECONNRESET);
    redis_conn_read_figures(line->conn, &figures);
    assert_int_equal(figures.timeouts, 1);
    kill(line->redis.pid, SIGCONT);
    wait_for(line, &line->ups, 2); /* by itself */
    line_free(line);
}

static void large_and_small_commands_arrive_as_they_were_sent(void **state)
{
    struct line *line = line_new("");

    (void)state;
    connect_to(line, line->redis.url);
    wait_for(line, &line->ups, 1);
    assert_bodies_arrive(line);
    line_free(line);
}

static void what_is_sent_while_it_is_down_fails_later(void **state)
{
    struct line *line = line_new("");
    struct asked asked = { .rc = 0 };

    (void)state;
    ask(line, &asked, "ECHO", TEXT("hello"));
    wait_for(line, &asked.answered, 1);
    assert_int_equal(asked.rc, -ENOTCONN);
    line_free(line);
}

static void a_host_that_nobody_knows_is_said_and_asked_for_again(void **state)
{
    struct line *line = line_new("");

    (void)state;
    connect_to(line, "redis://no%20host"); /* no resolver need be asked for this */
    wait_for(line, &line->downs, 2);
    assert_non_null(strstr(line->why, "its host 'no host' is not known"));
    line_free(line);
}

/* A server that says PONG, and later OK to what it has not read. */
struct hasty {
    int listener, client;
    char dir[64], url[128];
};

static void hasty_start(struct hasty *hasty)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    snprintf(hasty->dir, sizeof(hasty->dir), "/tmp/stakeout-hasty-XXXXXX");
    assert_non_null(mkdtemp(hasty->dir));
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", hasty->dir);
    snprintf(hasty->url, sizeof(hasty->url), "redis+unix://%s/s", hasty->dir);
    hasty->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(hasty->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(hasty->listener, 1), 0);
}

static void hasty_say(const struct hasty *hasty, const char *words)
{
    assert_int_equal(send(hasty->client, words, strlen(words), 0), strlen(words));
}

static void hasty_greet(struct hasty *hasty, struct line *line)
{
    char ping[64];

    event_base_loop(line->base, EVLOOP_ONCE); /* it connects */
    hasty->client = accept(hasty->listener, NULL, NULL);
    assert_true(hasty->client >= 0);
    for (size_t size = 0; size < strlen("*1\r\n$4\r\nPING\r\n");) {
        ssize_t got;

        event_base_loop(line->base, EVLOOP_ONCE);
        got = recv(hasty->client, ping, sizeof(ping), MSG_DONTWAIT);
        if (got > 0) size += (size_t)got;
    }
    hasty_say(hasty, "+PONG\r\n");
    wait_for(line, &line->ups, 1);
}

static void hasty_stop(struct hasty *hasty)
{
    char path[128];

    close(hasty->client);
    close(hasty->listener);
    snprintf(path, sizeof(path), "%s/s", hasty->dir);
    unlink(path);
    rmdir(hasty->dir);
}

static void an_answer_to_what_was_not_sent_whole_breaks_the_connection(void **state)
{
    enum { BODY_SIZE = 900 * 1024 };
    struct line *line = line_new("");
    struct asked asked[2] = { { .rc = 0 } };
    char *body = mem_zalloc(1, BODY_SIZE);
    unsigned order = 0;
    struct hasty hasty;

    (void)state;
    hasty_start(&hasty);
    connect_to(line, hasty.url);
    hasty_greet(&hasty, line);
    for (size_t i = 0; i < 2; i++) {
        asked[i].order = &order;
        ask(line, &asked[i], "ECHO", (struct text){ body, BODY_SIZE });
    }
    hasty_say(&hasty, "+OK\r\n+OK\r\n");
    wait_for(line, &order, 2); /* whose bytes are freed by that, under the eyes of the sanitizers */
    assert_int_equal(asked[0].rc, -ECONNRESET);
    assert_int_equal(asked[1].rc, -ENOTCONN); /* no more flies than a megabyte */
    assert_non_null(strstr(line->why, "what was not asked"));
    free(body);
    hasty_stop(&hasty);
    line_free(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_address_leads_to_its_database),
        cmocka_unit_test(a_wrong_password_is_said_and_tried_again),
        cmocka_unit_test(a_backlog_is_answered_in_order_and_in_flight_is_bounded),
        cmocka_unit_test(too_much_that_waits_is_refused_and_every_callback_comes_once),
        cmocka_unit_test(a_redis_that_hangs_is_left_after_its_time),
        cmocka_unit_test(what_is_sent_while_it_is_down_fails_later),
        cmocka_unit_test(large_and_small_commands_arrive_as_they_were_sent),
        cmocka_unit_test(a_host_that_nobody_knows_is_said_and_asked_for_again),
        cmocka_unit_test(an_answer_to_what_was_not_sent_whole_breaks_the_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
