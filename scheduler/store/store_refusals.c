/* SPDX-License-Identifier: Apache-2.0 */
/* store_refusals.c: what it means when Redis says no, or nothing at all.
 *
 * Each answer is judged once, by its first word: it becomes the problem that the caller is told.
 * What follows for all others is drawn here, too: a full Redis is remembered, and one that is not
 * the Redis that it was (a replica now, a stranger) is left, to be looked at anew. */
#include <errno.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "scheduler/store/store_private.h"
#include "scheduler/store/store_route.h"

static int judge_failure(const struct store *store, int rc, struct problem *problem)
{
    switch (rc) {
    case -ENOBUFS:
        return problem_set(problem, PROBLEM_BUSY,
                           "Too much is waiting for Redis; try again later.");
    case -ENOTCONN:
        return problem_set(problem, PROBLEM_STORE_DOWN,
                           "Redis is not available: %s; try again later.", store->down_says);
    case -ENOLINK:
        return problem_set(problem, PROBLEM_STORE_DOWN,
                           "No replica of Redis confirmed it; try again later.");
    default:
        return problem_set(problem, PROBLEM_STORE_DOWN,
                           "The connection to Redis was lost before it answered; try again later.");
    }
}

/* What Redis says no with, by its first word. */
static const struct refusal {
    const char *word;
    enum problem_code code;
    const char *says;
    bool is_another; /* not the Redis that it was: look again */
} refusals[] = {
    { "OOM", PROBLEM_STORE_FULL, "Redis has reached its maxmemory", false },
    { "READONLY", PROBLEM_STORE_DOWN, "this Redis is a replica and takes no writes", true },
    { "LOADING", PROBLEM_STORE_DOWN, "Redis is loading its data", true },
    { "MASTERDOWN", PROBLEM_STORE_DOWN, "this Redis is a replica without its master", true },
    { "MISCONF", PROBLEM_STORE_DOWN, "Redis cannot write to its disk", false },
    { "BUSY", PROBLEM_STORE_DOWN, "Redis is busy with a script", false },
    { "NOREPLICAS", PROBLEM_STORE_DOWN, "Redis has too few replicas to take writes", false },
    { "NOPERM", PROBLEM_STORE_DOWN, "the Redis user may not do this", false },
    { "NOAUTH", PROBLEM_STORE_DOWN, "Redis wants a password", true },
    { "CLUSTERDOWN", PROBLEM_STORE_DOWN, "the Redis Cluster is down", false },
    { "TRYAGAIN", PROBLEM_STORE_DOWN, "a slot of the Redis Cluster is being moved", false },
    { "MOVED", PROBLEM_STORE_DOWN, "the Redis Cluster does not agree about a slot", false },
    { "ASK", PROBLEM_STORE_DOWN, "the Redis Cluster does not agree about a slot", false },
};

static const struct refusal *find_refusal(struct text error)
{
    for (size_t i = 0; i < ARRAY_COUNT(refusals); i++) {
        if (text_starts_with(error, text_of(refusals[i].word))) return &refusals[i];
    }
    return NULL;
}

struct drop_later {
    struct store *store;
    const char *why;
};

static void drop_now(void *context)
{
    struct drop_later *later = context;

    store_route_drop(later->store, later->why);
    free(later);
}

void store_drop_later(struct store *store, const char *why)
{
    struct drop_later *later = mem_alloc(sizeof(*later));

    *later = (struct drop_later){ store, why };
    store_defer(store, drop_now, later);
}

int store_judge(struct store *store, const struct redis_value *value, int rc,
                struct problem *problem)
{
    struct text error = redis_value_text(value);
    const struct refusal *refusal;

    if (rc < 0) return judge_failure(store, rc, problem);
    if (!redis_value_is_error(value)) return 0;
    if (error.size > 0 && error.data[error.size - 1] == '.') error.size--; /* ours follows */

    refusal = find_refusal(error);
    if (!refusal) {
        return problem_set(problem, PROBLEM_INTERNAL, "Redis refused a command: %.*s.",
                           TEXT_ARGS(error));
    }
    if (refusal->code == PROBLEM_STORE_FULL) {
        store->refused_full++;
        store->has_problem_full = true;
    }
    if (refusal->is_another && store->is_up) store_drop_later(store, refusal->says);
    return problem_set(problem, refusal->code, "%s (%.*s).", refusal->says, TEXT_ARGS(error));
}

void store_misread(struct problem *problem, const char *what)
{
    problem_set(problem, PROBLEM_INTERNAL, "What Redis holds of %s cannot be read.", what);
}
