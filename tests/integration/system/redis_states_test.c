/* SPDX-License-Identifier: Apache-2.0 */
/* redis_states_test.c: a Redis that is there and says no: full, read-only, busy, loading.
 *
 * While it lasts nothing is acknowledged, who asks is told what is wrong and when to come back, and
 * polls are answered. When it is over everything goes on by itself, and nothing that was
 * acknowledged is lost. Whether a report that was refused was sent again is for its sender; ours
 * do. */
#include "common/base/clock.h"
#include "tests/integration/system/reporters.h"
#include "tests/support/api_client.h"
#include "tests/support/redis_process.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    BEFORE = 20,    /* samples that are taken before */
    AGAIN_MIN = 20, /* reports that are refused meanwhile */
    WAIT_MS = 60000,
};

/* A restart takes so long by key that the samples of before take a second to load. */
#define CONFIG                                        \
    "appendonly yes\nappendfsync always\n"            \
    "busy-reply-threshold 100\nkey-load-delay 1000\n" \
    "loading-process-events-interval-bytes 1024\n"

static struct redis_process redis;
static struct house house;
static struct reporters reporters;

/* ---- states ---- */

static void be_full(void)
{
    assert_string_equal(redis_process_ask(&redis, "CONFIG SET maxmemory 1mb"), "OK");
}

static void be_full_no_more(void)
{
    assert_string_equal(redis_process_ask(&redis, "CONFIG SET maxmemory 0"), "OK");
}

/* The replica of a master that is not there. */
static void be_read_only(void)
{
    assert_string_equal(redis_process_ask(&redis, "REPLICAOF 127.0.0.1 1"), "OK");
}

static void be_read_only_no_more(void)
{
    assert_string_equal(redis_process_ask(&redis, "REPLICAOF NO ONE"), "OK");
}

static bool answers_busy(void *unused)
{
    (void)unused;
    return strncmp(redis_process_ask(&redis, "PING"), "BUSY", 4) == 0;
}

static void be_busy(void)
{
    pid_t asker = fork();

    if (asker == 0) {
        execlp("redis-cli", "redis-cli", "-s", redis.socket, "EVAL", "while true do end", "0",
               (char *)NULL);
        _exit(127);
    }
    assert_true(wait_until(answers_busy, NULL, WAIT_MS));
}

static void be_busy_no_more(void)
{
    assert_string_equal(redis_process_ask(&redis, "SCRIPT KILL"), "OK");
    while (wait(NULL) < 0)
        continue; /* who asked for the script */
}

static void be_loading(void)
{
    redis_process_kill(&redis);
    redis_process_restart(&redis);
}

static void be_loading_no_more(void) {}

static const struct state {
    const char *name, *says; /* and what an operator is told */
    void (*begin)(void);
    void (*end)(void);
    bool ends_by_itself;
} states[] = {
    { "full", "maxmemory", be_full, be_full_no_more, false },
    { "read-only", "replica", be_read_only, be_read_only_no_more, false },
    { "busy", "busy with a script", be_busy, be_busy_no_more, false },
    { "loading", NULL, be_loading, be_loading_no_more, true },
};

/* ---- what is seen meanwhile ---- */

/* An operator's order is refused, with a reason and a time. */
static void assert_refuses_orders(const struct state *state)
{
    struct api_answer answer;
    const char *detail;

    api_ask(
        &(struct api_call){ .port = house.scheduler.port,
                            .path = "/api/v1/tasks",
                            .body = TEXT("{\"application\": \"orders\", \"interface\": \"GET /x\", "
                                         "\"duration_min\": 5, \"threshold_ms\": 100}") },
        &answer);
    if (answer.status == 201) fail_msg("%s: an order was taken", state->name);
    assert_in_range(answer.status, 500, 599);
    detail = json_string_value(json_object_get(answer.json, "detail"));
    assert_non_null(detail);
    printf("%s: %d, %s\n", state->name, answer.status, detail);
    if (!strstr(detail, state->says)) fail_msg("it does not say '%s'", state->says);
    assert_true(*api_header(&answer, "Retry-After") != '\0');
    api_answer_done(&answer);
}

static void assert_is_alive(void)
{
    struct fake_probe probe = FAKE_PROBE(house.scheduler.port, reporters.probe.application, "poll");

    house_assert_is_alive(&house);
    assert_true(fake_probe_is_served(&probe));
}

static void meanwhile(const struct state *state)
{
    unsigned taken = atomic_load(&reporters.taken_count);
    unsigned wanted = atomic_load(&reporters.again_count) + AGAIN_MIN;

    reporters_allow(&reporters, REPORTERS_ALL);
    if (!reporters_await_again(&reporters, wanted))
        fail_msg("%s: reports are not refused", state->name);
    assert_is_alive();
    if (state->ends_by_itself) return;
    assert_refuses_orders(state);
    assert_in_range(atomic_load(&reporters.taken_count), taken, taken + REPORTERS_COUNT);
}

static void goes_on_after(const struct state *state)
{
    uint64_t ended_ns;

    reporters_start(&reporters, &house, state->name);
    reporters_allow(&reporters, BEFORE);
    assert_true(reporters_await_allowed(&reporters));
    state->begin();
    meanwhile(state);
    state->end();
    ended_ns = clock_monotonic_ns();
    if (!reporters_await_full(&reporters)) fail_msg("%s: it does not go on", state->name);
    printf("%s: %u reports refused meanwhile; all of %u taken %.0f ms after it\n", state->name,
           atomic_load(&reporters.again_count), reporters.taken_count,
           (double)(clock_monotonic_ns() - ended_ns) / 1e6);
    reporters_stop(&reporters);
    reporters_assert_nothing_was_lost(&reporters);
}

static void a_redis_that_says_no_loses_nothing(void **unused)
{
    (void)unused;
    redis_process_start(&redis, CONFIG);
    house.scheduler.options[0] = "--redis";
    house.scheduler.options[1] = redis.url;
    house_open(&house);
    for (size_t i = 0; i < ARRAY_COUNT(states); i++) {
        goes_on_after(&states[i]);
    }
    house_close(&house);
    redis_process_stop(&redis);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_redis_that_says_no_loses_nothing) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
