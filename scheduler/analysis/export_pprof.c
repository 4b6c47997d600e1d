/* SPDX-License-Identifier: Apache-2.0 */
/* export_pprof.c: the gzipped protobuf of pprof, written with an encoder of three functions.
 *
 * A message is a sequence of fields, each a key (number and type, as a varint) and a value: a
 * varint, or a size and that many bytes. Messages within messages are written to a buffer of
 * their own first, because their size comes before them. Numbers of fields are in the tables
 * below; they are those of the format's public description.
 *
 *     sample       a path, in one call, in one state; its values add up: wall = cpu + queue + wait
 *     location     an instruction: module, address, and its lines, the innermost inlined first
 *     mapping      a module; its addresses are those of the ELF file, so that it starts at 0
 *     function     name, file
 *
 * Strings stand in a table, whose first one is empty; ids of the other tables begin with 1. */
#include "common/base/check.h"
#include "scheduler/analysis/escape.h"
#include "scheduler/analysis/private.h"
#include "scheduler/analysis/room.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { PROTO_SIZE_MAX = 256 * 1024 * 1024 };

/* Numbers of fields, by message. */
enum {
    PROFILE_SAMPLE_TYPE = 1,
    PROFILE_SAMPLE = 2,
    PROFILE_MAPPING = 3,
    PROFILE_LOCATION = 4,
    PROFILE_FUNCTION = 5,
    PROFILE_STRING = 6,
    PROFILE_TIME_NANOS = 9,
    PROFILE_DURATION_NANOS = 10,
    PROFILE_PERIOD_TYPE = 11,
    PROFILE_PERIOD = 12,
    PROFILE_COMMENT = 13,
    PROFILE_DEFAULT_SAMPLE_TYPE = 14,
};
enum { TYPE_TYPE = 1, TYPE_UNIT = 2 };
enum { SAMPLE_LOCATION = 1, SAMPLE_VALUE = 2, SAMPLE_LABEL = 3 };
enum { LABEL_KEY = 1, LABEL_STRING = 2, LABEL_NUMBER = 3 };
enum {
    MAPPING_ID = 1,
    MAPPING_START = 2,
    MAPPING_LIMIT = 3,
    MAPPING_FILE = 5,
    MAPPING_BUILD_ID = 6,
    MAPPING_HAS_FUNCTIONS = 7,
    MAPPING_HAS_FILES = 8,
    MAPPING_HAS_LINES = 9,
    MAPPING_HAS_INLINED = 10,
};
enum { LOCATION_ID = 1, LOCATION_MAPPING = 2, LOCATION_ADDRESS = 3, LOCATION_LINE = 4 };
enum { LINE_FUNCTION = 1, LINE_LINE = 2 };
enum { FUNCTION_ID = 1, FUNCTION_NAME = 2, FUNCTION_SYSTEM_NAME = 3, FUNCTION_FILE = 4 };

/* ---- protobuf ---- */

static void put_varint(struct buf *to, uint64_t value)
{
    uint8_t bytes[10];
    size_t size = 0;

    for (; value >= 0x80; value >>= 7)
        bytes[size++] = (uint8_t)(value | 0x80);
    bytes[size++] = (uint8_t)value;
    buf_append(to, bytes, size);
}

/* A zero is what an absent field means. */
static void put_number(struct buf *to, uint32_t field, uint64_t value)
{
    if (value == 0) return;
    put_varint(to, (uint64_t)field << 3);
    put_varint(to, value);
}

static void put_bytes(struct buf *to, uint32_t field, struct text bytes)
{
    put_varint(to, (uint64_t)field << 3 | 2);
    put_varint(to, bytes.size);
    buf_text(to, bytes);
}

/* Writes a message as a field, and empties it for the next. */
static void put_message(struct buf *to, uint32_t field, struct buf *message)
{
    put_bytes(to, field, buf_peek(message));
    buf_reset(message);
}

/* ---- the profile's tables ---- */

struct pprof {
    const struct analysis *analysis;
    struct buf *to;
    struct buf message, inner; /* what is being written, and what is within it */
    struct buf stack;          /* locations of a sample; they write messages of their own */
    struct frame_table texts;  /* only its strings are used: they become the string table */
    struct tally mappings;     /* (module, build-id); row + 1 is the id, ns the limit */
    struct tally functions;    /* (symbol, file); row + 1 is the id */
    struct tally locations;    /* (innermost frame, outermost frame); row + 1 is the id */
    struct tally kinds;        /* (call x COST_PART_COUNT + state, lock) */
    struct tally samples;      /* (path, kind): a row of costs */
    struct pprof_sample {
        struct cost cost;
        uint64_t count;
    } * costs;
    uint32_t cost_capacity;
};

/* Texts become valid and visible before they are numbered: the format wants UTF-8. */
static uint32_t string_id(struct pprof *pprof, struct text text)
{
    OWN(buf_done) struct buf visible = BUF_INIT(text.size * 10 + 1);

    escape_visible(&visible, text);
    return frame_table_string(&pprof->texts, buf_peek(&visible));
}

static uint64_t mapping_id(struct pprof *pprof, const struct shown_frame *frame)
{
    uint32_t row;

    if (frame->kind != FRAME_NATIVE || frame->module == 0) return 0;
    row = tally_add(&pprof->mappings, frame->module, frame->build_id, 0);
    if (frame->offset >= pprof->mappings.rows[row].ns)
        pprof->mappings.rows[row].ns = (frame->offset | 0xfff) + 1;
    return (uint64_t)row + 1;
}

static uint64_t function_id(struct pprof *pprof, const struct shown_frame *frame)
{
    uint32_t symbol = pprof->analysis->frames.places[frame->place].symbol;

    return (uint64_t)tally_add(&pprof->functions, symbol, frame->file, 0) + 1;
}

/* From a path upwards as long as frames are inlined: one location. Returns its outermost row. */
static uint32_t location_end(const struct analysis *analysis, uint32_t path)
{
    const struct path *rows = analysis->paths.rows;

    while (analysis->frames.frames[rows[path].frame].is_inlined && rows[path].parent != 0)
        path = rows[path].parent;
    return path;
}

static void write_location(struct pprof *pprof, uint32_t id, uint32_t path, uint32_t end)
{
    const struct analysis *analysis = pprof->analysis;
    const struct shown_frame *frame = &analysis->frames.frames[analysis->paths.rows[end].frame];

    put_number(&pprof->message, LOCATION_ID, id);
    put_number(&pprof->message, LOCATION_MAPPING, mapping_id(pprof, frame));
    put_number(&pprof->message, LOCATION_ADDRESS, frame->offset);
    for (uint32_t at = path;; at = analysis->paths.rows[at].parent) {
        frame = &analysis->frames.frames[analysis->paths.rows[at].frame];
        put_number(&pprof->inner, LINE_FUNCTION, function_id(pprof, frame));
        put_number(&pprof->inner, LINE_LINE, frame->line);
        put_message(&pprof->message, LOCATION_LINE, &pprof->inner);
        if (at == end) break;
    }
    put_message(pprof->to, PROFILE_LOCATION, &pprof->message);
}

/* The id of the location whose innermost frame is a path's; *ret_end is its outermost path. */
static uint64_t location_id(struct pprof *pprof, uint32_t path, uint32_t *ret_end)
{
    const struct path *rows = pprof->analysis->paths.rows;
    uint32_t end = location_end(pprof->analysis, path), before = pprof->locations.count;
    uint32_t row = tally_add(&pprof->locations, rows[path].frame, rows[end].frame, 0);

    if (row == before) write_location(pprof, row + 1, path, end);
    *ret_end = end;
    return (uint64_t)row + 1;
}

static void write_type(struct pprof *pprof, uint32_t field, const char *type, const char *unit)
{
    put_number(&pprof->message, TYPE_TYPE, string_id(pprof, text_of(type)));
    put_number(&pprof->message, TYPE_UNIT, string_id(pprof, text_of(unit)));
    put_message(pprof->to, field, &pprof->message);
}

static void write_label(struct pprof *pprof, const char *key, struct text value)
{
    if (value.size == 0) return;
    put_number(&pprof->inner, LABEL_KEY, string_id(pprof, text_of(key)));
    put_number(&pprof->inner, LABEL_STRING, string_id(pprof, value));
    put_message(&pprof->message, SAMPLE_LABEL, &pprof->inner);
}

/* What a call waited for, and who held it. `lock` is 1 + an index; 0: none. */
static void write_lock_labels(struct pprof *pprof, uint32_t lock)
{
    const struct analysis *analysis = pprof->analysis;
    const struct lock *row = &analysis->locks.rows[lock - 1];

    if (lock == 0) return;
    write_label(pprof, "lock", frame_table_text(&analysis->frames, row->waiting_for));
    if (row->holder == 0) return;
    write_label(
        pprof, "lock_owner",
        frame_table_text(&analysis->frames, analysis->holders[row->holder - 1].thread_name));
}

static void write_labels(struct pprof *pprof, const struct call *call, enum cost_part state)
{
    write_label(pprof, "trace_id", text_of(call->trace_id));
    write_label(pprof, "thread", text_of(call->thread_name));
    write_label(pprof, "state", text_of(cost_part_name(state)));
    put_number(&pprof->inner, LABEL_KEY, string_id(pprof, TEXT("thread_id")));
    put_number(&pprof->inner, LABEL_NUMBER, call->thread_id);
    put_message(&pprof->message, SAMPLE_LABEL, &pprof->inner);
}

static void write_sample(struct pprof *pprof, uint32_t row)
{
    const struct path *rows = pprof->analysis->paths.rows;
    const struct pprof_sample *sample = &pprof->costs[row];
    const struct tally_row *kind = &pprof->kinds.rows[pprof->samples.rows[row].part];
    uint32_t end;
    uint64_t values[] = { cost_total(&sample->cost), sample->cost.ns[COST_CPU],
                          sample->cost.ns[COST_QUEUE], cost_wait(&sample->cost), sample->count };

    for (uint32_t at = pprof->samples.rows[row].of; at != 0; at = rows[end].parent)
        put_varint(&pprof->stack, location_id(pprof, at, &end));
    put_message(&pprof->message, SAMPLE_LOCATION, &pprof->stack);
    for (size_t i = 0; i < ARRAY_COUNT(values); i++)
        put_varint(&pprof->inner, values[i]);
    put_message(&pprof->message, SAMPLE_VALUE, &pprof->inner);
    write_labels(pprof, &pprof->analysis->calls[kind->of / COST_PART_COUNT],
                 (enum cost_part)(kind->of % COST_PART_COUNT));
    write_lock_labels(pprof, kind->part);
    put_message(pprof->to, PROFILE_SAMPLE, &pprof->message);
}

/* Moments of one path, call, state and lock are one sample. */
static void collect_samples(struct pprof *pprof)
{
    const struct analysis *analysis = pprof->analysis;

    for (uint32_t c = 0; c < analysis->call_count; c++) {
        const struct call *call = &analysis->calls[c];

        for (uint32_t i = 0; i < call->moment_count; i++) {
            const struct moment *moment = &analysis->moments[call->first_moment + i];
            uint32_t key = c * COST_PART_COUNT + (uint32_t)cost_heaviest(&moment->cost);
            uint32_t kind = tally_add(&pprof->kinds, key, moment->lock, 0);
            uint32_t row = tally_add(&pprof->samples, moment->path, kind, 0);
            uint32_t capacity = pprof->cost_capacity;

            room_for_one(&pprof->costs, row, &pprof->cost_capacity, sizeof *pprof->costs);
            if (pprof->cost_capacity > capacity)
                memset(pprof->costs + capacity, 0,
                       (pprof->cost_capacity - capacity) * sizeof *pprof->costs);
            cost_add(&pprof->costs[row].cost, &moment->cost);
            pprof->costs[row].count++;
        }
    }
}

static void write_mappings(struct pprof *pprof)
{
    const struct frame_table *table = &pprof->analysis->frames;

    for (uint32_t i = 0; i < pprof->mappings.count; i++) {
        const struct tally_row *row = &pprof->mappings.rows[i];

        put_number(&pprof->message, MAPPING_ID, (uint64_t)i + 1);
        put_number(&pprof->message, MAPPING_LIMIT, row->ns);
        put_number(&pprof->message, MAPPING_FILE,
                   string_id(pprof, frame_table_text(table, row->of)));
        put_number(&pprof->message, MAPPING_BUILD_ID,
                   string_id(pprof, frame_table_text(table, row->part)));
        put_number(&pprof->message, MAPPING_HAS_FUNCTIONS, 1);
        put_number(&pprof->message, MAPPING_HAS_FILES, 1);
        put_number(&pprof->message, MAPPING_HAS_LINES, 1);
        put_number(&pprof->message, MAPPING_HAS_INLINED, 1);
        put_message(pprof->to, PROFILE_MAPPING, &pprof->message);
    }
}

static void write_functions(struct pprof *pprof)
{
    const struct frame_table *table = &pprof->analysis->frames;

    for (uint32_t i = 0; i < pprof->functions.count; i++) {
        const struct tally_row *row = &pprof->functions.rows[i];
        uint32_t name = string_id(pprof, frame_table_text(table, table->symbols[row->of].function));

        put_number(&pprof->message, FUNCTION_ID, (uint64_t)i + 1);
        put_number(&pprof->message, FUNCTION_NAME, name);
        put_number(&pprof->message, FUNCTION_SYSTEM_NAME, name);
        put_number(&pprof->message, FUNCTION_FILE,
                   string_id(pprof, frame_table_text(table, row->part)));
        put_message(pprof->to, PROFILE_FUNCTION, &pprof->message);
    }
}

static void write_times(struct pprof *pprof, struct text title)
{
    const struct analysis *analysis = pprof->analysis;
    uint64_t began_ns = 0;

    for (uint32_t i = 0; i < analysis->call_count; i++)
        if (began_ns == 0 || analysis->calls[i].began_wall_ns < began_ns)
            began_ns = analysis->calls[i].began_wall_ns;
    put_number(pprof->to, PROFILE_TIME_NANOS, began_ns);
    put_number(pprof->to, PROFILE_DURATION_NANOS, analysis->elapsed_ns);
    write_type(pprof, PROFILE_PERIOD_TYPE, "wall", "nanoseconds");
    put_number(pprof->to, PROFILE_PERIOD, analysis->frequency_ns);
    put_number(pprof->to, PROFILE_COMMENT, string_id(pprof, title));
    put_number(pprof->to, PROFILE_DEFAULT_SAMPLE_TYPE, string_id(pprof, TEXT("wall")));
}

static void write_profile(struct pprof *pprof, struct text title)
{
    write_type(pprof, PROFILE_SAMPLE_TYPE, "wall", "nanoseconds");
    write_type(pprof, PROFILE_SAMPLE_TYPE, "cpu", "nanoseconds");
    write_type(pprof, PROFILE_SAMPLE_TYPE, "queue", "nanoseconds");
    write_type(pprof, PROFILE_SAMPLE_TYPE, "wait", "nanoseconds");
    write_type(pprof, PROFILE_SAMPLE_TYPE, "snapshots", "count");
    collect_samples(pprof);
    for (uint32_t i = 0; i < pprof->samples.count; i++)
        write_sample(pprof, i);
    write_mappings(pprof);
    write_functions(pprof);
    write_times(pprof, title);
    for (uint32_t i = 0; i < pprof->texts.strings.count; i++)
        put_bytes(pprof->to, PROFILE_STRING, frame_table_text(&pprof->texts, i));
}

/* ---- gzip ---- */

/* 16 more than the usual window bits asks zlib for gzip's frame. */
static void put_gzipped(struct buf *to, struct text plain)
{
    z_stream stream = { .next_in = (Bytef *)(uintptr_t)plain.data, .avail_in = (uInt)plain.size };
    size_t bound;
    void *room;

    CHECK(deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8,
                       Z_DEFAULT_STRATEGY) == Z_OK);
    bound = deflateBound(&stream, plain.size);
    room = buf_reserve(to, bound);
    if (room) {
        stream.next_out = room;
        stream.avail_out = (uInt)bound;
        CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
        buf_commit(to, bound - stream.avail_out);
    }
    deflateEnd(&stream);
}

void export_pprof(const struct analysis *analysis, struct text title, struct buf *to)
{
    OWN(buf_done) struct buf plain = BUF_INIT(PROTO_SIZE_MAX);
    struct pprof pprof = {
        .analysis = analysis,
        .to = &plain,
        .message = BUF_INIT(PROTO_SIZE_MAX),
        .inner = BUF_INIT(PROTO_SIZE_MAX),
        .stack = BUF_INIT(PROTO_SIZE_MAX),
    };

    frame_table_init(&pprof.texts);
    write_profile(&pprof, title);
    if (plain.failed)
        to->failed = to->failed ? to->failed : plain.failed;
    else
        put_gzipped(to, buf_peek(&plain));
    frame_table_done(&pprof.texts);
    tally_done(&pprof.mappings);
    tally_done(&pprof.functions);
    tally_done(&pprof.locations);
    tally_done(&pprof.samples);
    tally_done(&pprof.kinds);
    free(pprof.costs);
    buf_done(&pprof.message);
    buf_done(&pprof.inner);
    buf_done(&pprof.stack);
}
