/* SPDX-License-Identifier: Apache-2.0 */
/* sampler_state.h: what the sampler's files share: its state, and the steps that they take.
 *
 * sampler_round.c is the thread's side: rounds of looks; sampler_scan.c finds whom to look at,
 * sampler_early.c looks at calls that may turn slow, sampler_thrift.c knows what all of that costs.
 * sampler.c is the agent's side: the functions of sampler.h. Nobody else includes this.
 *
 * Threads: all of it under `lock`. */
#ifndef STAKEOUT_PROBE_AGENT_ENGINE_SAMPLER_STATE_H
#define STAKEOUT_PROBE_AGENT_ENGINE_SAMPLER_STATE_H

#include "common/model/task_event.h"
#include "probe/agent/engine/agenda.h"
#include "probe/agent/engine/handed.h"
#include "probe/agent/engine/interface_totals.h"
#include "probe/agent/engine/listener.h"
#include "probe/agent/engine/outbox.h"

#include <pthread.h>

struct sampler {
    pthread_mutex_t lock;
    pthread_t thread;
    bool is_running, is_stopping;
    bool is_off;            /* switched off: it only waits, */
    bool is_at_rest;        /* and has settled what there was */
    bool is_statistics_off; /* as it was started */
    bool is_fresh;          /* the unwinder knows what is loaded, in this round */
    uint32_t core_ppm, thread_ppm;
    uint32_t tid;
    uint64_t cpu_before_ns; /* of threads that ended */
    uint64_t unread_ns;     /* what quick looks took since the clock was read (sampler_thrift.c) */
    /* When they are due (sampler_scan.c). A scan at 0: all that was known before is forgotten. */
    uint64_t next_scan_ns, next_visit_ns, next_search_ns;
    uint64_t search_wakes_ns; /* until then it is enough to search when there is other work */
    bool has_fresh_filters;   /* what our filters are was asked for before this round, */
    bool wants_fresh_filters; /* or is to be before the next one: there is a call to look at */
    uint64_t visit_rest_ns;   /* at least so long behind the visit before */
    uint32_t search_at;       /* which record is the next */
    uint64_t agenda_ns;       /* how far ahead it looks; scans are as far apart */
    struct agenda agenda;     /* the calls that may turn slow in that time */
    struct engine engine;
    struct books books;
    struct handed_table handed;
    struct listening listenings[LISTENINGS_MAX];
    uint32_t listening_end;           /* from here on none is used */
    uint32_t slow_count, early_count; /* of those in use: that turned slow, that may */
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

/* CPU time that the budget bounds, so far: the sampler's threads, and what signals took. */
uint64_t sampler_spent_ns(void);

/* The same, and that of the tables' thread. */
uint64_t sampler_cpu_ns(void);

/* A line for the task log, handed out when the lock is released. */
void sampler_tell(const struct watch *watch, enum task_event_kind event, const char *detail,
                  uint64_t count);

/* Ends an armed watch, and says so. */
void watch_end(struct watch *watch, uint64_t now_ns);

/* Stops listening to a call that is pending, or has its place already. False: it is moving at this
 * moment, and the next round will try again. */
bool listening_drop(struct listening *listening, enum call_drop drop);

/* Before looks, in each round: what was loaded and unloaded since? */
void looks_prepare(void);

/* Forgets a call, if it is not moving at this moment. */
bool listening_leave(struct listening *listening);

/* A place for one more call, or NULL. */
struct listening *listening_vacant(void);

/* Does for a call that turned slow what is due. */
void listening_visit(struct listening *listening, uint64_t now_ns);

/* ---- sampler_scan.c ---- */

/* Notices the calls that turned slow. While a task is armed. */
void scan_round(uint64_t now_ns);

/* When it is to be called next. */
uint64_t scan_deadline_ns(void);

/* ---- sampler_early.c ---- */

/* Is there room, and budget, for one more? Those that ended make way. */
bool early_has_room(void);

/* A call that has not turned slow: looks at it, if it is old enough and there is room. */
void early_heed(const struct record_view *view, struct watch *watch, uint64_t age_ns);

/* Looks at it, if it is time and the budget covers that; forgets it where it ended. */
void early_visit(struct listening *listening, uint64_t now_ns);

/* ---- sampler_thrift.c ---- */

/* What a signal takes, tried on the sampler's own thread. */
void thrift_begin(void);

/* Reads what was spent, and gives it to one of the calls; with NULL, to watching. */
void thrift_account(struct listening *listening);

/* The same, behind a look that began then; where it was a quick one, without reading. */
void thrift_looked(struct listening *listening, uint64_t began_ticks);

/* Sets by how much intervals are stretched, if it is time. */
void thrift_plan(uint64_t now_ns);

/* May this call be looked at now? If not, the look is put off. */
bool thrift_covers(struct listening *listening, uint64_t now_ns);

/* A line for the task log when the budget puts looks further apart. */
void thrift_tell(struct watch *watch);

#endif
