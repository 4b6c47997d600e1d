/* SPDX-License-Identifier: Apache-2.0 */
/* readiness.c: the store's health and the tokens, looked at each second; each change is one line of
 * the log, so that what was true at any time can be read there afterwards. */
#include "scheduler/readiness.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "scheduler/access/access.h"
#include "scheduler/api/api.h"
#include "scheduler/metrics/metrics.h"

#include <inttypes.h>
#include <stdio.h>

static const uint64_t loop_late_ns = NS_PER_S;

void readiness_init(struct readiness *readiness, struct store *store, struct access *access,
                    const struct loop_lag *loop_lag)
{
    *readiness = (struct readiness){
        .store = store,
        .access = access,
        .loop_lag = loop_lag,
        .told.is_up = true /* so that its absence is news */
    };
}

/* What is wrong with Redis, or what can be lost; and when that is over. */
static void log_health(struct readiness *readiness)
{
    const struct store_health *now = &readiness->health, *told = &readiness->told;
    bool is_told = now->is_up == told->is_up && now->is_writable == told->is_writable &&
                   now->keeps_all == told->keeps_all &&
                   now->has_lost_replicas == told->has_lost_replicas;

    if (is_told) return;
    readiness->told = readiness->health;
    if (*now->says)
        log_event(LOG_WARN, "something is wrong with Redis", LOG_STRING("why", now->says));
    else
        log_event(LOG_INFO, "Redis answers; what is acknowledged survives kill -9",
                  LOG_STRING("version", now->version));
}

/* Who may come in, once that is known. */
static void log_doors(struct readiness *readiness)
{
    enum doors doors;

    if (!store_tokens_are_known(readiness->store)) return;
    doors = access_has_tokens(readiness->access) ? DOORS_CLOSED : DOORS_OPEN;
    if (doors == readiness->doors) return;
    readiness->doors = doors;
    if (doors == DOORS_CLOSED)
        log_event(LOG_INFO, "there are tokens: who has none may do nothing");
    else
        log_event(LOG_INFO, "there are no tokens: until 'stakeoutd token create' is used, "
                            "everybody on this machine may do everything");
}

/* A turn that came so late that probes and operators noticed; each is told once. */
static void log_loop(struct readiness *readiness)
{
    struct loop_lateness late;

    loop_lag_longest(readiness->loop_lag, &late);
    if (late.late_ns < loop_late_ns || late.at_ns == readiness->late_told_ns) return;
    readiness->late_told_ns = late.at_ns;
    log_event(LOG_WARN, "the event loop was late", LOG_NUMBER("late_ms", ns_to_ms(late.late_ns)),
              LOG_NUMBER("queued_ms", ns_to_ms(late.queued_ns)),
              LOG_NUMBER("ran_ms", ns_to_ms(late.ran_ns)));
}

void readiness_look(struct readiness *readiness)
{
    store_health(readiness->store, &readiness->health);
    log_loop(readiness);
    log_health(readiness);
    log_doors(readiness);
}

void readiness_tell(void *context, struct api_health *ret)
{
    struct readiness *readiness = context;
    struct store_health *health = &readiness->health;
    char replicas[48] = "";

    store_health(readiness->store, health);
    if (health->is_up && health->replica_count > 0)
        snprintf(replicas, sizeof replicas, ", with %" PRIu64 " replica%s", health->replica_count,
                 health->replica_count > 1 ? "s" : "");
    snprintf(readiness->store_says, sizeof readiness->store_says, "%s Redis%s%s %s%s%s%s",
             health->is_embedded ? "The private" : "The given", *health->version ? " " : "",
             health->version, health->is_up ? "answers" : "does not answer", replicas,
             *health->says ? ": " : ".", health->says);
    *ret = (struct api_health){
        .store_answers = health->is_up && health->is_writable,
        .store = readiness->store_says,
        .guarantee = health->keeps_all && !health->has_lost_replicas
                         ? "What was acknowledged survives kill -9 of scheduler, Redis or both."
                         : health->says,
    };
    loop_lag_longest(readiness->loop_lag, &ret->loop);
}
