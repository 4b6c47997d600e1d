/* SPDX-License-Identifier: Apache-2.0 */
/* api.h: the operators' API: what consoles, the CLI and programs may ask (DESIGN 7.2).
 *
 *     struct api *api = api_new(&(struct api_options){ .http = http, ... });
 *     ... api_task_changed() from the tasks' on_change, api_tick() every second or so ...
 *     http_stop(http);  api_free(api);
 *
 * routes.def is the one list of what can be asked; schemas.def and parameters.def say what comes
 * back and what may stand behind the "?". Registration, the checks at the door, the description
 * at /api/v1/openapi.json and its tests are made from these three.
 *
 * It owns nothing of what it is given: all of it must outlive it. One event-loop thread. */
#ifndef STAKEOUT_SCHEDULER_API_API_H
#define STAKEOUT_SCHEDULER_API_API_H

#include "common/model/task.h"
#include "scheduler/metrics/metrics.h"

struct access;
struct api;
struct census;
struct event_base;
struct history;
struct http;
struct live;
struct metrics;
struct symbols;
struct tasks;

/* What /healthz and /readyz tell. The texts live as long as the program. */
struct api_health {
    bool store_answers;
    const char *store;         /* what it is: "a private redis-server, ..." */
    const char *guarantee;     /* what can be lost with it, in one sentence */
    struct loop_lateness loop; /* the latest turn of the event loop in the last 10 s */
};

struct api_options {
    struct event_base *base;
    struct http *http;
    struct tasks *tasks;
    struct history *history;
    struct live *live;
    struct census *census;
    struct symbols *symbols;
    struct access *access;
    struct metrics *metrics;
    uint32_t retention_days;
    const char *trace_url; /* has {trace_id} in it; empty: none. Lives as long as the api */
    void (*health)(void *context, struct api_health *ret);
    void *context;
};

/* Adds the routes to `http`. */
struct api *api_new(const struct api_options *options);
struct api *api_free(struct api *api); /* after http_stop(), so that nothing is parked */

/* Tells the streams of /events. `sample` is NULL unless a sample came or changed. */
void api_task_changed(struct api *api, const struct task *task,
                      const struct sample_summary *sample);

/* Before a stop: ends the streams of /events, so that their clients come again elsewhere. */
void api_end_streams(struct api *api);

/* Keeps silent streams open: proxies close what says nothing for long. */
void api_tick(struct api *api, uint64_t now_ns);

#endif
