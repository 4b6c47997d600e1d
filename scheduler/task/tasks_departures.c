/* SPDX-License-Identifier: Apache-2.0 */
/* tasks_departures.c: what becomes of the books of instances that are gone.
 *
 * Whoever notices that an instance is gone says so once: intake, from the census. Two things can
 * come between: Redis is away, then the departure is kept and told again; or this scheduler itself
 * was, while the instance went. Nobody will ever notice that one, so the ledgers are read once
 * after a start, and who is in them and has not been seen since is gone; a ledger that Redis did
 * not give is asked for again.
 *
 * Silent here is not gone: it may speak to another scheduler on this Redis. So each tells Redis
 * whom it hears, and who was heard anywhere does not depart (functions/4_ledgers.lua). */
#include "common/base/check.h"
#include "scheduler/task/tasks_private.h"

#include <stdlib.h>
#include <string.h>

/* Instances that go while Redis is away, of all tasks. Beyond it rows stay open. */
enum { DEPARTURES_MAX = 20000 };

void tasks_hear_end(struct tasks *tasks)
{
    if (tasks->heard_count > 0 && store_is_up(tasks->store))
        store_heard(tasks->store, text_of(tasks->heard_of->name), tasks->heard, tasks->heard_count);
    tasks->heard_count = 0;
}

void tasks_hear(struct tasks *tasks, struct text application, uint64_t incarnation,
                uint64_t silent_ms)
{
    const struct cached_application *of = cache_application_find(&tasks->cache, application);

    if (!of || of->task_count == 0) return; /* there are no books that it could be missed in */
    if (of != tasks->heard_of || tasks->heard_count == STORE_HEARD_MAX) tasks_hear_end(tasks);
    tasks->heard_of = of;
    tasks->heard[tasks->heard_count++] = (struct store_heard){ incarnation, silent_ms };
}

static void on_gone(void *context, const struct problem *problem);

static void depart(struct departure *departure)
{
    store_gone(departure->tasks->store, text_of(departure->application), &departure->task,
               (struct store_departure){ departure->incarnation, departure->said_goodbye }, on_gone,
               departure);
}

/* A departure is told once only, by whoever noticed it; so it must not be lost with Redis. */
static void on_gone(void *context, const struct problem *problem)
{
    struct departure *departure = context;
    struct tasks *tasks = departure->tasks;

    if (!problem || tasks->departure_count >= DEPARTURES_MAX) {
        free(departure);
        return;
    }
    departure->next = tasks->departures;
    tasks->departures = departure;
    tasks->departure_count++;
}

static struct departure *departure_new(struct tasks *tasks, const struct cached_task *cached,
                                       uint64_t incarnation)
{
    struct departure *departure = mem_zalloc(1, sizeof(*departure));

    departure->tasks = tasks;
    departure->task = cached->task.id;
    departure->incarnation = incarnation;
    memcpy(departure->application, cached->application->name, sizeof(departure->application));
    return departure;
}

void tasks_instance_gone(struct tasks *tasks, struct text application, uint64_t incarnation,
                         bool said_goodbye)
{
    struct cached_application *cached = cache_application_find(&tasks->cache, application);

    if (!cached) return;
    for (size_t i = 0; i < cached->task_count; i++) {
        struct departure *departure = departure_new(tasks, cached->tasks[i], incarnation);

        cache_task_untell(cached->tasks[i], incarnation); /* if it comes back, it is told anew */
        departure->said_goodbye = said_goodbye;
        depart(departure);
    }
}

/* One task's ledger, being read for strangers. */
struct roll_call {
    struct tasks *tasks;
    struct task_id task;
    tasks_is_here_fn is_here;
    void *context;
    struct roll_call *next; /* while Redis is away */
};

static void depart_strangers(const struct roll_call *call, const struct cached_task *cached,
                             const struct store_ledgers *ledgers)
{
    struct text application = text_of(cached->application->name);

    for (size_t i = 0; i < ledgers->count; i++) {
        const struct task_ledger *row = &ledgers->rows[i];

        if (row->incarnation == 0 || row->is_gone) continue;
        if (call->is_here(call->context, application, row->incarnation)) continue;
        depart(departure_new(call->tasks, cached, row->incarnation));
    }
}

static void on_ledgers(void *context, const struct store_ledgers *ledgers,
                       const struct problem *problem)
{
    struct roll_call *call = context;
    const struct cached_task *cached = cache_task_find(&call->tasks->cache, &call->task);

    if (problem && cached) {
        call->next = call->tasks->roll_calls;
        call->tasks->roll_calls = call;
        return;
    }
    if (cached) depart_strangers(call, cached, ledgers);
    free(call);
}

/* A task that is not in memory any more has no open books. */
static void roll_call_make(struct roll_call *call)
{
    const struct cached_task *cached = cache_task_find(&call->tasks->cache, &call->task);

    if (cached)
        store_ledgers(call->tasks->store, text_of(cached->application->name), &call->task,
                      on_ledgers, call);
    else
        free(call);
}

void tasks_sweep_strangers(struct tasks *tasks, tasks_is_here_fn is_here, void *context)
{
    for (size_t i = 0; i < tasks->cache.application_count; i++) {
        const struct cached_application *application = tasks->cache.applications[i];

        for (size_t j = 0; j < application->task_count; j++) {
            struct roll_call *call = mem_alloc(sizeof(*call));

            *call = (struct roll_call){ .tasks = tasks,
                                        .task = application->tasks[j]->task.id,
                                        .is_here = is_here,
                                        .context = context };
            roll_call_make(call);
        }
    }
}

/* What fails again comes back to the lists, later. */
void tasks_retry_departures(struct tasks *tasks)
{
    struct departure *departure = tasks->departures;
    struct roll_call *call = tasks->roll_calls;

    tasks->departures = NULL;
    tasks->departure_count = 0;
    tasks->roll_calls = NULL;
    while (departure) {
        struct departure *next = departure->next;
        depart(departure);
        departure = next;
    }
    while (call) {
        struct roll_call *next = call->next;
        roll_call_make(call);
        call = next;
    }
}

void tasks_forget_departures(struct tasks *tasks)
{
    while (tasks->departures) {
        struct departure *next = tasks->departures->next;
        free(tasks->departures);
        tasks->departures = next;
    }
    while (tasks->roll_calls) {
        struct roll_call *next = tasks->roll_calls->next;
        free(tasks->roll_calls);
        tasks->roll_calls = next;
    }
}
