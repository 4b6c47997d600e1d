/* SPDX-License-Identifier: Apache-2.0 */
/* sampler_state.h: what the sampler's two files share: its state, and the steps that both take.
 *
 * sampler_round.c is the thread's side: rounds of looks. sampler.c is the agent's side: the
 * functions of sampler.h. Nobody else includes this.
 *
 * Threads: all of it under `lock`. */
#ifndef STAKEOUT_PROBE_AGENT_SAMPLER_STATE_H
#define STAKEOUT_PROBE_AGENT_SAMPLER_STATE_H

#include "common/model/task_event.h"
#include "probe/agent/handed.h"
#include "probe/agent/interface_totals.h"
#include "probe/agent/listener.h"
#include "probe/agent/outbox.h"

#include <pthread.h>

struct sampler {
    pthread_mutex_t lock;
    pthread_t thread;
    bool is_running, is_stopping;
    uint32_t tid;
    uint64_t cpu_before_ns; /* of threads that ended */
    uint64_t next_scan_ns;
    struct engine engine;
    struct books books;
    struct handed_table handed;
    struct listening listenings[SAMPLES_IN_FLIGHT_MAX];
    struct outbox *outbox; /* what the next round fills; the other one is being delivered */
    struct outbox outboxes[2];
    struct interface_totals totals;
};

extern struct sampler sampler;

static inline uint16_t watch_index(const struct watch *watch)
{
    return (uint16_t)(watch - sampler.books.watches);
}

/* The main function of the sampler's thread. */
void *sampler_main(void *context);

/* CPU time of the sampler's threads and of the handlers, so far. */
uint64_t sampler_cpu_ns(void);

/* A line for the task log, handed out when the lock is released. */
void sampler_tell(const struct watch *watch, enum task_event_kind event, const char *detail,
                  uint64_t count);

/* Ends an armed watch, and says so. */
void watch_end(struct watch *watch, uint64_t now_ns);

/* Stops listening to a call that is pending, or has its place already. False: it is moving at this
 * moment, and the next round will try again. */
bool listening_drop(struct listening *listening, enum call_drop drop);

#endif
