/* SPDX-License-Identifier: Apache-2.0 */
/* perf_watch.h: the perf event of one call that is listened to, while its thread runs.
 *
 *     perf_engine_prove(&perf, ...)                        once: may there be any?
 *     rc = perf_watch_begin(&watch, &perf, tid, unloads)   the thread was seen running
 *     rc = perf_watch_take(&watch, ..., &sighting)         at each look: what came since the last
 *     perf_watch_settle(&watch, &perf, period_ns)          the first came, or the thread sleeps
 *     perf_watch_end(&watch)                               the call ended, or moved
 *
 * It begins quick: the first stack comes as soon as the thread has run for PERF_QUICK_NS. From then
 * on one comes each time it has run for as long as the interval between looks, by itself; a look
 * only reads it. A quick event must not be left alone: each look settles it, or looks soon again.
 *
 * What proves that a stack is of the call? The event is opened after the call was seen on this
 * thread, and closed when it is seen to have left; what came in between is of the call if, behind
 * the take, its record still says what it said before the begin, because no state of a record ever
 * comes twice (hot/record.h).
 *
 * Threads: the sampler's. */
#ifndef STAKEOUT_PROBE_AGENT_ENGINE_PERF_WATCH_H
#define STAKEOUT_PROBE_AGENT_ENGINE_PERF_WATCH_H

#include "common/base/clock.h"
#include "probe/agent/engine/budget.h"
#include "probe/agent/engine/sampler.h"
#include "probe/agent/engine/sighting.h"
#include "probe/agent/look/perf_event.h"
#include "probe/agent/unwind/known_stacks.h"

enum { PERF_EVENTS_MAX = 16 }; /* at once; calls beyond them are looked at by signals */

#define PERF_QUICK_NS (200 * NS_PER_US) /* a late sampler costs the thread a twelfth, at most */

struct perf_engine {
    enum sampler_engine choice;
    bool is_on;           /* proven */
    bool excludes_kernel; /* the kernel does not let us see what runs in it */
    int refusal;          /* why it is not on, or why an event was not to be had: -errno; 0: none */
    uint64_t pause_ns;    /* what an event takes from its thread: tried */
    uint64_t pause_count; /* that were taken */
    struct perf_place {
        uint32_t tid;       /* 0: free */
        bool is_settled;    /* else it is quick, */
        bool is_short;      /* the last stack may go on where it was cut */
        uint64_t asked_ns;  /* since then */
        uint64_t offset_ns; /* the thread's CPU clock when the event counted 0, */
        uint64_t clock_ns;  /* and at the last stack, or when one was missed */
        uint64_t unloads;   /* when so much had been unloaded, nothing had come yet */
        struct perf_event event;
    } places[PERF_EVENTS_MAX];
};

struct perf_watch {
    struct perf_place *place; /* NULL: there is none */
    bool is_refused;          /* on this thread there can be none */
};

#define PERF_WATCH_NONE ((struct perf_watch){ .place = NULL })

void perf_engine_open(struct perf_engine *perf, enum sampler_engine choice, bool has_own_table);
void perf_engine_close(struct perf_engine *perf);

/* On the sampler's own thread, before it looks at anybody. `bytes`: room to work in. */
void perf_engine_prove(struct perf_engine *perf, unsigned char *bytes, size_t size);

/* One sentence for `stakeout doctor`, or NULL. */
const char *perf_engine_trouble(const struct perf_engine *perf);

uint64_t perf_engine_size(const struct perf_engine *perf);

/* The period with which events take no more than `thread_ppm` of a thread's time. */
uint64_t perf_engine_period_min_ns(const struct perf_engine *perf, uint32_t tid,
                                   uint32_t thread_ppm);

static inline bool perf_watch_is_on(const struct perf_watch *watch)
{
    return watch->place != NULL;
}

static inline bool perf_watch_is_quick(const struct perf_watch *watch)
{
    return watch->place && !watch->place->is_settled;
}

/* Returns 0, or -errno; then is_refused is set. */
int perf_watch_begin(struct perf_watch *watch, struct perf_engine *perf, uint32_t tid,
                     uint64_t unloads);
void perf_watch_end(struct perf_watch *watch);

/* Fills *ret but for the anchors; its bytes are in `bytes`, of STACK_COPY_SIZE_MAX. Returns the
 * interrupts since the last take, or -EAGAIN: nothing came. */
int perf_watch_take(struct perf_watch *watch, struct perf_engine *perf,
                    const struct stack_thread *thread, unsigned char *bytes, struct sighting *ret);

/* For a stack that could not be walked. What lies below the stack pointer is not copied, and so not
 * what a function popped that is about to return; but that is in the registers again. Returns
 * whether the thread was in that place, and the sighting can be walked now. */
bool perf_sighting_mend(struct sighting *sighting);

/* From now on it fires after this much of the thread's time, or nearly. */
void perf_watch_settle(struct perf_watch *watch, struct perf_engine *perf, uint64_t period_ns);

/* Quick again: the stack at hand is of no use, or one is due. `is_deep`: with more of the stack. */
void perf_watch_hurry(struct perf_watch *watch, struct perf_engine *perf, bool is_deep);

#endif
