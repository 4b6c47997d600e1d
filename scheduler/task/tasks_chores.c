/* SPDX-License-Identifier: Apache-2.0 */
/* tasks_chores.c: what one of the schedulers on a Redis does for all: a walk over the applications,
 * for ever, in steps that are small for Redis and for the loop. Of each application first the
 * index is brought up to date, if a release without one has used this Redis; then tasks are
 * forgotten whose time is over, or whose samples are over the budget; then instances that no
 * scheduler hears any more are gone, though the one that heard them may be gone as well.
 *
 * Who has the lease does it. It is renewed three times in its life; one whose holder was killed is
 * another's when it has run out. Every step is right also if two do it. */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "scheduler/task/tasks_private.h"

enum {
    LEASE_MS = 6000,
    PAUSE_MS = 30000,  /* between two walks */
    SILENT_MS = 60000, /* longer than a scheduler waits itself */
    STEP_MS = 5, /* between two steps, each of which takes Redis and the loop less than that */
    DAY_MS = 86400000
};

/* The lease --------------------------------------------------------------------------------- */

bool tasks_have_lease(const struct tasks *tasks)
{
    return store_is_up(tasks->store) && clock_monotonic_ns() < tasks->lease_end_ns;
}

static void on_lease(void *context, bool is_held, const struct problem *problem)
{
    struct tasks *tasks = context;
    bool was_held = tasks->lease_end_ns != 0;

    tasks->is_leasing = false;
    if (problem) return; /* what we have, we have for its time */
    tasks->lease_end_ns = is_held ? tasks->lease_asked_ns + ms_to_ns(LEASE_MS) : 0;
    if (is_held == was_held) return;
    tasks->chore.due_ns = 0;
    log_event(LOG_INFO, is_held ? "this scheduler expires and forgets tasks now"
                                : "another scheduler expires and forgets tasks now");
}

static void renew_lease(struct tasks *tasks, uint64_t now_ns)
{
    if (tasks->is_leasing || !store_is_up(tasks->store)) return;
    if (tasks->lease_asked_ns && now_ns - tasks->lease_asked_ns < ms_to_ns(LEASE_MS / 3)) return;
    tasks->is_leasing = true;
    tasks->lease_asked_ns = now_ns;
    store_lease(tasks->store, "tasks", LEASE_MS, on_lease, tasks);
}

/* The walk ---------------------------------------------------------------------------------- */

static void step_end(struct tasks *tasks, bool has_more)
{
    struct chore *chore = &tasks->chore;
    uint64_t pause_ms = STEP_MS;

    chore->is_under_way = false;
    if (!has_more) {
        chore->walk = (struct store_index_walk){ 0 };
        chore->index += chore->stage == CHORE_SILENT;
        chore->stage = (chore->stage + 1) % (CHORE_SILENT + 1);
    }
    if (chore->index >= tasks->cache.application_count) {
        chore->index = 0;
        pause_ms = PAUSE_MS;
    }
    chore->due_ns = clock_monotonic_ns() + ms_to_ns(pause_ms);
}

static void on_trimmed(void *context, const struct store_trimmed *trimmed,
                       const struct problem *problem)
{
    step_end(context, !problem && trimmed->more);
}

static void on_indexed(void *context, const struct store_index_walk *walk,
                       const struct problem *problem)
{
    struct tasks *tasks = context;

    if (walk) tasks->chore.walk = *walk;
    step_end(tasks, !problem && walk->more);
}

static void on_silent(void *context, const uint64_t *incarnations, size_t count,
                      const struct problem *problem)
{
    struct tasks *tasks = context;
    struct text application = text_of(tasks->chore.application->name);

    (void)problem;
    for (size_t i = 0; i < count; i++) {
        tasks_instance_gone(tasks, application, incarnations[i], false);
    }
    step_end(tasks, false);
}

static void step(struct tasks *tasks)
{
    struct chore *chore = &tasks->chore;
    struct text application;

    chore->application = tasks->cache.applications[chore->index];
    application = text_of(chore->application->name);
    chore->is_under_way = true;
    switch (chore->stage) {
    case CHORE_INDEX:
        store_index(tasks->store, application, &chore->walk, on_indexed, tasks);
        break;
    case CHORE_TRIM:
        store_trim(tasks->store, application, (uint64_t)tasks->options.retention_days * DAY_MS,
                   tasks->options.retention_bytes, on_trimmed, tasks);
        break;
    case CHORE_SILENT:
        store_silent(tasks->store, application, SILENT_MS, on_silent, tasks);
        break;
    }
}

uint32_t tasks_do_chores(struct tasks *tasks, uint64_t now_ns)
{
    struct chore *chore = &tasks->chore;

    renew_lease(tasks, now_ns);
    if (!tasks_are_ready(tasks) || !tasks_have_lease(tasks)) return PAUSE_MS;
    if (!chore->is_under_way && now_ns >= chore->due_ns &&
        chore->index < tasks->cache.application_count)
        step(tasks);
    if (chore->is_under_way) return STEP_MS; /* to begin the next one as soon as this has ended */
    return now_ns < chore->due_ns ? (uint32_t)ns_to_ms(chore->due_ns - now_ns) + 1 : PAUSE_MS;
}
