/* SPDX-License-Identifier: Apache-2.0 */
/* poll.c: a probe asks for its tasks, and waits until they are others than it has.
 *
 *   version differs      answered at once
 *   version is the same  parked until live wakes it: the tasks changed, or POLL_PARK_MS passed
 *
 * That an instance has the tasks is known when it comes back with their version, and is said
 * then, once per version. While the tasks are not loaded, or Redis does not answer, a poll is
 * told to come again: an empty list would end what the probe is watching. */
#include "scheduler/intake/private.h"

#include "common/base/check.h"
#include "common/base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How old an answer may be that is given to the next one too: "time left" is that much off. */
static const uint64_t cache_for_ns = 5 * NS_PER_MS;

struct poll {
    struct intake *intake;
    struct http_request *request;
    struct live_poll *parked;
    uint64_t incarnation;
    struct text application, instance; /* in names */
    char names[];
};

/* Thousands wait: each has the memory that its names need. */
static struct poll *poll_new(struct intake *intake, struct http_request *request,
                             const struct wire_poll *said)
{
    size_t application_size = said->application.size, instance_size = said->instance.size;
    struct poll *poll = mem_zalloc(1, sizeof *poll + application_size + instance_size);

    poll->intake = intake;
    poll->request = request;
    poll->incarnation = said->incarnation;
    memcpy(poll->names, said->application.data, application_size);
    memcpy(poll->names + application_size, said->instance.data, instance_size);
    poll->application = (struct text){ poll->names, application_size };
    poll->instance = (struct text){ poll->names + application_size, instance_size };
    return poll;
}

static struct text host_ip_of(const struct poll *poll)
{
    const struct census_instance *known =
        census_instance_find(poll->intake->census, poll->application, poll->incarnation);

    return text_of(known ? known->host_ip : "");
}

/* --- the answer's bytes --- */

static struct wire_poll_task wire_task(const struct task *task, uint64_t now_wall_ms)
{
    bool is_running = task->state == TASK_ACTIVE && task->ends_wall_ms > now_wall_ms;

    return (struct wire_poll_task){
        .id = text_of(task->id.text),
        .interface = text_of(task->spec.interface),
        .state = (uint32_t)task->state,
        .threshold_ms = (uint32_t)task->spec.threshold_ms,
        .frequency_ms = (uint32_t)task->spec.frequency_ms,
        .sample_cap = (uint32_t)task->spec.sample_cap,
        .lookback = task->spec.lookback,
        .left_ms = is_running ? task->ends_wall_ms - now_wall_ms : 0,
    };
}

static void build(struct intake *intake, struct text version)
{
    struct poll_cache *cache = &intake->cache;
    const struct application_settings *settings =
        tasks_settings(intake->tasks, text_of(cache->application));
    struct wire_poll_task tasks[POLL_TASKS_MAX];
    struct wire_poll_answer answer = {
        .protocol = WIRE_PROTOCOL,
        .version = version,
        .tasks = tasks,
        .tasks_count = (uint32_t)cache->task_count,
    };

    if (settings) {
        answer.is_off = settings->is_off;
        answer.budget_core_ppm = settings->budget_core_ppm;
        answer.budget_thread_ppm = settings->budget_thread_ppm;
    }
    for (size_t i = 0; i < cache->task_count; i++) {
        tasks[i] = wire_task(cache->tasks[i], tasks_now_wall_ms(intake->tasks));
    }
    buf_reset(&cache->bytes);
    CHECK(wire_poll_answer_encode(&answer, &cache->bytes) == 0);
}

/* The bytes for these tasks: those of the poll before, if they are for the very same. */
static struct text answer_bytes(struct intake *intake, struct text application, struct text version,
                                const struct task **tasks, size_t count)
{
    struct poll_cache *cache = &intake->cache;
    uint64_t now_ns = clock_monotonic_ns();

    if (cache->built_ns != 0 && now_ns - cache->built_ns < cache_for_ns &&
        cache->task_count == count && text_is_equal(text_of(cache->application), application) &&
        text_is_equal(text_of(cache->version), version) &&
        memcmp(cache->tasks, tasks, count * sizeof tasks[0]) == 0)
        return buf_peek(&cache->bytes);

    snprintf(cache->application, sizeof cache->application, "%.*s", TEXT_ARGS(application));
    snprintf(cache->version, sizeof cache->version, "%.*s", TEXT_ARGS(version));
    memcpy(cache->tasks, tasks, count * sizeof tasks[0]);
    cache->task_count = count;
    cache->built_ns = now_ns;
    build(intake, version);
    return buf_peek(&cache->bytes);
}

static void answer(struct poll *poll)
{
    struct intake *intake = poll->intake;
    struct text application = poll->application;
    const struct task *tasks[POLL_TASKS_MAX];
    size_t count = tasks_for_instance(intake->tasks, application, poll->instance, host_ip_of(poll),
                                      tasks, POLL_TASKS_MAX);

    intake_answer(
        intake, poll->request, "poll", "answered",
        answer_bytes(intake, application, tasks_version(intake->tasks, application), tasks, count));
    free(poll);
}

/* --- waiting --- */

static void refuse_not_ready(struct intake *intake, struct http_request *request)
{
    struct problem problem;

    problem_set(&problem, PROBLEM_STORE_DOWN, "The store does not answer; keep your tasks.");
    intake_refuse(intake, request, "poll", &problem);
}

static void refuse_revoked(struct poll *poll)
{
    struct problem problem;

    problem_set(&problem, PROBLEM_UNAUTHORIZED, "The token is good no more.");
    intake_refuse(poll->intake, poll->request, "poll", &problem);
    free(poll);
}

static void on_wake(void *context)
{
    struct poll *poll = context;

    poll->parked = NULL;
    if (!http_is_still_admitted(poll->request)) {
        refuse_revoked(poll);
        return;
    }
    if (tasks_are_ready(poll->intake->tasks)) {
        answer(poll);
        return;
    }
    refuse_not_ready(poll->intake, poll->request);
    free(poll);
}

static void on_client_gone(void *context)
{
    struct poll *poll = context;

    if (poll->parked) live_unpark(poll->intake->live, poll->parked);
    metrics_add(poll->intake->metrics, METRIC_INTAKE, "poll", "client-gone", 1);
    free(poll);
}

/* It came back with the version: it has the tasks. */
static void note_delivered(struct poll *poll, struct text version)
{
    struct intake *intake = poll->intake;
    struct text application = poll->application, host_ip = host_ip_of(poll);
    const struct task *first;

    if (!census_delivered(intake->census, application, poll->incarnation, text_hash(version)))
        return;
    if (tasks_for_instance(intake->tasks, application, poll->instance, host_ip, &first, 1) == 0)
        return;
    tasks_delivered(intake->tasks, application, poll->instance, host_ip, poll->incarnation);
}

static void park(struct poll *poll)
{
    http_drop_body(poll->request);
    http_park(poll->request, on_client_gone, poll);
    poll->parked = live_park(poll->intake->live, poll->application, POLL_PARK_MS, on_wake, poll);
}

void poll_take(struct intake *intake, struct http_request *request)
{
    struct wire_poll said;
    struct problem problem;
    struct poll *poll;

    wire_arena_reset(&intake->arena);
    if (wire_poll_decode(http_body(request), &intake->arena, &said, &problem) < 0 ||
        sender_check(request, &(struct sender){ said.application, said.instance, said.incarnation },
                     &problem) < 0) {
        intake_refuse(intake, request, "poll", &problem);
        return;
    }
    census_poll(intake->census, &said, http_peer(request), clock_monotonic_ns(), clock_wall_ns());
    if (!tasks_are_ready(intake->tasks)) {
        refuse_not_ready(intake, request);
        return;
    }
    poll = poll_new(intake, request, &said);
    if (!text_is_equal(said.version, tasks_version(intake->tasks, said.application))) {
        answer(poll);
        return;
    }
    note_delivered(poll, said.version);
    park(poll);
}
