/* SPDX-License-Identifier: Apache-2.0 */
/* gauges.c: rooms do not know the metrics; here their counts are asked for, at each scrape and
 * at no other time. */
#include "scheduler/gauges.h"

#include "common/base/log.h"
#include "scheduler/http/http.h"
#include "scheduler/live/census.h"
#include "scheduler/live/live.h"
#include "scheduler/metrics/metrics.h"
#include "scheduler/store/store.h"
#include "scheduler/symbols/symbols.h"
#include "scheduler/task/tasks.h"

static void collect_http(const struct gauges *gauges, struct metrics *metrics)
{
    struct http_counts counts = http_counts(gauges->http);

    metrics_set(metrics, METRIC_HTTP_CONNECTIONS, NULL, NULL,
                (double)http_connection_count(gauges->http));
    metrics_set(metrics, METRIC_HTTP_CONNECTIONS_MAX, NULL, NULL,
                (double)counts.connection_count_max);
    metrics_set(metrics, METRIC_HTTP_ACCEPTED, NULL, NULL, (double)counts.accepted);
    metrics_set(metrics, METRIC_HTTP_ACCEPT_ERRORS, NULL, NULL, (double)counts.accept_errors);
    metrics_set(metrics, METRIC_HTTP_REFUSED, NULL, NULL, (double)counts.refused);
    metrics_set(metrics, METRIC_HTTP_CUT, NULL, NULL, (double)counts.cut);
    metrics_set(metrics, METRIC_HTTP_BODIES, NULL, NULL, (double)counts.body_size);
    metrics_set(metrics, METRIC_HTTP_ANSWERS, NULL, NULL, (double)counts.answer_size);
    metrics_set(metrics, METRIC_HTTP_WAITING, NULL, NULL, (double)counts.waiting_count);
    metrics_set(metrics, METRIC_TLS_FAILED, NULL, NULL, (double)counts.handshakes_failed);
    metrics_set(metrics, METRIC_TLS_EXPIRY, NULL, NULL,
                http_is_tls(gauges->http) ? (double)http_tls_expires(gauges->http) : 0);
    metrics_set(metrics, METRIC_POLLS_PARKED, NULL, NULL, (double)live_parked_count(gauges->live));
    metrics_set(metrics, METRIC_EVENT_STREAMS, NULL, NULL, (double)live_stream_count(gauges->live));
}

struct head_count {
    double live, gone, refused, off, memory_max, cpu_ppm_max, applications, interfaces;
};

static void count_application(void *context, struct text application, size_t instance_count,
                              size_t interface_count, uint64_t last_seen_ns)
{
    struct head_count *count = context;

    (void)application;
    (void)instance_count;
    (void)last_seen_ns;
    count->applications++;
    count->interfaces += (double)interface_count;
}

static void count_instance(void *context, struct text application,
                           const struct census_instance *instance)
{
    struct head_count *count = context;

    (void)application;
    if (instance->is_refused)
        count->refused++;
    else if (instance->is_gone)
        count->gone++;
    else
        count->live++;
    if (instance->is_refused || instance->is_gone) return;
    count->off += instance->is_off;
    if ((double)instance->memory_size > count->memory_max)
        count->memory_max = (double)instance->memory_size;
    if ((double)instance->cpu_ppm > count->cpu_ppm_max)
        count->cpu_ppm_max = (double)instance->cpu_ppm;
}

static void collect_census(const struct gauges *gauges, struct metrics *metrics)
{
    struct head_count count = { 0 };

    census_applications(gauges->census, count_application, &count);
    census_instances(gauges->census, (struct text){ 0 }, count_instance, &count);
    metrics_set(metrics, METRIC_APPLICATIONS, NULL, NULL, count.applications);
    metrics_set(metrics, METRIC_INTERFACES, NULL, NULL, count.interfaces);
    metrics_set(metrics, METRIC_INSTANCES, "live", NULL, count.live);
    metrics_set(metrics, METRIC_INSTANCES, "gone", NULL, count.gone);
    metrics_set(metrics, METRIC_INSTANCES, "refused", NULL, count.refused);
    metrics_set(metrics, METRIC_PROBES_OFF, NULL, NULL, count.off);
    metrics_set(metrics, METRIC_PROBE_MEMORY_MAX, NULL, NULL, count.memory_max);
    metrics_set(metrics, METRIC_PROBE_CPU_MAX, NULL, NULL, count.cpu_ppm_max / 1e6);
    metrics_set(metrics, METRIC_CENSUS_LOST, NULL, NULL, (double)census_lost_count(gauges->census));
}

static void collect_redis(const struct gauges *gauges, struct metrics *metrics)
{
    struct store_health health;

    store_health(gauges->store, &health);
    metrics_set(metrics, METRIC_REDIS_UP, NULL, NULL, health.is_up);
    metrics_set(metrics, METRIC_REDIS_WRITABLE, NULL, NULL, health.is_writable);
    metrics_set(metrics, METRIC_REDIS_DURABLE, NULL, NULL,
                health.is_up && health.keeps_all && !health.has_lost_replicas);
    metrics_set(metrics, METRIC_REDIS_MASTERS, NULL, NULL, (double)health.master_count);
    metrics_set(metrics, METRIC_REDIS_REPLICAS, NULL, NULL, (double)health.replica_count);
    metrics_set(metrics, METRIC_REDIS_MEMORY, NULL, NULL, (double)health.memory_size);
    metrics_set(metrics, METRIC_REDIS_MEMORY_MAX, NULL, NULL, (double)health.memory_size_max);
}

static void collect_store(const struct gauges *gauges, struct metrics *metrics)
{
    struct store_statistics now;

    store_statistics(gauges->store, &now);
    metrics_set(metrics, METRIC_REDIS_COMMANDS, NULL, NULL, (double)now.commands);
    metrics_set(metrics, METRIC_REDIS_FAULTS, "error", NULL, (double)now.errors);
    metrics_set(metrics, METRIC_REDIS_FAULTS, "timeout", NULL, (double)now.timeouts);
    metrics_set(metrics, METRIC_REDIS_REFUSED_FULL, NULL, NULL, (double)now.refused_full);
    metrics_set(metrics, METRIC_REDIS_CONNECTS, NULL, NULL, (double)now.connects);
    metrics_set(metrics, METRIC_REDIS_DISCONNECTS, NULL, NULL, (double)now.disconnects);
    metrics_set(metrics, METRIC_REDIS_RESTARTS, NULL, NULL, (double)now.restarts);
    metrics_set(metrics, METRIC_REDIS_PENDING, "sent", NULL, (double)now.in_flight_count);
    metrics_set(metrics, METRIC_REDIS_PENDING, "queued", NULL, (double)now.queued_count);
    metrics_set(metrics, METRIC_REDIS_PENDING_BYTES, "sent", NULL, (double)now.in_flight_size);
    metrics_set(metrics, METRIC_REDIS_PENDING_BYTES, "queued", NULL, (double)now.queued_size);
    metrics_set(metrics, METRIC_STORE_IN, NULL, NULL, (double)now.bytes_in);
    metrics_set(metrics, METRIC_STORE_OUT, NULL, NULL, (double)now.bytes_out);
}

static void collect_symbols(const struct gauges *gauges, struct metrics *metrics)
{
    struct symbols_counts counts = symbols_counts(gauges->symbols);

    metrics_set(metrics, METRIC_SYMBOL_BYTES, NULL, NULL, (double)counts.store_size);
    metrics_set(metrics, METRIC_SYMBOL_BYTES_MAX, NULL, NULL, (double)counts.store_size_max);
    metrics_set(metrics, METRIC_SYMBOL_FILES, NULL, NULL, (double)counts.store_files);
    metrics_set(metrics, METRIC_SYMBOL_EVICTED, NULL, NULL, (double)counts.store_evicted);
    metrics_set(metrics, METRIC_SYMBOL_LOOKUPS, "hit", NULL, (double)counts.hits);
    metrics_set(metrics, METRIC_SYMBOL_LOOKUPS, "miss", NULL, (double)counts.misses);
    metrics_set(metrics, METRIC_SYMBOL_STARTS, NULL, NULL, (double)counts.worker_starts);
    metrics_set(metrics, METRIC_SYMBOL_LOSSES, NULL, NULL, (double)counts.worker_losses);
    metrics_set(metrics, METRIC_SYMBOL_INTAKE, "upload", "stored", (double)counts.uploads);
    metrics_set(metrics, METRIC_SYMBOL_INTAKE, "upload", "refused", (double)counts.uploads_refused);
    metrics_set(metrics, METRIC_SYMBOL_INTAKE, "fetch", "stored", (double)counts.fetches);
    metrics_set(metrics, METRIC_SYMBOL_INTAKE, "fetch", "refused", (double)counts.fetches_failed);
}

static void collect_tasks(const struct gauges *gauges, struct metrics *metrics)
{
    for (int state = 0; state < TASK_STATE_COUNT; state++) {
        metrics_set(metrics, METRIC_TASKS, task_state_name((enum task_state)state), NULL,
                    (double)tasks_count(gauges->tasks, (enum task_state)state));
    }
}

static void collect_log(struct metrics *metrics)
{
    static const char *const levels[] = { "debug", "info", "warn", "error" };
    struct log_counts counts = log_counts();

    for (size_t i = 0; i < LOG_LEVEL_COUNT; i++) {
        metrics_set(metrics, METRIC_LOG_LINES, levels[i], NULL, (double)counts.lines[i]);
    }
    metrics_set(metrics, METRIC_LOG_LINES_LOST, NULL, NULL, (double)counts.lost);
}

void gauges_collect(void *context, struct metrics *metrics)
{
    const struct gauges *gauges = context;

    collect_http(gauges, metrics);
    collect_census(gauges, metrics);
    collect_redis(gauges, metrics);
    collect_store(gauges, metrics);
    collect_symbols(gauges, metrics);
    collect_tasks(gauges, metrics);
    collect_log(metrics);
}
