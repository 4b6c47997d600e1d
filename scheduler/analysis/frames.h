/* SPDX-License-Identifier: Apache-2.0 */
/* frames.h: the frames of an analysis, each once, and what they merge by.
 *
 *     frame    what a snapshot shows: function, file, line, module, offset
 *     place    function and line: what the hot list by line merges by
 *     symbol   kind, function, class, module: what the tree and the hot list merge by
 *
 * A frame knows its place, a place its symbol; both know the first frame that had them. Texts
 * are copies, valid UTF-8 (what is not is replaced), each kept once; number 0 is the empty text,
 * which means unknown. Everything lives as long as the table. */
#ifndef STAKEOUT_SCHEDULER_ANALYSIS_FRAMES_H
#define STAKEOUT_SCHEDULER_ANALYSIS_FRAMES_H

#include "common/model/call_stack.h"
#include "scheduler/analysis/analysis.h"
#include "scheduler/analysis/hash_index.h"

struct strings {
    struct text *texts;
    uint32_t count, capacity;
    struct hash_index index;
};

struct shown_frame {
    uint32_t kind;                                               /* enum frame_kind */
    uint32_t function, class_name, module, build_id, file, line; /* texts; build_id in hex */
    uint32_t count; /* of a marker: the frames that it stands for */
    uint32_t is_inlined;
    uint32_t place;
    uint64_t offset; /* native */
};

struct frame_table {
    struct strings strings;
    struct shown_frame *frames;
    struct shown_place {
        uint32_t symbol, file, line;
        uint32_t frame; /* the first that had it */
    } * places;
    struct shown_symbol {
        uint32_t kind, function, class_name, module;
        uint32_t frame;
    } * symbols;
    uint32_t frame_count, place_count, symbol_count;
    uint32_t frame_capacity, place_capacity, symbol_capacity;
    struct hash_index frame_index, place_index, symbol_index;
};

void frame_table_init(struct frame_table *table);
void frame_table_done(struct frame_table *table);

uint32_t frame_table_string(struct frame_table *table, struct text text);
struct text frame_table_text(const struct frame_table *table, uint32_t string);

/* Adds a frame, or finds it. Its `place` is filled in here. */
uint32_t frame_table_add(struct frame_table *table, struct shown_frame frame);

/* The same frame of another table, added to this one. */
uint32_t frame_table_import(struct frame_table *table, const struct frame_table *from,
                            uint32_t frame);

static inline uint32_t frame_symbol(const struct frame_table *table, uint32_t frame)
{
    return table->places[table->frames[frame].place].symbol;
}

/* One frame of a sample, expanded: itself and what was inlined into it, innermost first. */
struct expansion {
    uint32_t first, count; /* into expansions.frames */
};

struct expansions {
    struct expansion *of; /* by frame of the sample */
    uint32_t *frames;     /* of the frame table */
    uint32_t frame_count, frame_capacity;
};

/* Expands all frames of a sample. `symbols` may be NULL. */
void expansions_init(struct expansions *expansions, struct frame_table *table,
                     const struct sample *sample, const struct sample_symbols *symbols);
void expansions_done(struct expansions *expansions);

/* "c", "c++", "rust", ... or NULL where it cannot be told. */
const char *frame_language(const struct frame_table *table, const struct shown_frame *frame);

/* What comes after the last '/'. */
struct text text_base_name(struct text path);

#endif
