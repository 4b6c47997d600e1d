/* SPDX-License-Identifier: Apache-2.0 */
/* Two schedulers on one Redis, with probes and consoles at both: what is done through one reaches
 * those of the other at once, and nothing of it is missed when the connection over which it comes
 * is cut, or when what was missed cannot be read any more. What one of them should do is done by
 * the other when that one was killed. */
#include "common/base/clock.h"
#include "tests/support/fake_probe.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 8, CUTS = 5, OLD = 40, WAIT_MS = 20000 };

/* What is not told is found by asking, every 5 s: half of the changes then take longer. */
enum { TOLD_MS_MAX = 1000 };

static const char takes_it[] = "this scheduler expires and forgets tasks now";

static bool log_has(const struct scheduler_process *process, const char *words)
{
    struct buf log = BUF_INIT(SCHEDULER_LOG_SIZE_MAX);
    bool has;

    scheduler_process_read_log(process, &log);
    has = log.data && strstr(log.data, words);
    buf_done(&log);
    return has;
}

static bool has_the_lease(void *context)
{
    return log_has(context, takes_it);
}

static int start(void **state)
{
    scheduler_setup_with_redis(state);
    assert_true(wait_until(has_the_lease, &scheduler, WAIT_MS)); /* before there is another one */
    scheduler_start_other();
    return 0;
}

static void cancel(const char *task)
{
    char path[128];

    snprintf(path, sizeof path, "/api/v1/tasks/%.64s/cancel", task);
    json_decref(scheduler_ask(&(struct api_call){ .method = "POST", .path = path }, 200));
}

/* ------------------------------------------------------------------ told at once */

static int compare_times(const void *left, const void *right)
{
    const uint64_t *a = left, *b = right;

    return *a < *b ? -1 : *a > *b;
}

static void print_times(const char *what, uint64_t *times, size_t count)
{
    qsort(times, count, sizeof *times, compare_times);
    printf("%s: told after %.1f ms at the median, %.1f ms at the most\n", what,
           (double)times[count / 2] / 1e6, (double)times[count - 1] / 1e6);
    if (times[count / 2] > ms_to_ns(TOLD_MS_MAX)) fail_msg("%s: nobody was told", what);
}

static void park(struct fake_probe *probe)
{
    fake_probe_poll(probe);
    fake_probe_park(probe);
}

/* Since `since_ns`, until the parked poll was answered. */
static uint64_t wait_for_wake(struct fake_probe *probe, uint64_t since_ns)
{
    struct api_answer answer;
    uint64_t elapsed_ns;

    api_receive(probe->parked, &answer);
    elapsed_ns = clock_monotonic_ns() - since_ns;
    probe->parked = 0;
    assert_int_equal(answer.status, 200);
    api_answer_done(&answer);
    return elapsed_ns;
}

static bool is_told(void *context)
{
    struct fake_probe *probe = ((void **)context)[0];

    return fake_probe_is_told(probe, ((void **)context)[1]);
}

static bool is_not_told(void *context)
{
    return !is_told(context);
}

static void a_change_through_one_wakes_the_probes_of_the_other(void **state)
{
    uint64_t created[ROUNDS], cancelled[ROUNDS], filled[ROUNDS];
    struct fake_probe here = FAKE_PROBE(scheduler.port, "pair", "host-1:1");
    struct fake_probe there = FAKE_PROBE(scheduler_other.port, "pair", "host-2:1");
    char task[TASK_ID_SIZE + 1];
    uint64_t now_ns;

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        park(&there);
        now_ns = clock_monotonic_ns();
        scheduler_create_task("pair", "", task);
        created[i] = wait_for_wake(&there, now_ns);
        assert_true(fake_probe_is_told(&there, task));

        park(&there);
        now_ns = clock_monotonic_ns();
        cancel(task);
        cancelled[i] = wait_for_wake(&there, now_ns);
        assert_false(fake_probe_is_told(&there, task));

        scheduler_create_task("pair", ",\"sample_cap\":1", task);
        assert_true(wait_until(is_told, (void *[]){ &there, task }, WAIT_MS));
        park(&there);
        now_ns = clock_monotonic_ns();
        assert_int_equal(fake_probe_report(&here, &(struct fake_sample){ .task = task }),
                         REPORT_ACCEPTED);
        filled[i] = wait_for_wake(&there, now_ns);
        assert_false(fake_probe_is_told(&there, task));
    }
    print_times("created", created, ROUNDS);
    print_times("cancelled", cancelled, ROUNDS);
    print_times("filled", filled, ROUNDS);
}

/* ------------------------------------------------------------------ nothing missed */

/* How many connections there are on which schedulers wait for news; with `cut`, none any more. */
static long count_readers(bool cut)
{
    char command[256];

    snprintf(command, sizeof command,
             "client list | sed -nE 's/^id=([0-9]*) .* cmd=x(read|range|revrange) .*/\\1/p' | "
             "xargs -r -n 1 %s%s%s | grep -c .",
             cut ? "redis-cli -s " : "echo", cut ? scheduler_redis.socket : "",
             cut ? " client kill id" : "");
    return strtol(redis_process_ask(&scheduler_redis, command), NULL, 10);
}

static bool two_are_cut(void *context)
{
    (void)context;
    return count_readers(false) == 2 && count_readers(true) == 2;
}

/* The one that stands still does not come back. */
static bool all_are_cut(void *context)
{
    (void)context;
    return count_readers(true) > 0 && count_readers(false) == 0;
}

/* Through `port`; what a console of the other one must then be told. */
static void report(uint16_t port, const char *task, char ret_sample[64])
{
    struct fake_probe probe = FAKE_PROBE(port, "cut", "host-1:1");
    struct sample_id id = sample_id_make();

    assert_int_equal(fake_probe_report(&probe, &(struct fake_sample){ .task = task, .id = &id }),
                     REPORT_ACCEPTED);
    snprintf(ret_sample, 64, "\"id\":\"%s\"", id.text);
}

static void consoles_miss_no_sample_when_the_connection_is_cut(void **state)
{
    struct api_stream there, here;
    char task[TASK_ID_SIZE + 1], samples[2 * CUTS][64];

    (void)state;
    scheduler_create_task("cut", ",\"sample_cap\":100", task);
    api_stream_open(&there, scheduler_other.port, "/api/v1/events");
    api_stream_open(&here, scheduler.port, "/api/v1/events");
    for (int i = 0; i < CUTS; i++) {
        assert_true(wait_until(two_are_cut, NULL, WAIT_MS));
        report(scheduler.port, task, samples[2 * i]);
        report(scheduler_other.port, task, samples[2 * i + 1]);
    }
    for (int i = 0; i < 2 * CUTS; i++) {
        assert_true(api_stream_wait(&there, samples[i]));
        assert_true(api_stream_wait(&here, samples[i]));
    }
    printf("%d samples told to both, with %d connections cut in between\n", 2 * CUTS, 2 * CUTS);
    api_stream_close(&there);
    api_stream_close(&here);
}

/* ------------------------------------------------------------------ what cannot be read */

static bool other_has_loaded_all(void *context)
{
    (void)context;
    return log_has(&scheduler_other, "some news cannot be read any more");
}

static void what_was_trimmed_is_loaded(void **state)
{
    struct fake_probe there = FAKE_PROBE(scheduler_other.port, "trimmed", "host-2:1");
    char first[TASK_ID_SIZE + 1], second[TASK_ID_SIZE + 1];

    (void)state;
    scheduler_create_task("trimmed", "", first);
    assert_true(wait_until(is_told, (void *[]){ &there, first }, WAIT_MS));
    assert_int_equal(kill(scheduler_other.pid, SIGSTOP), 0);
    assert_true(wait_until(all_are_cut, NULL, WAIT_MS));
    cancel(first);
    scheduler_create_task("trimmed", "", second);
    assert_string_not_equal(redis_process_ask(&scheduler_redis, "xtrim stakeout:news maxlen 0"),
                            "0");
    assert_int_equal(kill(scheduler_other.pid, SIGCONT), 0);
    assert_true(wait_until(other_has_loaded_all, NULL, WAIT_MS));
    assert_true(wait_until(is_told, (void *[]){ &there, second }, WAIT_MS));
    assert_true(wait_until(is_not_told, (void *[]){ &there, first }, WAIT_MS));
}

/* ------------------------------------------------------------------ who is here */

static bool is_heard(void *context)
{
    const struct fake_probe *probe = context;
    char command[256];

    snprintf(command, sizeof command, "zscore 'stakeout:{here}:heard' %016" PRIx64,
             probe->incarnation);
    return *redis_process_ask(&scheduler_redis, command) != '\0';
}

/* So that neither misses an instance that has moved to the other. */
static void both_tell_whom_they_hear(void **state)
{
    struct fake_probe here = FAKE_PROBE(scheduler.port, "here", "host-1:1");
    struct fake_probe there = FAKE_PROBE(scheduler_other.port, "here", "host-2:1");
    char task[TASK_ID_SIZE + 1];

    (void)state;
    scheduler_create_task("here", "", task);
    fake_probe_poll(&here);
    fake_probe_poll(&there);
    assert_true(wait_until(is_heard, &here, WAIT_MS));
    assert_true(wait_until(is_heard, &there, WAIT_MS));
}

/* ------------------------------------------------------------------ the lease */

/* As if it had ended a year ago. */
static void age(const char *application, const char *task)
{
    char command[1200];

    snprintf(command, sizeof command, "zadd 'stakeout:{%s}:ended' xx 1 %s", application, task);
    redis_process_ask(&scheduler_redis, command);
}

static bool is_forgotten(void *context)
{
    struct api_answer answer;
    char path[128];
    int status;

    snprintf(path, sizeof path, "/api/v1/tasks/%s", (const char *)context);
    api_ask(&(struct api_call){ .port = scheduler_other.port, .path = path }, &answer);
    status = answer.status;
    api_answer_done(&answer);
    return status == 404;
}

static bool all_are_forgotten(void *context)
{
    (void)context;
    return strcmp(redis_process_ask(&scheduler_redis, "zcard 'stakeout:{left}:tasks'"), "0") == 0;
}

/* The first one has it, because it was there alone. It forgets many a second. */
static void when_one_was_killed_the_other_expires_and_forgets(void **state)
{
    char task[TASK_ID_SIZE + 1], old[OLD][TASK_ID_SIZE + 1];
    uint64_t now_ns;

    (void)state;
    scheduler_create_task("left", "", task);
    cancel(task);
    for (int i = 0; i < OLD; i++) {
        scheduler_create_task("left", "", old[i]);
        cancel(old[i]);
    }
    assert_true(log_has(&scheduler, takes_it));
    assert_false(log_has(&scheduler_other, takes_it));

    now_ns = clock_monotonic_ns();
    scheduler_process_kill(&scheduler);
    age("left", task);
    for (int i = 0; i < OLD; i++) {
        age("left", old[i]);
    }
    assert_false(is_forgotten(task));
    assert_true(wait_until(is_forgotten, task, WAIT_MS));
    assert_true(log_has(&scheduler_other, takes_it));
    printf("taken over %.1f s after the holder was killed\n",
           (double)(clock_monotonic_ns() - now_ns) / 1e9);
    assert_true(wait_until(all_are_forgotten, NULL, WAIT_MS));

    scheduler_process_start(&scheduler); /* it comes back, and does not take it away */
    scheduler_create_task("left", "", task);
    assert_string_equal(redis_process_ask(&scheduler_redis, "exists stakeout:lease:tasks"), "1");
    assert_false(log_has(&scheduler_other, "another scheduler expires and forgets tasks now"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_through_one_wakes_the_probes_of_the_other),
        cmocka_unit_test(consoles_miss_no_sample_when_the_connection_is_cut),
        cmocka_unit_test(what_was_trimmed_is_loaded),
        cmocka_unit_test(both_tell_whom_they_hear),
        cmocka_unit_test(when_one_was_killed_the_other_expires_and_forgets),
    };

    return cmocka_run_group_tests(tests, start, scheduler_teardown_with_other);
}
