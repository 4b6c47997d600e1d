/* SPDX-License-Identifier: Apache-2.0 */
/* export_speedscope.c: speedscope's file format: one profile per call, its snapshots in order of
 * time, each a list of frames from the outermost in, with its weight in nanoseconds.
 *
 * Frames are by line, as the file's own frames are (name, file, line). Neighbours with one stack
 * are one sample. */
#include "scheduler/analysis/escape.h"
#include "scheduler/analysis/private.h"

#include <inttypes.h>

static void put(struct buf *to, const char *text)
{
    buf_text(to, text_of(text));
}

/* What people read is made visible first, and then quoted. */
static void put_name(struct buf *to, struct text text)
{
    OWN(buf_done) struct buf visible = BUF_INIT(text.size * 10 + 1);

    escape_visible(&visible, text);
    escape_json(to, buf_peek(&visible));
}

static void put_frame(const struct frame_table *table, const struct shown_place *place,
                      struct buf *to)
{
    const struct shown_symbol *symbol = &table->symbols[place->symbol];
    struct text class_name = frame_table_text(table, symbol->class_name);

    put(to, "{\"name\":\"");
    if (class_name.size > 0) {
        put_name(to, class_name);
        put(to, ".");
    }
    put_name(to, frame_table_text(table, symbol->function));
    put(to, "\"");
    if (place->file != 0) {
        put(to, ",\"file\":\"");
        put_name(to, frame_table_text(table, place->file));
        put(to, "\"");
    }
    if (place->line != 0) buf_printf(to, ",\"line\":%" PRIu32, place->line);
    put(to, "}");
}

static void put_stack(const struct analysis *analysis, uint32_t path, struct buf *to)
{
    uint32_t way[2 * DEPTH_MAX], depth = 0;

    for (uint32_t at = path; at != 0; at = analysis->paths.rows[at].parent)
        way[depth++] = analysis->frames.frames[analysis->paths.rows[at].frame].place;
    put(to, "[");
    while (depth-- > 0)
        buf_printf(to, depth > 0 ? "%" PRIu32 "," : "%" PRIu32, way[depth]);
    put(to, "]");
}

static bool begins_run(const struct moment *moments, uint32_t i)
{
    return i == 0 || moments[i].path != moments[i - 1].path;
}

static void put_samples(const struct analysis *analysis, const struct call *call, struct buf *to)
{
    const struct moment *moments = &analysis->moments[call->first_moment];

    put(to, ",\"samples\":[");
    for (uint32_t i = 0; i < call->moment_count; i++) {
        if (!begins_run(moments, i)) continue;
        put(to, i > 0 ? ",\n" : "");
        put_stack(analysis, moments[i].path, to);
    }
    put(to, "]");
}

static void put_weights(const struct analysis *analysis, const struct call *call, struct buf *to)
{
    const struct moment *moments = &analysis->moments[call->first_moment];
    uint64_t weight_ns = 0;
    bool is_first = true;

    put(to, ",\"weights\":[");
    for (uint32_t i = 0; i < call->moment_count; i++) {
        weight_ns += cost_total(&moments[i].cost);
        if (i + 1 < call->moment_count && !begins_run(moments, i + 1)) continue;
        buf_printf(to, "%s%" PRIu64, is_first ? "" : ",", weight_ns);
        weight_ns = 0;
        is_first = false;
    }
    put(to, "]");
}

static void put_profile(const struct analysis *analysis, const struct call *call, struct buf *to)
{
    put(to, "{\"type\":\"sampled\",\"name\":\"");
    put_name(to, text_of(call->trace_id));
    put(to, " ");
    put_name(to, text_of(call->thread_name));
    buf_printf(to, "\",\"unit\":\"nanoseconds\",\"startValue\":0,\"endValue\":%" PRIu64,
               call->listened_ns);
    put_samples(analysis, call, to);
    put_weights(analysis, call, to);
    put(to, "}");
}

void export_speedscope(const struct analysis *analysis, struct text title, struct buf *to)
{
    put(to, "{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\","
            "\"exporter\":\"stakeout " STAKEOUT_VERSION "\",\"name\":\"");
    put_name(to, title);
    put(to, "\",\"activeProfileIndex\":0,\"shared\":{\"frames\":[");
    for (uint32_t i = 0; i < analysis->frames.place_count; i++) {
        put(to, i > 0 ? ",\n" : "\n");
        put_frame(&analysis->frames, &analysis->frames.places[i], to);
    }
    put(to, "]},\"profiles\":[");
    for (uint32_t i = 0; i < analysis->call_count; i++) {
        put(to, i > 0 ? ",\n" : "\n");
        put_profile(analysis, &analysis->calls[i], to);
    }
    put(to, "]}\n");
}
