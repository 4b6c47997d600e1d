/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "common/base/clock.h"
#include "scheduler/metrics/metrics.h"

#include <ctype.h>
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct metrics *metrics;
static struct buf text;

static int open_metrics(void **state)
{
    (void)state;
    metrics = metrics_new();
    text = BUF_INIT(METRICS_SIZE_MAX);
    return 0;
}

static int close_metrics(void **state)
{
    (void)state;
    metrics_free(metrics);
    buf_done(&text);
    return 0;
}

static void expect(const char *line)
{
    buf_reset(&text);
    assert_int_equal(metrics_write(metrics, &text), 0);
    if (!strstr(text.data, line)) fail_msg("no '%s' in\n%s", line, text.data);
}

static void values_are_written_with_their_labels(void **state)
{
    (void)state;
    metrics_add(metrics, METRIC_INTAKE, "report", "accepted", 1);
    metrics_add(metrics, METRIC_INTAKE, "report", "accepted", 2);
    metrics_add(metrics, METRIC_INTAKE, "report", "over-cap", 1);
    metrics_set(metrics, METRIC_REDIS_UP, NULL, NULL, 1);
    metrics_set(metrics, METRIC_INSTANCES, "live", NULL, 12);
    expect("# TYPE stakeout_intake_total counter\n"
           "stakeout_intake_total{kind=\"report\",outcome=\"accepted\"} 3\n"
           "stakeout_intake_total{kind=\"report\",outcome=\"over-cap\"} 1\n");
    expect("# TYPE stakeout_redis_up gauge\nstakeout_redis_up 1\n");
    expect("stakeout_instances{state=\"live\"} 12\n");
    expect("stakeout_build_info{version=\"" STAKEOUT_VERSION "\"} 1\n");
    metrics_set(metrics, METRIC_REDIS_UP, NULL, NULL, 0);
    expect("stakeout_redis_up 0\n");
}

static void histograms_are_cumulative_and_in_seconds(void **state)
{
    (void)state;
    metrics_observe_ns(metrics, METRIC_REDIS_LATENCY, NULL, 400 * NS_PER_US);
    metrics_observe_ns(metrics, METRIC_REDIS_LATENCY, NULL, 500 * NS_PER_US);
    metrics_observe_ns(metrics, METRIC_REDIS_LATENCY, NULL, 2 * NS_PER_MS);
    metrics_observe_ns(metrics, METRIC_REDIS_LATENCY, NULL, 100 * NS_PER_S);
    expect("stakeout_redis_latency_seconds_bucket{le=\"0.0005\"} 2\n"
           "stakeout_redis_latency_seconds_bucket{le=\"0.001\"} 2\n"
           "stakeout_redis_latency_seconds_bucket{le=\"0.0025\"} 3\n");
    expect("stakeout_redis_latency_seconds_bucket{le=\"60\"} 3\n"
           "stakeout_redis_latency_seconds_bucket{le=\"+Inf\"} 4\n"
           "stakeout_redis_latency_seconds_sum 100.0029\n"
           "stakeout_redis_latency_seconds_count 4\n");
}

static void a_request_counts_and_takes_its_time(void **state)
{
    (void)state;
    metrics_http(metrics, "/api/v1/tasks/{id}", 404, 3 * NS_PER_MS);
    expect("stakeout_http_requests_total{route=\"/api/v1/tasks/{id}\",status=\"404\"} 1\n");
    expect(
        "stakeout_http_request_duration_seconds_bucket{route=\"/api/v1/tasks/{id}\",le=\"0.005\"} "
        "1\n");
}

static void label_values_are_escaped(void **state)
{
    (void)state;
    metrics_set(metrics, METRIC_INSTANCES, "a\"b\\c\nd", NULL, 1);
    expect("stakeout_instances{state=\"a\\\"b\\\\c\\nd\"} 1\n");
}

static void series_are_bounded_and_the_rest_is_other(void **state)
{
    char label[32];

    (void)state;
    for (int i = 0; i < 2 * SERIES_MAX; i++) {
        snprintf(label, sizeof label, "k%d", i);
        metrics_add(metrics, METRIC_INTAKE, label, "x", 1);
    }
    assert_true(metrics_value(metrics, METRIC_INTAKE, "k1", "x") == 1);
    assert_true(metrics_value(metrics, METRIC_INTAKE, "k1000", "x") == 0);
    assert_true(metrics_value(metrics, METRIC_INTAKE, "other", "other") == SERIES_MAX + 1);
    expect("outcome=\"other\"} 513\n");
}

static void collect(void *context, struct metrics *to)
{
    int *calls = context;

    metrics_set(to, METRIC_POLLS_PARKED, NULL, NULL, ++*calls);
}

static void collectors_run_before_each_writing(void **state)
{
    int calls = 0;

    (void)state;
    metrics_collect(metrics, collect, &calls);
    expect("stakeout_polls_parked 1\n");
    expect("stakeout_polls_parked 2\n");
}

static double value_of(const char *name)
{
    char line[64];
    const char *at;

    snprintf(line, sizeof line, "\n%s ", name);
    at = strstr(text.data, line);
    assert_non_null(at);
    return strtod(at + strlen(line), NULL);
}

static void the_process_is_described(void **state)
{
    double now_s = (double)clock_wall_ns() / 1e9;

    (void)state;
    expect("# TYPE process_start_time_seconds gauge\n");
    assert_true(value_of("process_start_time_seconds") <= now_s + 1);
    assert_true(value_of("process_start_time_seconds") > now_s - 3600);
    assert_true(value_of("process_resident_memory_bytes") > 100 * 1024);
    assert_true(value_of("process_open_fds") >= 3);
    assert_true(value_of("process_max_fds") >= value_of("process_open_fds"));
}

/* What promtool checks: names, counters end in _total, everything has help, no unit twice. */
static void names_are_as_prometheus_has_them(void **state)
{
    static const struct {
        const char *type, *exposed, *labels, *help;
    } rows[] = {
#define METRIC(name, type, exposed, labels, help) { #type, exposed, labels, help },
#include "scheduler/metrics/metrics.def"
#undef METRIC
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const char *name = rows[i].exposed, *total = strstr(name, "_total");
        bool is_counter = strcmp(rows[i].type, "COUNTER") == 0;
        bool is_histogram = strcmp(rows[i].type, "HISTOGRAM") == 0;

        for (const char *c = name; *c != '\0'; c++) {
            if (!islower((unsigned char)*c) && *c != '_') fail_msg("%s", name);
        }
        if (is_counter != (total && strcmp(total, "_total") == 0)) fail_msg("%s", name);
        if (is_histogram && !strstr(name, "_seconds")) fail_msg("%s", name);
        if (strncmp(name, "stakeout_", 9) != 0 && strncmp(name, "process_", 8) != 0)
            fail_msg("%s", name);
        if (rows[i].help[strlen(rows[i].help) - 1] != '.') fail_msg("%s: help", name);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(name, rows[j].exposed) == 0) fail_msg("%s: twice", name);
        }
    }
}

static void what_does_not_fit_is_said(void **state)
{
    struct buf small = BUF_INIT(100);

    (void)state;
    assert_int_equal(metrics_write(metrics, &small), -ENOBUFS);
    buf_done(&small);
}

static void the_lag_of_the_loop_is_measured(void **state)
{
    struct event_base *base = event_base_new();
    struct loop_lag *lag = loop_lag_start(base, metrics);
    uint64_t deadline_ns = clock_monotonic_ns() + 10 * NS_PER_S;
    struct loop_lateness late;

    (void)state;
    while (metrics_value(metrics, METRIC_LOOP_LAG, NULL, NULL) < 1) {
        assert_true(clock_monotonic_ns() < deadline_ns);
        event_base_loop(base, EVLOOP_ONCE);
    }
    loop_lag_longest(lag, &late);
    assert_true(late.late_ns < 10 * NS_PER_S);
    assert_true(late.queued_ns + late.ran_ns <= late.late_ns);
    loop_lag_stop(lag);
    event_base_free(base);
}

static void burn(uint64_t cpu_ns)
{
    uint64_t end_ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID) + cpu_ns;

    while (clock_read_ns(CLOCK_THREAD_CPUTIME_ID) < end_ns) {
        continue;
    }
}

/* For how long this thread was ready and had no CPU. */
static uint64_t queue_ns(void)
{
    FILE *file = fopen("/proc/thread-self/schedstat", "re");
    uint64_t waited_ns = 0;

    if (!file) return 0; /* the kernel does not count it */
    assert_int_equal(fscanf(file, "%*u %" SCNu64, &waited_ns), 1);
    fclose(file);
    return waited_ns;
}

/* Keeps the loop beyond its next look, and says of it what the loop did: no more of either kind
 * than the thread did by its own reckoning, however busy the machine is. */
static struct loop_lateness lateness_of(void (*keep)(uint64_t ns))
{
    struct event_base *base = event_base_new();
    struct loop_lag *lag = loop_lag_start(base, metrics);
    uint64_t queued_ns, ran_ns;
    struct loop_lateness late;

    burn(50 * NS_PER_MS); /* before the loop's first turn: keeps nobody waiting */
    queued_ns = queue_ns();
    ran_ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
    event_base_loop(base, EVLOOP_ONCE);
    assert_true(metrics_value(metrics, METRIC_LOOP_LAG, NULL, NULL) == 0);
    keep(400 * NS_PER_MS);
    event_base_loop(base, EVLOOP_ONCE);
    loop_lag_longest(lag, &late);
    assert_true(metrics_value(metrics, METRIC_LOOP_LAG, NULL, NULL) == 1);
    assert_true(late.late_ns >= 149 * NS_PER_MS); /* of 400, 250 were its own to wait */
    assert_true(late.ran_ns <= clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - ran_ns);
    assert_true(late.queued_ns <= queue_ns() - queued_ns);
    assert_true(late.queued_ns + late.ran_ns <= late.late_ns);
    loop_lag_stop(lag);
    event_base_free(base);
    return late;
}

static void a_loop_that_worked_is_late_for_that(void **state)
{
    struct loop_lateness late = lateness_of(burn);

    (void)state;
    assert_true(late.ran_ns == late.late_ns - late.queued_ns || late.ran_ns >= 400 * NS_PER_MS);
}

static void wait_in_kernel(uint64_t ns)
{
    poll(NULL, 0, (int)ns_to_ms(ns));
}

/* It neither ran nor wanted to: what it did itself was the way there and back. */
static void a_loop_that_waited_is_late_for_that(void **state)
{
    struct loop_lateness late = lateness_of(wait_in_kernel);

    (void)state;
    assert_true(late.ran_ns < 149 * NS_PER_MS / 2);
}

int main(void)
{
#define IN_METRICS(test) cmocka_unit_test_setup_teardown(test, open_metrics, close_metrics)
    const struct CMUnitTest tests[] = {
        IN_METRICS(values_are_written_with_their_labels),
        IN_METRICS(histograms_are_cumulative_and_in_seconds),
        IN_METRICS(a_request_counts_and_takes_its_time),
        IN_METRICS(label_values_are_escaped),
        IN_METRICS(series_are_bounded_and_the_rest_is_other),
        IN_METRICS(collectors_run_before_each_writing),
        IN_METRICS(the_process_is_described),
        IN_METRICS(names_are_as_prometheus_has_them),
        IN_METRICS(what_does_not_fit_is_said),
        IN_METRICS(the_lag_of_the_loop_is_measured),
        IN_METRICS(a_loop_that_worked_is_late_for_that),
        IN_METRICS(a_loop_that_waited_is_late_for_that),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
