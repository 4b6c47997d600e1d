/* SPDX-License-Identifier: Apache-2.0 */
/* export_json.c: an analysis as the API gives it (README.md lists every key).
 *
 * Written by hand rather than through a JSON library: its numbers are decimal fractions of exact
 * nanoseconds, which a double would round, and its size asks for one pass without a tree in
 * memory. */
#include "scheduler/analysis/escape.h"
#include "scheduler/analysis/private.h"

#include <inttypes.h>

static void put(struct buf *to, const char *text)
{
    buf_text(to, text_of(text));
}

static void put_string(struct buf *to, struct text text)
{
    put(to, "\"");
    escape_json(to, text);
    put(to, "\"");
}

/* The empty text is the unknown one. */
static void put_text(struct buf *to, const char *key, struct text text)
{
    buf_printf(to, ",\"%s\":", key);
    if (text.size == 0)
        put(to, "null");
    else
        put_string(to, text);
}

/* `key` comes with what stands before it: a comma or an opening brace. */
static void put_ms(struct buf *to, const char *key, uint64_t ns)
{
    put(to, key);
    ms_exact(to, ns);
}

static void put_frame_index(struct buf *to, uint32_t frame)
{
    if (frame == FRAME_NONE)
        put(to, "null");
    else
        buf_printf(to, "%" PRIu32, frame);
}

static void put_frame(const struct frame_table *table, const struct shown_frame *frame,
                      struct buf *to)
{
    buf_printf(to, "{\"kind\":\"%s\"", frame_kind_name(frame->kind));
    put_text(to, "language", text_of(frame_language(table, frame)));
    put_text(to, "function", frame_table_text(table, frame->function));
    put_text(to, "class", frame_table_text(table, frame->class_name));
    put_text(to, "module", frame_table_text(table, frame->module));
    put_text(to, "build_id", frame_table_text(table, frame->build_id));
    put(to, ",\"offset\":");
    if (frame->kind == FRAME_NATIVE)
        buf_printf(to, "%" PRIu64, frame->offset);
    else
        put(to, "null");
    put_text(to, "file", frame_table_text(table, frame->file));
    put(to, ",\"line\":");
    put_frame_index(to, frame->line ? frame->line : FRAME_NONE);
    buf_printf(to, ",\"inlined\":%s", frame->is_inlined ? "true" : "false");
    if (frame->count > 0) buf_printf(to, ",\"count\":%" PRIu32, frame->count);
    put(to, "}");
}

static void put_frames(const struct frame_table *table, struct buf *to)
{
    put(to, ",\"frames\":[");
    for (uint32_t i = 0; i < table->frame_count; i++) {
        put(to, i > 0 ? ",\n" : "\n");
        put_frame(table, &table->frames[i], to);
    }
    put(to, "]");
}

static void put_cost(const struct cost *cost, struct buf *to)
{
    const char *before = "";

    put_ms(to, ",\"cpu_ms\":", cost->ns[COST_CPU]);
    put_ms(to, ",\"queue_ms\":", cost->ns[COST_QUEUE]);
    put_ms(to, ",\"wait_ms\":", cost_wait(cost));
    put(to, ",\"waits_ms\":{");
    for (int i = COST_WAIT; i < COST_PART_COUNT; i++) {
        if (cost->ns[i] == 0) continue;
        buf_printf(to, "%s\"%s\":", before, cost_part_name((enum cost_part)i));
        ms_exact(to, cost->ns[i]);
        before = ",";
    }
    put(to, "}");
}

static void put_node_begin(const struct analysis *analysis, uint32_t index, struct buf *to)
{
    const struct node *node = &analysis->tree.nodes[index];

    put(to, "{\"frame\":");
    put_frame_index(to, node->frame);
    put_ms(to, ",\"total_ms\":", cost_total(&node->total));
    put_ms(to, ",\"self_ms\":", cost_total(&node->self));
    put_cost(&node->total, to);
    buf_printf(to, ",\"count\":%" PRIu64, node->count);
    if (analysis->is_diff) {
        put_ms(to, ",\"base_ms\":", cost_total(&analysis->base_total[index]));
        put_ms(to, ",\"other_ms\":", cost_total(&node->total));
        put_ms(to, ",\"base_self_ms\":", cost_total(&analysis->base_self[index]));
        put_ms(to, ",\"other_self_ms\":", cost_total(&node->self));
    }
    put(to, ",\"children\":[");
}

/* Depth first, without recursion: down to the first child, else over to the next sibling, else
 * up, closing what ends. */
static void put_tree(const struct analysis *analysis, struct buf *to)
{
    const struct node *nodes = analysis->tree.nodes;
    uint32_t at = 0;

    put(to, ",\"tree\":");
    for (;;) {
        put_node_begin(analysis, at, to);
        if (nodes[at].first_child != 0) {
            at = nodes[at].first_child;
            continue;
        }
        put(to, "]}");
        while (at != 0 && nodes[at].next == 0) {
            put(to, "]}");
            at = nodes[at].parent;
        }
        if (at == 0) return;
        put(to, ",\n");
        at = nodes[at].next;
    }
}

static void put_hot(const struct analysis *analysis, const char *key, const struct hot_list *hot,
                    struct buf *to)
{
    buf_printf(to, ",\"%s\":[", key);
    for (uint32_t i = 0; i < hot->count; i++) {
        const struct hot *row = &hot->rows[i];

        buf_printf(to, "%s{\"frame\":%" PRIu32, i > 0 ? ",\n" : "\n", row->frame);
        put_ms(to, ",\"total_ms\":", row->total_ns);
        put_ms(to, ",\"self_ms\":", row->self_ns);
        if (analysis->is_diff) {
            put_ms(to, ",\"base_ms\":", row->base_total_ns);
            put_ms(to, ",\"other_ms\":", row->total_ns);
            put_ms(to, ",\"base_self_ms\":", row->base_self_ns);
            put_ms(to, ",\"other_self_ms\":", row->self_ns);
        }
        put(to, "}");
    }
    put(to, "]");
}

static void put_stack(const struct path_table *paths, uint32_t path, struct buf *to)
{
    put(to, ",\"stack\":[");
    for (uint32_t at = path; at != 0; at = paths->rows[at].parent)
        buf_printf(to, "%s%" PRIu32, at == path ? "" : ",", paths->rows[at].frame);
    put(to, "]");
}

static void put_syscall(int32_t number, struct buf *to)
{
    const char *name = syscall_name(number);

    if (number < 0)
        put(to, ",\"syscall\":null");
    else if (name)
        buf_printf(to, ",\"syscall\":\"%s\"", name);
    else
        buf_printf(to, ",\"syscall\":\"syscall %" PRId32 "\"", number);
}

/* `holder` is 1 + an index; 0: null. */
static void put_holder(const struct analysis *analysis, uint32_t holder, struct buf *to)
{
    const struct holder *row = &analysis->holders[holder - 1];

    if (holder == 0) {
        put(to, "null");
        return;
    }
    buf_printf(to, "{\"thread_id\":%" PRIu32, row->thread_id);
    put_text(to, "thread", frame_table_text(&analysis->frames, row->thread_name));
    put_stack(&analysis->holder_paths, row->path, to);
    put(to, "}");
}

static void put_lock(const struct analysis *analysis, const struct lock *lock, struct buf *to)
{
    put_ms(to, "{\"wait_ms\":", lock->ns);
    buf_printf(to, ",\"count\":%" PRIu64, lock->count);
    put_text(to, "waiting_for", frame_table_text(&analysis->frames, lock->waiting_for));
    buf_printf(to, ",\"owners\":%" PRIu32 ",\"held_in\":", lock->thread_count);
    put_frame_index(to, lock->own);
    put(to, ",\"called\":");
    put_frame_index(to, lock->called);
    put(to, ",\"lock_owner\":");
    put_holder(analysis, lock->holder, to);
    put(to, "}");
}

/* The longest first. */
static void put_locks(const struct analysis *analysis, struct buf *to)
{
    const struct lock_list *locks = &analysis->locks;

    put(to, ",\"locks\":[");
    for (uint32_t i = 0; i < locks->count; i++) {
        put(to, i > 0 ? ",\n" : "\n");
        put_lock(analysis, &locks->rows[i], to);
    }
    put(to, "]");
}

static void put_moment(const struct analysis *analysis, const struct moment *moment, struct buf *to)
{
    put_ms(to, "{\"at_ms\":", moment->offset_ns);
    put_ms(to, ",\"for_ms\":", cost_total(&moment->cost));
    put_stack(&analysis->paths, moment->path, to);
    put_cost(&moment->cost, to);
    put_text(to, "wait", text_of(moment->wait ? wait_kind_name(moment->wait) : NULL));
    put_syscall(moment->syscall, to);
    put_text(to, "waiting_for", frame_table_text(&analysis->frames, moment->waiting_for));
    put(to, ",\"lock_owner\":");
    put_holder(analysis, moment->holder, to);
    put(to, "}");
}

/* A timeline is of one call; of several there is none. */
static void put_timeline(const struct analysis *analysis, struct buf *to)
{
    size_t count = analysis->call_count == 1 ? analysis->moment_count : 0;

    put(to, ",\"timeline\":[");
    for (size_t i = 0; i < count; i++) {
        put(to, i > 0 ? ",\n" : "\n");
        put_moment(analysis, &analysis->moments[i], to);
    }
    put(to, "]");
}

static void put_findings(const struct analysis *analysis, struct buf *to)
{
    put(to, ",\"findings\":[");
    for (uint32_t i = 0; i < analysis->finding_count; i++) {
        if (i > 0) put(to, ",");
        put_string(to, text_of(analysis->findings[i].sentence));
    }
    put(to, "],\"finding_details\":[");
    for (uint32_t i = 0; i < analysis->finding_count; i++) {
        const struct finding *finding = &analysis->findings[i];

        buf_printf(to, "%s{\"kind\":\"%s\"", i > 0 ? "," : "", cost_part_name(finding->part));
        put_ms(to, finding->is_less ? ",\"ms\":-" : ",\"ms\":", finding->ns);
        put(to, ",\"frame\":");
        put_frame_index(to, finding->frame);
        put(to, "}");
    }
    put(to, "]");
}

static void put_side(const char *key, const struct side *side, struct buf *to)
{
    buf_printf(to, ",\"%s\":{", key);
    put_ms(to, "\"elapsed_ms\":", side->elapsed_ns);
    put_ms(to, ",\"listened_ms\":", side->listened_ns);
    put_ms(to, ",\"unobserved_ms\":", side->elapsed_ns - side->listened_ns);
    put_ms(to, ",\"frequency_ms\":", side->frequency_ns);
    buf_printf(to, ",\"samples\":%" PRIu32 ",\"snapshots\":%" PRIu64 "}", side->call_count,
               side->snapshot_count);
}

/* Means are of whole nanoseconds, rounded down; the sums beside them are exact. */
static void put_per_call(const struct analysis *analysis, struct buf *to)
{
    uint64_t count = analysis->call_count ? analysis->call_count : 1;

    put_ms(to, ",\"per_call\":{\"elapsed_ms\":", analysis->elapsed_ns / count);
    put_ms(to, ",\"listened_ms\":", analysis->listened_ns / count);
    put(to, "}");
}

void export_json(const struct analysis *analysis, struct text title, struct buf *to)
{
    size_t snapshots = analysis->is_diff ? analysis->other.snapshot_count : analysis->moment_count;

    put(to, "{\"title\":");
    put_string(to, title);
    put_ms(to, ",\"elapsed_ms\":", analysis->elapsed_ns);
    put_ms(to, ",\"listened_ms\":", analysis->listened_ns);
    put_ms(to, ",\"unobserved_ms\":", analysis->elapsed_ns - analysis->listened_ns);
    buf_printf(to, ",\"snapshots\":%zu,\"samples\":%" PRIu32, snapshots,
               analysis->is_diff ? analysis->other.call_count : analysis->call_count);
    put_ms(to, ",\"frequency_ms\":", analysis->frequency_ns);
    put_ms(to, ",\"interval_ms\":", analysis->interval_ns);
    if (analysis->is_diff) {
        put_side("base", &analysis->base, to);
        put_side("other", &analysis->other, to);
        put_ms(to, ",\"noise_ms\":", analysis->noise_ns);
    } else {
        put_per_call(analysis, to);
    }
    put_frames(&analysis->frames, to);
    put_tree(analysis, to);
    put_hot(analysis, "hot", &analysis->hot, to);
    put_hot(analysis, "hot_lines", &analysis->hot_lines, to);
    put_timeline(analysis, to);
    if (!analysis->is_diff) put_locks(analysis, to);
    put_findings(analysis, to);
    put(to, "}\n");
}
