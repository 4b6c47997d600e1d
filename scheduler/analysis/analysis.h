/* SPDX-License-Identifier: Apache-2.0 */
/* analysis.h: what the snapshots of slow calls say: call tree, timeline, hot spots, waiting.
 *
 *     struct analysis *analysis = analysis_new(samples, symbols, count);
 *     ... analysis_export(analysis, EXPORT_JSON, &buf) ...
 *     analysis_free(analysis);
 *
 * Pure: no I/O, no clock. Times are exact: the root's total is the samples' listened time, to
 * the nanosecond, and every node's total is its self time and its children's totals. Shown
 * milliseconds are fractions, so that they add up too.
 *
 * A frame of a sample is first expanded by what the symbol worker said of it: one native frame
 * becomes its inlined functions and itself. Frames merge in the tree by kind, function, class and
 * module; each frame of the timeline keeps its own line. */
#ifndef STAKEOUT_SCHEDULER_ANALYSIS_ANALYSIS_H
#define STAKEOUT_SCHEDULER_ANALYSIS_ANALYSIS_H

#include "common/base/buf.h"
#include "common/model/sample.h"

/* What one instruction of a module means in the source: innermost (inlined) first. Texts live as
 * long as the symbols that hold them; empty: unknown. */
struct source_location {
    struct text function; /* demangled */
    struct text file;
    uint32_t line;
    bool is_inlined; /* into the next one */
};

/* The locations of each frame of one sample, by frame index. A frame with count 0 is shown as
 * the sample names it. Texts of what was waited for, by string index, where they read better than
 * the sample's own (C++ names in them are demangled); empty ones do not. Owned by whoever
 * resolved them (scheduler/symbols). */
struct sample_symbols {
    struct frame_symbols {
        const struct source_location *locations;
        uint32_t count;
    } * frames;
    uint32_t frame_count;
    struct text *strings; /* may be NULL */
    uint32_t string_count;
    uint32_t unanswered_count; /* frames whose question got no answer: the worker died or hung */
};

struct analysis;

/* symbols may be NULL, as may be each symbols[i]. The samples are only read, and not needed
 * afterwards. Never fails (bounded input); the caller frees. */
struct analysis *analysis_new(const struct sample *const *samples,
                              const struct sample_symbols *const *symbols, size_t count);
struct analysis *analysis_free(struct analysis *analysis);

/* `other` against `base`: nodes carry base_ms and other_ms, per call (means). */
struct analysis *analysis_diff(const struct analysis *base, const struct analysis *other);

#define EXPORTS(X)                                                     \
    X(JSON, "json", "application/json", "json")                        \
    X(FOLDED, "folded", "text/plain; charset=utf-8", "folded")         \
    X(SPEEDSCOPE, "speedscope", "application/json", "speedscope.json") \
    X(PPROF, "pprof", "application/octet-stream", "pb.gz")             \
    X(SVG, "svg", "image/svg+xml", "svg")

enum export_format {
#define EXPORT_ENUM(name, slug, type, suffix) EXPORT_##name,
    EXPORTS(EXPORT_ENUM)
#undef EXPORT_ENUM
        EXPORT_COUNT
};

int export_format_parse(struct text slug, enum export_format *ret); /* 0 or -EINVAL */
const char *export_format_slug(enum export_format format);
const char *export_format_type(enum export_format format);   /* of HTTP */
const char *export_format_suffix(enum export_format format); /* of a file's name */

/* `title` heads the exports that have a heading. 0, or -ENOBUFS past the buffer's bound. Of a
 * diff only JSON and SVG exist: -EOPNOTSUPP. */
int analysis_export(const struct analysis *analysis, enum export_format format, struct text title,
                    struct buf *to);

#endif
