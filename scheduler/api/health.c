/* SPDX-License-Identifier: Apache-2.0 */
/* health.c: /healthz and /readyz: what the scheduler says of itself.
 *
 * healthz asks whether this process should be replaced, readyz whether it should get requests.
 * So an absent Redis makes a scheduler not ready, and does not make it ill: another one would
 * not have it either. */
#include "common/base/clock.h"
#include "scheduler/api/answer.h"
#include "scheduler/task/tasks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LOOP_LAG_MS_MAX = 2000, LOOP_LAG_MS_TOLD = 50 /* from here on: what it did meanwhile */ };

static void add_check(json_t *checks, const char *name, bool is_ok, const char *detail)
{
    json_t *object = json_object();

    value_set(object, "name", value_text(name));
    value_set(object, "ok", json_boolean(is_ok));
    value_set(object, "detail", value_text(detail));
    value_append(checks, object);
}

static bool check_loop(json_t *checks, const struct api_health *health)
{
    uint64_t late_ms = ns_to_ms(health->loop.late_ns), queued_ms = ns_to_ms(health->loop.queued_ns);
    uint64_t ran_ms = ns_to_ms(health->loop.ran_ns);
    bool is_ok = late_ms <= LOOP_LAG_MS_MAX;
    char detail[192], why[96] = "";

    if (late_ms >= LOOP_LAG_MS_TOLD)
        snprintf(why, sizeof why,
                 ": %" PRIu64 " ms without a CPU, %" PRIu64 " ms at work, %" PRIu64
                 " ms waiting in the kernel",
                 queued_ms, ran_ms, late_ms - queued_ms - ran_ms);
    snprintf(detail, sizeof detail,
             "The event loop was at most %" PRIu64 " ms late in the last 10 s%s.", late_ms, why);
    add_check(checks, "loop", is_ok, detail);
    return is_ok;
}

static bool check_store(json_t *checks, const struct api_health *health)
{
    add_check(checks, "store", health->store_answers, health->store);
    return health->store_answers;
}

static bool check_tasks(json_t *checks, struct api *api)
{
    bool is_ok = tasks_are_ready(api->rooms.tasks);

    add_check(checks, "tasks", is_ok,
              is_ok ? "The tasks are loaded." : "The tasks are not loaded from Redis yet.");
    return is_ok;
}

static void answer_health(struct http_request *request, bool is_ok, json_t *take_checks,
                          const struct api_health *health)
{
    json_t *object = json_object();

    value_set(object, "status", value_text(is_ok ? "ok" : "failed"));
    value_set(object, "version", value_text(STAKEOUT_VERSION));
    value_set(object, "checks", take_checks);
    value_set(object, "guarantee", value_text(health->guarantee));
    http_answer_header(request, "Cache-Control", "no-store");
    answer_json(request, is_ok ? 200 : 503, object);
}

void on_healthz(struct api *api, struct http_request *request)
{
    struct api_health health = { 0 };
    json_t *checks = json_array();
    bool is_ok;

    api->rooms.health(api->rooms.context, &health);
    is_ok = check_loop(checks, &health);
    answer_health(request, is_ok, checks, &health);
}

void on_readyz(struct api *api, struct http_request *request)
{
    struct api_health health = { 0 };
    json_t *checks = json_array();
    bool is_ok;

    api->rooms.health(api->rooms.context, &health);
    is_ok = check_loop(checks, &health);
    is_ok = check_store(checks, &health) && is_ok;
    is_ok = check_tasks(checks, api) && is_ok;
    answer_health(request, is_ok, checks, &health);
}
