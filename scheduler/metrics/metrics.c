/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.c: each metric has a list of series, found by their labels; written as text.
 *
 * The lists are short (a dozen routes and statuses at most in practice) and looked through once
 * per request: a hash would cost more than it saves. A series never goes away. */
#include "scheduler/metrics/metrics.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "scheduler/metrics/process.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum type { GAUGE, COUNTER, HISTOGRAM };

static const struct {
    const char *exposed, *labels, *help;
    enum type type;
} table[] = {
#define METRIC(name, type, exposed, labels, help) { exposed, labels, help, type },
#include "scheduler/metrics/metrics.def"
#undef METRIC
};

/* Upper bounds in seconds: from a look into memory to a parked poll. */
static const double bounds[] = { 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                 0.25,   0.5,   1,      2.5,   5,    10,    30,   60 };

enum { BOUND_COUNT = sizeof bounds / sizeof bounds[0], COLLECTORS_MAX = 16, LABEL_SIZE_MAX = 96 };

struct series {
    struct series *next;
    char labels[2][LABEL_SIZE_MAX];
    double value; /* of a histogram: the sum */
    uint64_t count;
    uint64_t *buckets; /* of a histogram: BOUND_COUNT, each by itself; owned */
};

struct metrics {
    struct series *series[METRIC_COUNT]; /* in the order of their coming */
    unsigned series_count[METRIC_COUNT];
    struct {
        metrics_collect_fn collect;
        void *context;
    } collectors[COLLECTORS_MAX];
    size_t collector_count;
};

struct metrics *metrics_new(void)
{
    struct metrics *metrics = mem_zalloc(1, sizeof *metrics);

    metrics_set(metrics, METRIC_BUILD_INFO, STAKEOUT_VERSION, NULL, 1);
    metrics_collect(metrics, process_collect, NULL);
    return metrics;
}

struct metrics *metrics_free(struct metrics *metrics)
{
    if (!metrics) return NULL;
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        while (metrics->series[i]) {
            struct series *series = metrics->series[i];

            metrics->series[i] = series->next;
            free(series->buckets);
            free(series);
        }
    }
    free(metrics);
    return NULL;
}

static bool is_label(const char *have, const char *want)
{
    return strncmp(have, want ? want : "", LABEL_SIZE_MAX - 1) == 0;
}

static struct series *find(const struct metrics *metrics, enum metric metric, const char *label1,
                           const char *label2)
{
    struct series *series = metrics->series[metric];

    while (series && !(is_label(series->labels[0], label1) && is_label(series->labels[1], label2)))
        series = series->next;
    return series;
}

static struct series *make(struct metrics *metrics, enum metric metric, const char *label1,
                           const char *label2)
{
    struct series **at = &metrics->series[metric], *series;

    while (*at) {
        at = &(*at)->next;
    }
    series = mem_zalloc(1, sizeof *series);
    snprintf(series->labels[0], LABEL_SIZE_MAX, "%s", label1 ? label1 : "");
    snprintf(series->labels[1], LABEL_SIZE_MAX, "%s", label2 ? label2 : "");
    if (table[metric].type == HISTOGRAM) series->buckets = mem_zalloc(BOUND_COUNT, 8);
    metrics->series_count[metric]++;
    *at = series;
    return series;
}

static struct series *get(struct metrics *metrics, enum metric metric, const char *label1,
                          const char *label2)
{
    struct series *series;

    CHECK(metric < METRIC_COUNT);
    series = find(metrics, metric, label1, label2);
    if (series) return series;
    if (metrics->series_count[metric] >= SERIES_MAX - 1) {
        label1 = label1 ? "other" : NULL;
        label2 = label2 ? "other" : NULL;
        series = find(metrics, metric, label1, label2);
    }
    return series ? series : make(metrics, metric, label1, label2);
}

void metrics_add(struct metrics *metrics, enum metric metric, const char *label1,
                 const char *label2, double amount)
{
    CHECK(table[metric].type == GAUGE || (table[metric].type == COUNTER && amount >= 0));
    get(metrics, metric, label1, label2)->value += amount;
}

void metrics_set(struct metrics *metrics, enum metric metric, const char *label1,
                 const char *label2, double value)
{
    CHECK(table[metric].type != HISTOGRAM);
    get(metrics, metric, label1, label2)->value = value;
}

void metrics_observe_ns(struct metrics *metrics, enum metric metric, const char *label1,
                        uint64_t ns)
{
    struct series *series = get(metrics, metric, label1, NULL);
    double seconds = (double)ns / (double)NS_PER_S;

    CHECK(table[metric].type == HISTOGRAM);
    series->count++;
    series->value += seconds;
    for (size_t i = 0; i < BOUND_COUNT; i++) {
        if (seconds > bounds[i]) continue;
        series->buckets[i]++;
        return;
    }
}

void metrics_http(struct metrics *metrics, const char *route, int status, uint64_t elapsed_ns)
{
    char text[4] = "000";

    CHECK(status >= 0 && status <= 999);
    for (int i = 2, left = status; i >= 0; i--, left /= 10) {
        text[i] = (char)('0' + left % 10);
    }
    metrics_add(metrics, METRIC_HTTP_REQUESTS, route, text, 1);
    metrics_observe_ns(metrics, METRIC_HTTP_DURATION, route, elapsed_ns);
}

void metrics_collect(struct metrics *metrics, metrics_collect_fn collect, void *context)
{
    CHECK(metrics->collector_count < COLLECTORS_MAX);
    metrics->collectors[metrics->collector_count].collect = collect;
    metrics->collectors[metrics->collector_count].context = context;
    metrics->collector_count++;
}

double metrics_value(const struct metrics *metrics, enum metric metric, const char *label1,
                     const char *label2)
{
    const struct series *series = find(metrics, metric, label1, label2);

    if (!series) return 0;
    return table[metric].type == HISTOGRAM ? (double)series->count : series->value;
}

/* --- the exposition --- */

static void write_label_value(struct buf *to, const char *value)
{
    for (; *value != '\0'; value++) {
        if (*value == '\\' || *value == '"')
            buf_printf(to, "\\%c", *value);
        else if (*value == '\n')
            buf_text(to, TEXT("\\n"));
        else
            buf_append(to, value, 1);
    }
}

/* The names are separated by commas in the table: "route,status". */
static struct text label_name(enum metric metric, size_t index)
{
    const char *names = table[metric].labels, *comma = strchr(names, ',');

    if (index == 0) return (struct text){ names, comma ? (size_t)(comma - names) : strlen(names) };
    return comma ? text_of(comma + 1) : TEXT("");
}

/* `le` is a histogram's bound, NULL for anything else. */
static void write_labels(struct buf *to, enum metric metric, const struct series *series,
                         const char *le)
{
    const char *mark = "{";

    for (size_t i = 0; i < 2; i++) {
        struct text name = label_name(metric, i);

        if (name.size == 0) continue;
        buf_printf(to, "%s%.*s=\"", mark, TEXT_ARGS(name));
        write_label_value(to, series->labels[i]);
        buf_text(to, TEXT("\""));
        mark = ",";
    }
    if (le) {
        buf_printf(to, "%sle=\"%s\"", mark, le);
        mark = ",";
    }
    if (mark[0] == ',') buf_text(to, TEXT("}"));
}

static void write_number(struct buf *to, double value)
{
    if (value == floor(value) && fabs(value) < 1e15)
        buf_printf(to, " %.0f\n", value);
    else
        buf_printf(to, " %.15g\n", value);
}

static void write_histogram(struct buf *to, enum metric metric, const struct series *series)
{
    const char *exposed = table[metric].exposed;
    uint64_t below = 0;

    for (size_t i = 0; i < BOUND_COUNT; i++) {
        char le[24];

        below += series->buckets[i];
        snprintf(le, sizeof le, "%g", bounds[i]);
        buf_printf(to, "%s_bucket", exposed);
        write_labels(to, metric, series, le);
        write_number(to, (double)below);
    }
    buf_printf(to, "%s_bucket", exposed);
    write_labels(to, metric, series, "+Inf");
    write_number(to, (double)series->count);
    buf_printf(to, "%s_sum", exposed);
    write_labels(to, metric, series, NULL);
    write_number(to, series->value);
    buf_printf(to, "%s_count", exposed);
    write_labels(to, metric, series, NULL);
    write_number(to, (double)series->count);
}

static void write_metric(const struct metrics *metrics, struct buf *to, enum metric metric)
{
    static const char *const names[] = {
        [GAUGE] = "gauge", [COUNTER] = "counter", [HISTOGRAM] = "histogram"
    };
    const struct series *series = metrics->series[metric];

    if (!series) return;
    buf_printf(to, "# HELP %s %s\n# TYPE %s %s\n", table[metric].exposed, table[metric].help,
               table[metric].exposed, names[table[metric].type]);
    for (; series; series = series->next) {
        if (table[metric].type == HISTOGRAM) {
            write_histogram(to, metric, series);
            continue;
        }
        buf_text(to, text_of(table[metric].exposed));
        write_labels(to, metric, series, NULL);
        write_number(to, series->value);
    }
}

int metrics_write(struct metrics *metrics, struct buf *to)
{
    for (size_t i = 0; i < metrics->collector_count; i++) {
        metrics->collectors[i].collect(metrics->collectors[i].context, metrics);
    }
    for (enum metric metric = 0; metric < METRIC_COUNT; metric++) {
        write_metric(metrics, to, metric);
    }
    return to->failed;
}
