/* SPDX-License-Identifier: Apache-2.0 */
/* Reports of a task that come together are taken together: by few transactions, each sample judged
 * by itself; and what other schedulers are told of them is as few entries. A user of Redis' ACL
 * that may say no MULTI is served likewise. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "tests/integration/scheduler/store/store_fixture.h"
#include "tests/support/test.h"

enum { REPORTS = 48, PARCEL_MAX = 16 };

struct answers {
    unsigned wanted, came, by_outcome[16], problems;
};

static void on_report(void *context, enum report_outcome outcome, const struct problem *problem)
{
    struct answers *answers = context;

    answers->came++;
    if (problem) {
        print_message("%s\n", problem->detail);
        answers->problems++;
    } else {
        answers->by_outcome[outcome]++;
    }
}

static bool all_came(struct fixture *fixture, void *context)
{
    (void)fixture;
    return ((struct answers *)context)->came == ((struct answers *)context)->wanted;
}

static void send_all(struct fixture *fixture, const struct task *task, struct answers *answers)
{
    for (unsigned i = 0; i < REPORTS; i++) {
        OWN(sample_freep) struct sample *sample = sample_of(task);
        sample->incarnation = 7; /* of which the log has one line a second */
        report_send(fixture, sample, on_report, answers);
    }
    fixture_wait(fixture, all_came, answers);
    assert_int_equal(answers->problems, 0);
}

/* How often Redis executed the command since it began. */
static unsigned count_calls(struct fixture *fixture, const char *name)
{
    char command[256];

    snprintf(command, sizeof(command),
             "EVAL \"return string.match(redis.call('INFO', 'commandstats'),"
             " 'cmdstat_%s:calls=(%%d+)') or '0'\" 0",
             name);
    return (unsigned)strtoul(redis_process_ask(&fixture->redis, command), NULL, 10);
}

/* MULTI was asked for, whether it may be or not. */
static bool uses_lanes(struct fixture *redis)
{
    return strtoul(redis_process_ask(&redis->redis,
                                     "EVAL \"return string.find(redis.call('INFO', 'commandstats'),"
                                     " 'cmdstat_multi:', 1, true) or 0\" 0"),
                   NULL, 10) > 0;
}

/* Lanes connect when the first report asks for one; without them nothing is a transaction. Returns
 * how many reports that took. */
static unsigned wait_for_lanes(struct fixture *fixture, struct fixture *redis)
{
    struct task_spec spec = spec_of("warm", "*");
    unsigned tries = 0;
    struct task task;

    spec.sample_cap = SAMPLE_CAP_MAX;
    task = create_ok(fixture, &spec);
    for (; !uses_lanes(redis); tries++) {
        OWN(sample_freep) struct sample *sample = sample_of(&task);
        assert_int_equal(report(fixture, sample).code, PROBLEM_NONE);
        assert_in_range(tries, 0, SAMPLE_CAP_MAX - 1);
    }
    return tries;
}

/* Another scheduler, and how many samples it is to be told of. */
struct listener {
    struct fixture *fixture;
    unsigned wanted;
};

static bool was_told_all(struct fixture *fixture, void *context)
{
    const struct listener *listener = context;

    (void)fixture;
    event_base_loop(listener->fixture->base, EVLOOP_NONBLOCK);
    return listener->fixture->sample_count == listener->wanted;
}

static bool reads_news(struct fixture *fixture, void *context)
{
    (void)context;
    return store_reads_news(fixture->store);
}

static void what_comes_together_is_taken_and_told_together(void **state)
{
    struct fixture *fixture = *state;
    struct listener other = { .fixture = fixture_join(fixture) };
    struct task_spec spec = spec_of("shop", "*");
    struct answers answers = { .wanted = REPORTS };
    unsigned told_before, taken_before;
    struct task task;

    fixture_wait(other.fixture, reads_news, NULL);
    other.wanted = wait_for_lanes(fixture, fixture);
    fixture_wait(fixture, was_told_all, &other);
    told_before = count_calls(fixture, "xadd");
    taken_before = count_calls(fixture, "exec");
    spec.sample_cap = REPORTS + 1;
    task = create_ok(fixture, &spec);
    send_all(fixture, &task, &answers);
    assert_int_equal(answers.by_outcome[REPORT_ACCEPTED], REPORTS);
    assert_int_equal(find(fixture, &task.id).task.sample_count, REPORTS);
    assert_in_range(count_calls(fixture, "exec") - taken_before, 1, 2 * REPORTS / PARCEL_MAX);
    other.wanted += REPORTS;
    fixture_wait(fixture, was_told_all, &other);
    assert_in_range(count_calls(fixture, "xadd") - told_before, 1, 4 * REPORTS / PARCEL_MAX);
    fixture_free(other.fixture);
}

static void each_is_judged_by_itself(void **state)
{
    struct fixture *fixture = *state;
    struct task_spec spec = spec_of("shop", "*");
    struct answers answers = { .wanted = REPORTS };
    struct task task;
    char command[160];

    wait_for_lanes(fixture, fixture);
    spec.sample_cap = 10;
    task = create_ok(fixture, &spec);
    send_all(fixture, &task, &answers);
    assert_int_equal(answers.by_outcome[REPORT_ACCEPTED], 10);
    assert_int_equal(answers.by_outcome[REPORT_OVER_CAP], REPORTS - 10);
    task = find(fixture, &task.id).task;
    assert_int_equal(task.state, TASK_FILLED);
    assert_int_equal(task.sample_count, 10);

    /* Created, started, ten samples, filled; the refusals are a line or two of one second each. */
    snprintf(command, sizeof(command), "LLEN 'stakeout:{shop}:task:%s:log'", task.id.text);
    assert_in_range(strtoul(redis_process_ask(&fixture->redis, command), NULL, 10), 14, 20);
    snprintf(command, sizeof(command), "HLEN 'stakeout:{shop}:task:%s:samples'", task.id.text);
    assert_int_equal(strtoul(redis_process_ask(&fixture->redis, command), NULL, 10), 10);
}

/* Two tasks, so two parcels; in each five samples, which come twice, and once more as they are
 * later. */
static void tasks_and_revisions_are_not_mixed_up(void **state)
{
    struct fixture *fixture = *state;
    struct task_spec one = spec_of("shop", "GET /a"), two = spec_of("shop", "GET /b");
    struct task tasks[] = { create_ok(fixture, &one), create_ok(fixture, &two) };
    struct answers answers = { .wanted = 3 * 10 };

    wait_for_lanes(fixture, fixture);
    for (unsigned i = 0; i < 10; i++) {
        OWN(sample_freep) struct sample *sample = sample_of(&tasks[i % 2]);
        report_send(fixture, sample, on_report, &answers);
        report_send(fixture, sample, on_report, &answers);
        sample->revision = 2;
        report_send(fixture, sample, on_report, &answers);
    }
    fixture_wait(fixture, all_came, &answers);
    assert_int_equal(answers.by_outcome[REPORT_ACCEPTED], 10);
    assert_int_equal(answers.by_outcome[REPORT_KNOWN], 10);
    assert_int_equal(answers.by_outcome[REPORT_REPLACED], 10);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(find(fixture, &tasks[i].id).task.sample_count, 5);
    }
}

static void without_multi_it_is_the_same(void **state)
{
    static const char users[] =
        "user default on nopass ~* &* +@all\nuser plain on nopass ~* &* +@all -multi -exec\n";
    struct fixture host = { .base = NULL }, *fixture;
    struct task_spec spec = spec_of("shop", "*");
    struct answers answers = { .wanted = REPORTS };
    struct task task;

    (void)state;
    redis_process_start(&host.redis, users);
    snprintf(host.redis.url, sizeof(host.redis.url), "redis+unix://plain:x@%s", host.redis.socket);
    fixture = fixture_join(&host);
    wait_for_lanes(fixture, &host);
    spec.sample_cap = 20;
    task = create_ok(fixture, &spec);
    send_all(fixture, &task, &answers);
    assert_int_equal(answers.by_outcome[REPORT_ACCEPTED], 20);
    assert_int_equal(answers.by_outcome[REPORT_OVER_CAP], REPORTS - 20);
    assert_int_equal(count_calls(&host, "exec"), 0);
    fixture_free(fixture);
    redis_process_stop(&host.redis);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        CASE(what_comes_together_is_taken_and_told_together),
        CASE(each_is_judged_by_itself),
        CASE(tasks_and_revisions_are_not_mixed_up),
#undef CASE
        cmocka_unit_test(without_multi_it_is_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
