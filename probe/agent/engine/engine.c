/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/engine/engine.h"

#include "probe/agent/look/blocked.h"

#include <string.h>

int engine_open(struct engine *engine, const struct sampler_options *options)
{
    memset(engine, 0, sizeof *engine);
    engine->options = *options;
    budget_set(&engine->budget, 0, 0);
    known_stacks_init(&engine->stacks);
    thread_files_init(&engine->files, options->thread_files_max);
    perf_engine_open(&engine->perf, options->engine, options->thread_files_max > 0);
    descriptor_names_open(&engine->descriptors, options->thread_files_max > 0);
    tick_clock_update(&engine->clock);
    blocked_open();
    return unwinder_open(&engine->unwinder);
}

void engine_close(struct engine *engine)
{
    engine->unwinder = unwinder_close(engine->unwinder);
    perf_engine_close(&engine->perf);
    thread_files_done(&engine->files);
    descriptor_names_close(&engine->descriptors);
}
