/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/scheduler/store/conn_room.h"

#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>
#include <openssl/evp.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/model/problem.h"
#include "tests/support/test.h"

/* A Sentinel that was not run for 2 s trusts its clock no more, and does nothing for 30 s. */
enum { WAIT_MS_MAX = 45000 };

static void on_turn(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    (void)context;
}

static void on_up(void *context)
{
    ((struct line *)context)->ups++;
}

static void on_down(void *context, const char *why)
{
    struct line *line = context;

    line->downs++;
    snprintf(line->why, sizeof(line->why), "%s", why);
}

struct line *line_new(const char *config)
{
    struct line *line = mem_zalloc(1, sizeof(*line));

    redis_process_start(&line->redis, config);
    line->base = event_base_new();
    line->turn = event_new(line->base, -1, EV_PERSIST, on_turn, NULL);
    event_add(line->turn, &(struct timeval){ .tv_usec = 2000 });
    line->conn = redis_conn_new(&(struct redis_conn_options){
        .base = line->base, .on_up = on_up, .on_down = on_down, .context = line });
    return line;
}

void line_free(struct line *line)
{
    redis_conn_close(line->conn);
    while (redis_conn_answer_failed(line->conn)) {
        event_base_loop(line->base, EVLOOP_NONBLOCK);
    }
    redis_conn_free(line->conn);
    event_free(line->turn);
    event_base_free(line->base);
    redis_process_stop(&line->redis);
    free(line);
}

void wait_for(struct line *line, const unsigned *count, unsigned wanted)
{
    uint64_t deadline_ns = clock_monotonic_ns() + ms_to_ns(WAIT_MS_MAX);

    while (*count < wanted) {
        event_base_loop(line->base, EVLOOP_ONCE);
        if (clock_monotonic_ns() > deadline_ns) fail_msg("waited for 45 s in vain: %s", line->why);
    }
}

void connect_by_tls(struct line *line, const char *url, const struct redis_tls_files *files)
{
    struct redis_address address;
    struct problem problem;

    if (redis_address_parse(text_of(url), &address, &problem) < 0) fail_msg("%s", problem.detail);
    if (files) address.tls = *files;
    redis_conn_connect(line->conn, &address);
}

void connect_to(struct line *line, const char *url)
{
    connect_by_tls(line, url, NULL);
}

void asked_on_answer(struct redis_request *request, const struct redis_value *value, int rc)
{
    struct asked *asked = (struct asked *)(void *)request;
    struct text text = redis_value_text(value);

    if (asked->answered++) fail_msg("a callback came twice");
    asked->rc = rc;
    if (asked->order) asked->place = (*asked->order)++;
    snprintf(asked->text, sizeof(asked->text), "%.*s", TEXT_ARGS(text));
    redis_command_done(&request->command);
}

void ask(struct line *line, struct asked *asked, const char *verb, struct text argument)
{
    asked->request.command = redis_command_make(verb);
    asked->request.on_answer = asked_on_answer;
    redis_command_add(&asked->request.command, argument);
    redis_conn_send(line->conn, &asked->request);
    assert_int_equal(asked->answered, 0); /* never before it returned */
}

/* Every third is large: referred to, not copied. */
static size_t body_size(unsigned number)
{
    return number % 3 == 0 ? 300000 + number : 400;
}

static char *body_new(size_t size, unsigned seed)
{
    char *body = mem_alloc(size);

    for (size_t i = 0; i < size; i++) {
        body[i] = (char)((i * 31 + seed * 7 + i / 251) % 256);
    }
    return body;
}

static void add_body(struct redis_command *command, size_t size, unsigned seed)
{
    char *body = body_new(size, seed);

    redis_command_add(command, (struct text){ body, size });
    free(body);
}

static void body_sha1(size_t size, unsigned seed, char ret[41])
{
    unsigned char digest[20];
    char *body = body_new(size, seed);

    assert_int_equal(EVP_Digest(body, size, digest, NULL, EVP_sha1(), NULL), 1);
    text_to_hex(digest, sizeof(digest), ret);
    free(body);
}

void assert_bodies_arrive(struct line *line)
{
    enum { COUNT = 60 };
    struct asked *asked = mem_zalloc(COUNT, sizeof(*asked));
    unsigned order = 0;

    for (unsigned i = 0; i < COUNT; i++) {
        struct redis_command *command = &asked[i].request.command;

        asked[i].order = &order;
        asked[i].request.on_answer = asked_on_answer;
        *command = redis_command_make("EVAL");
        redis_command_add(command, TEXT("return redis.sha1hex(ARGV[1])"));
        redis_command_add_u64(command, 0);
        add_body(command, body_size(i), i);
        redis_conn_send(line->conn, &asked[i].request);
    }
    wait_for(line, &order, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        char wanted[41];

        body_sha1(body_size(i), i, wanted);
        assert_string_equal(asked[i].text, wanted);
    }
    free(asked);
}
