/* SPDX-License-Identifier: Apache-2.0 */
/* engine.h: what all listeners share: the tools to look at threads, and what does not work here.
 *
 * Threads: the sampler's, under its lock. */
#ifndef STAKEOUT_PROBE_AGENT_ENGINE_ENGINE_H
#define STAKEOUT_PROBE_AGENT_ENGINE_ENGINE_H

#include "probe/agent/base/tick_clock.h"
#include "probe/agent/engine/budget.h"
#include "probe/agent/engine/perf_watch.h"
#include "probe/agent/engine/sampler.h"
#include "probe/agent/look/descriptor_names.h"
#include "probe/agent/look/thread_files.h"
#include "probe/agent/unwind/known_stacks.h"
#include "probe/agent/unwind/unwinder.h"

struct engine {
    struct sampler_options options;
    struct unwinder *unwinder;
    struct thread_files files;
    struct tick_clock clock;
    struct known_stacks stacks;
    struct descriptor_names descriptors;
    struct budget budget;
    struct perf_engine perf;
    uint64_t signal_ns;    /* what a signal takes from its thread beside our handler: an estimate */
    uint64_t signal_count; /* that were sent, and came back */
    uint64_t grid_ns;      /* looks at all slow calls keep to a grid that begins here */
    bool collects_soon;    /* copies are taken up as soon as they are back */
    uint64_t unloads, unloaded_ns; /* what the loader said of late, and since when */
    uint64_t early_cost_ns;        /* of a first look at a call that may turn slow */
    /* For `stakeout doctor`. */
    bool syscall_unreadable, schedstat_unreadable, handler_taken, has_uncovered;
    struct walk walk;                         /* of the sighting at hand */
    unsigned char stack[STACK_COPY_SIZE_MAX]; /* its bytes, where we read them ourselves */
};

/* Returns 0 or -ENOMEM. */
int engine_open(struct engine *engine, const struct sampler_options *options);
void engine_close(struct engine *engine);

/* Before a round of looks: what is loaded, and how many buffers for copies are there? Copies of
 * code that is unloaded meanwhile are of no use, and a buffer with a copy in it is of none to
 * others: where the one happens, or few are left, copies are taken up soon. */
void engine_refresh(struct engine *engine, uint64_t now_ns);

#endif
