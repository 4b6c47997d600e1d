/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/engine/engine.h"

#include "probe/agent/look/blocked.h"

#include <string.h>

#define UNLOADS_AFTER_NS (10 * NS_PER_S) /* who unloads does so again */

int engine_open(struct engine *engine, const struct sampler_options *options)
{
    int rc;

    memset(engine, 0, sizeof *engine);
    engine->options = *options;
    budget_set(&engine->budget, 0, 0);
    known_stacks_init(&engine->stacks);
    thread_files_init(&engine->files, options->thread_files_max);
    perf_engine_open(&engine->perf, options->engine, options->thread_files_max > 0);
    descriptor_names_open(&engine->descriptors, options->thread_files_max > 0);
    tick_clock_update(&engine->clock);
    blocked_open();
    rc = unwinder_open(&engine->unwinder);
    if (rc == 0) engine->unloads = unwinder_unloads(engine->unwinder);
    return rc;
}

void engine_close(struct engine *engine)
{
    engine->unwinder = unwinder_close(engine->unwinder);
    perf_engine_close(&engine->perf);
    thread_files_done(&engine->files);
    descriptor_names_close(&engine->descriptors);
}

void engine_refresh(struct engine *engine, uint64_t now_ns)
{
    uint64_t unloads;

    unwinder_refresh(engine->unwinder);
    unloads = unwinder_unloads(engine->unwinder);
    if (unloads != engine->unloads) engine->unloaded_ns = now_ns;
    engine->unloads = unloads;
    engine->collects_soon =
        (engine->unloaded_ns != 0 && now_ns - engine->unloaded_ns < UNLOADS_AFTER_NS) ||
        loan_count_free() < STACK_COPIES_MAX / 2;
}
