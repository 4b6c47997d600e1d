/* SPDX-License-Identifier: Apache-2.0 */
/* analysis.c: from samples to an analysis, in six steps.
 *
 *     (1) each frame of a sample is expanded into shown frames            frames.c
 *     (2) each stack that a snapshot names becomes a path, once           tree.c
 *     (3) each snapshot becomes a moment: its path and what it weighs     here
 *     (4) the costs of moments are summed by path, and paths merge        tree.c
 *     (5) waiting for locks is told apart by what their owners did        locks.c,
 *         and all costs are grouped by what a finding could be about      groups.c
 *     (6) groups that matter become sentences                             findings.c
 *
 * INVARIANTS
 *
 * (1) Everything is a sum of whole nanoseconds of sample_weight(): root's total = sum of moments =
 *     sum of the samples' listened time, and no step divides or rounds.
 * (2) The work is proportional to snapshots + distinct stacks x their depth, never to snapshots x
 *     depth: 4096 snapshots of one stack cost one walk of it. */
#include "scheduler/analysis/analysis.h"

#include "common/base/check.h"
#include "scheduler/analysis/private.h"
#include "scheduler/analysis/room.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What is needed while one sample is taken in. */
struct intake {
    struct analysis *analysis;
    const struct sample *sample;
    const struct sample_symbols *symbols; /* may be NULL */
    struct expansions expansions;
    uint32_t *path_of_stack; /* HASH_NONE: not walked yet */
    uint32_t *wait_of_stack; /* a snapshot that saw it wait for something known; HASH_NONE: none */
    uint32_t *scratch;       /* one expanded stack */
    uint32_t scratch_capacity;
};

/* The frames of a stack, each expanded, into intake->scratch. Returns how many. */
static uint32_t intake_expand(struct intake *intake, uint32_t stack_index)
{
    const struct stack_table *stacks = &intake->sample->stacks;
    const struct stack *stack = &stacks->stacks[stack_index];
    uint32_t count = 0;

    for (uint32_t i = 0; i < stack->count; i++) {
        uint32_t frame = stacks->stack_frames[stack->first + i];
        struct expansion expansion = intake->expansions.of[frame];

        for (uint32_t j = 0; j < expansion.count; j++) {
            room_for_one(&intake->scratch, count, &intake->scratch_capacity,
                         sizeof *intake->scratch);
            intake->scratch[count++] = intake->expansions.frames[expansion.first + j];
        }
    }
    return count;
}

static uint32_t intake_path(struct intake *intake, uint32_t stack_index)
{
    uint32_t *known = &intake->path_of_stack[stack_index], count;

    if (*known != HASH_NONE) return *known;
    count = intake_expand(intake, stack_index); /* which may move the scratch */
    *known =
        path_table_add(&intake->analysis->paths, &intake->analysis->frames, intake->scratch, count);
    return *known;
}

static void intake_holders(struct intake *intake)
{
    struct analysis *analysis = intake->analysis;
    const struct sample *sample = intake->sample;

    for (uint32_t i = 0; i < sample->owner_count; i++) {
        const struct lock_owner *owner = &sample->owners[i];
        struct text name = stack_table_text(&sample->stacks, owner->thread_name);
        struct holder holder = { .thread_name = frame_table_string(&analysis->frames, name),
                                 .thread_id = owner->thread_id };

        if (owner->stack > 0) {
            uint32_t count = intake_expand(intake, owner->stack - 1);

            holder.path =
                path_table_add(&analysis->holder_paths, &analysis->frames, intake->scratch, count);
        }
        holder_add(analysis, holder);
    }
}

static struct text intake_waiting_for(const struct intake *intake, uint32_t string)
{
    const struct sample_symbols *symbols = intake->symbols;

    if (symbols && string < symbols->string_count && symbols->strings[string].size > 0)
        return symbols->strings[string];
    return stack_table_text(&intake->sample->stacks, string);
}

static void intake_waits(struct intake *intake)
{
    const struct sample *sample = intake->sample;

    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        const struct snapshot *snapshot = &sample->snapshots[i];

        if (snapshot->wait != WAIT_NONE && snapshot->wait != WAIT_OTHER)
            intake->wait_of_stack[snapshot->stack] = i;
    }
}

/* The snapshot that says what its thread waits for on this one's stack. One that found it on a CPU,
 * or queued for one, does not know; but the same call may have been seen waiting on the same stack:
 * within fsync, say, which computes and waits by turns. */
static const struct snapshot *intake_wait_of_stack(const struct intake *intake, uint32_t index)
{
    const struct snapshot *snapshot = &intake->sample->snapshots[index];
    uint32_t seen = intake->wait_of_stack[snapshot->stack];

    if (snapshot->wait != WAIT_NONE || seen == HASH_NONE) return snapshot;
    return &intake->sample->snapshots[seen];
}

/* The snapshot that says what its thread waited for until the next one. Where its own stack never
 * waits, it went on to something that did: from a write to an fsync. What is known of that is what
 * the next one found. */
static const struct snapshot *intake_wait(const struct intake *intake, uint32_t index)
{
    const struct snapshot *here = intake_wait_of_stack(intake, index), *next;

    if (here->wait != WAIT_NONE || index + 1 == intake->sample->snapshot_count) return here;
    if (sample_weight(intake->sample, index).wait_ns == 0) return here;
    next = intake_wait_of_stack(intake, index + 1);
    return next->wait == WAIT_OTHER ? here : next;
}

static void intake_moments(struct intake *intake)
{
    struct analysis *analysis = intake->analysis;
    const struct sample *sample = intake->sample;
    uint32_t holders_before = analysis->holder_count - sample->owner_count;

    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        const struct snapshot *snapshot = &sample->snapshots[i];
        const struct snapshot *wait = intake_wait(intake, i);
        struct text waiting_for = intake_waiting_for(intake, wait->waiting_for);

        analysis->moments[analysis->moment_count++] = (struct moment){
            .path = intake_path(intake, snapshot->stack),
            .syscall = snapshot->syscall,
            .wait = snapshot->wait,
            .waiting_for = frame_table_string(&analysis->frames, waiting_for),
            .holder = snapshot->owner > 0 ? holders_before + snapshot->owner : 0,
            .offset_ns = snapshot->offset_ns,
            .cost = cost_of_weight(sample_weight(sample, i), wait->wait),
        };
    }
}

static void intake_call(struct analysis *analysis, const struct sample *sample)
{
    struct call *call = &analysis->calls[analysis->call_count++];

    *call = (struct call){
        .thread_id = sample->thread_id,
        .running = sample->running,
        .began_wall_ns = sample->began_wall_ns,
        .elapsed_ns = sample->elapsed_ns,
        .listened_ns = sample->listened_ns,
        .frequency_ns = sample->frequency_ns,
        .interval_ns = sample->interval_ns,
        .first_moment = analysis->moment_count,
        .moment_count = sample->snapshot_count,
    };
    memcpy(call->trace_id, sample->trace.text, sizeof call->trace_id);
    memcpy(call->thread_name, sample->thread_name, sizeof call->thread_name);
    analysis->elapsed_ns += sample->elapsed_ns;
    if (sample->frequency_ns > analysis->frequency_ns)
        analysis->frequency_ns = sample->frequency_ns;
    if (sample->interval_ns > analysis->interval_ns) analysis->interval_ns = sample->interval_ns;
}

static void intake_sample(struct analysis *analysis, const struct sample *sample,
                          const struct sample_symbols *symbols)
{
    struct intake intake = { .analysis = analysis, .sample = sample, .symbols = symbols };
    uint32_t stack_count = sample->stacks.stack_count;

    expansions_init(&intake.expansions, &analysis->frames, sample, symbols);
    if (symbols) analysis->unanswered_count += symbols->unanswered_count;
    intake.path_of_stack = mem_alloc((stack_count + 1) * sizeof *intake.path_of_stack);
    intake.wait_of_stack = mem_alloc((stack_count + 1) * sizeof *intake.wait_of_stack);
    for (uint32_t i = 0; i < stack_count; i++)
        intake.path_of_stack[i] = intake.wait_of_stack[i] = HASH_NONE;
    intake_call(analysis, sample);
    intake_waits(&intake);
    intake_holders(&intake);
    intake_moments(&intake);
    expansions_done(&intake.expansions);
    free(intake.path_of_stack);
    free(intake.wait_of_stack);
    free(intake.scratch);
}

static void analysis_add_up(struct analysis *analysis)
{
    OWN(mem_freep) uint64_t *counts = mem_zalloc(analysis->paths.count, sizeof *counts);

    analysis->path_costs = mem_zalloc(analysis->paths.count, sizeof *analysis->path_costs);
    for (size_t i = 0; i < analysis->moment_count; i++) {
        const struct moment *moment = &analysis->moments[i];

        cost_add(&analysis->path_costs[moment->path], &moment->cost);
        counts[moment->path]++;
        analysis->listened_ns += cost_total(&moment->cost);
    }
    tree_init(&analysis->tree);
    tree_build(&analysis->tree, &analysis->frames, &analysis->paths, analysis->path_costs, counts);
    analysis->hot =
        hot_list_of_paths(&analysis->frames, &analysis->paths, analysis->path_costs, HOT_BY_SYMBOL);
    analysis->hot_lines =
        hot_list_of_paths(&analysis->frames, &analysis->paths, analysis->path_costs, HOT_BY_PLACE);
}

struct analysis *analysis_new(const struct sample *const *samples,
                              const struct sample_symbols *const *symbols, size_t count)
{
    struct analysis *analysis = mem_zalloc(1, sizeof *analysis);
    size_t moment_count = 0;

    for (size_t i = 0; i < count; i++)
        moment_count += samples[i]->snapshot_count;
    analysis->calls = mem_zalloc(count + 1, sizeof *analysis->calls);
    analysis->moments = mem_zalloc(moment_count + 1, sizeof *analysis->moments);
    frame_table_init(&analysis->frames);
    path_table_init(&analysis->paths);
    path_table_init(&analysis->holder_paths);
    for (size_t i = 0; i < count; i++)
        intake_sample(analysis, samples[i], symbols ? symbols[i] : NULL);
    analysis_add_up(analysis);
    analysis->locks = lock_list_make(analysis);
    analysis->groups = group_list_make(analysis);
    findings_make(analysis);
    return analysis;
}

struct analysis *analysis_free(struct analysis *analysis)
{
    if (!analysis) return NULL;
    for (uint32_t i = 0; i < analysis->finding_count; i++)
        free(analysis->findings[i].sentence);
    free(analysis->findings);
    free(analysis->groups.rows);
    free(analysis->locks.rows);
    free(analysis->holders);
    free(analysis->hot.rows);
    free(analysis->hot_lines.rows);
    free(analysis->path_costs);
    free(analysis->base_self);
    free(analysis->base_total);
    free(analysis->calls);
    free(analysis->moments);
    tree_done(&analysis->tree);
    path_table_done(&analysis->paths);
    path_table_done(&analysis->holder_paths);
    frame_table_done(&analysis->frames);
    free(analysis);
    return NULL;
}

/* ---- exports ---- */

static const struct {
    const char *slug, *type, *suffix;
} exports[EXPORT_COUNT] = {
#define EXPORT_ROW(name, slug, type, suffix) [EXPORT_##name] = { slug, type, suffix },
    EXPORTS(EXPORT_ROW)
#undef EXPORT_ROW
};

/* clang-format off */
static const struct {
    void (*write)(const struct analysis *analysis, struct text title, struct buf *to);
    bool compares; /* does it exist for comparisons? */
} writers[EXPORT_COUNT] = {
    [EXPORT_JSON]       = { export_json,       true },
    [EXPORT_FOLDED]     = { export_folded,     false },
    [EXPORT_SPEEDSCOPE] = { export_speedscope, false },
    [EXPORT_PPROF]      = { export_pprof,      false },
    [EXPORT_SVG]        = { export_svg,        true },
};
/* clang-format on */

int export_format_parse(struct text slug, enum export_format *ret)
{
    for (int i = 0; i < EXPORT_COUNT; i++) {
        if (!text_is_equal(slug, text_of(exports[i].slug))) continue;
        *ret = (enum export_format)i;
        return 0;
    }
    return -EINVAL;
}

const char *export_format_slug(enum export_format format)
{
    CHECK(format < EXPORT_COUNT);
    return exports[format].slug;
}

const char *export_format_type(enum export_format format)
{
    CHECK(format < EXPORT_COUNT);
    return exports[format].type;
}

const char *export_format_suffix(enum export_format format)
{
    CHECK(format < EXPORT_COUNT);
    return exports[format].suffix;
}

int analysis_export(const struct analysis *analysis, enum export_format format, struct text title,
                    struct buf *to)
{
    CHECK(format < EXPORT_COUNT);
    if (analysis->is_diff && !writers[format].compares) return -EOPNOTSUPP;
    writers[format].write(analysis, title, to);
    return to->failed;
}
