/* SPDX-License-Identifier: Apache-2.0 */
/* export_svg.c: a flame graph that stands alone: no script, no font, no style from elsewhere.
 *
 * The root is at the top, children hang below their caller. Width is time. The colour says what
 * most of a box's time was: on a CPU, queued or waiting; of a comparison, whether it became longer
 * or shorter. Names are cut by a fixed width per character of a monospace font; the whole name
 * is in the box's title, which viewers show as a tooltip. */
#include "common/base/check.h"
#include "scheduler/analysis/escape.h"
#include "scheduler/analysis/private.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    WIDTH = 1200,
    MARGIN = 10,
    HEAD = 56, /* title and legend */
    ROW = 18,
    CHARACTER_MILLIPX = 6700, /* of 11 px monospace, a little generously */
    BOX_MILLIPX_MIN = 300,    /* narrower boxes are not drawn, but counted */
    DRAW_MILLIPX = (WIDTH - 2 * MARGIN) * 1000,
};

struct svg {
    const struct analysis *analysis;
    struct buf *to;
    uint64_t whole_ns;
    uint32_t depth_max, hidden_count;
};

/* What a box is drawn by: its time; of a comparison that of both sides. */
static uint64_t box_ns(const struct analysis *analysis, uint32_t node)
{
    uint64_t ns = cost_total(&analysis->tree.nodes[node].total);

    return analysis->is_diff ? ns + cost_total(&analysis->base_total[node]) : ns;
}

static uint64_t to_millipx(const struct svg *svg, uint64_t ns)
{
    return (uint64_t)((double)ns / (double)(svg->whole_ns ? svg->whole_ns : 1) * DRAW_MILLIPX);
}

static void put_px(struct buf *to, uint64_t millipx)
{
    buf_printf(to, "%" PRIu64 ".%" PRIu64, millipx / 1000, millipx / 100 % 10);
}

static const char *diff_class(const struct analysis *analysis, uint32_t node)
{
    uint64_t base = cost_total(&analysis->base_total[node]);
    uint64_t other = cost_total(&analysis->tree.nodes[node].total);

    if (other > base + analysis->noise_ns) return "more";
    if (base > other + analysis->noise_ns) return "less";
    return "same";
}

static const char *box_class(const struct analysis *analysis, uint32_t node)
{
    const struct cost *cost = &analysis->tree.nodes[node].total;
    uint64_t wait_ns = cost_wait(cost);

    if (analysis->is_diff) return diff_class(analysis, node);
    if (wait_ns >= cost->ns[COST_CPU] && wait_ns >= cost->ns[COST_QUEUE]) return "wait";
    return cost->ns[COST_QUEUE] > cost->ns[COST_CPU] ? "queue" : "cpu";
}

static struct text node_name(const struct analysis *analysis, uint32_t node)
{
    uint32_t symbol = analysis->tree.nodes[node].symbol;

    if (node == 0) return TEXT("all");
    return frame_table_text(&analysis->frames, analysis->frames.symbols[symbol].function);
}

static void put_duration(struct buf *to, const char *before, uint64_t ns)
{
    char text[32];

    duration_text(ns, text);
    buf_printf(to, "%s%s", before, text);
}

/* "name (file:line), module: 1.20 s, 52.0 %, 300 ms on a CPU, ..." */
static void put_title(const struct svg *svg, uint32_t node, struct buf *to)
{
    const struct analysis *analysis = svg->analysis;
    const struct node *row = &analysis->tree.nodes[node];

    buf_text(to, TEXT("<title>"));
    escape_xml(to, node_name(analysis, node));
    if (node != 0) {
        const struct shown_frame *frame = &analysis->frames.frames[row->frame];

        if (frame->file != 0) {
            buf_text(to, TEXT("\n"));
            escape_xml(to, frame_table_text(&analysis->frames, frame->file));
            if (frame->line != 0) buf_printf(to, ":%" PRIu32, frame->line);
        }
        if (frame->module != 0) {
            buf_text(to, TEXT("\n"));
            escape_xml(to, frame_table_text(&analysis->frames, frame->module));
        }
    }
    if (analysis->is_diff) {
        put_duration(to, "\nbefore ", cost_total(&analysis->base_total[node]));
        put_duration(to, ", now ", cost_total(&row->total));
    } else {
        put_duration(to, "\n", cost_total(&row->total));
        buf_printf(to, " (%.1f %%)",
                   100.0 * (double)box_ns(analysis, node) /
                       (double)(svg->whole_ns ? svg->whole_ns : 1));
        put_duration(to, "; on a CPU ", row->total.ns[COST_CPU]);
        put_duration(to, ", queued ", row->total.ns[COST_QUEUE]);
        put_duration(to, ", waiting ", cost_wait(&row->total));
        put_duration(to, "; self ", cost_total(&row->self));
    }
    buf_text(to, TEXT("</title>"));
}

static void put_box(struct svg *svg, uint32_t node, uint64_t x_millipx, uint32_t depth)
{
    uint64_t width = to_millipx(svg, box_ns(svg->analysis, node));
    size_t characters = width > 8000 ? (size_t)((width - 6000) / CHARACTER_MILLIPX) : 0;
    uint32_t y = HEAD + depth * ROW;

    buf_text(svg->to, TEXT("<g>"));
    put_title(svg, node, svg->to);
    buf_printf(svg->to, "<rect class=\"%s\" x=\"", box_class(svg->analysis, node));
    put_px(svg->to, x_millipx);
    buf_printf(svg->to, "\" y=\"%" PRIu32 "\" width=\"", y);
    put_px(svg->to, width);
    buf_printf(svg->to, "\" height=\"%d\"/>", ROW - 1);
    if (characters >= 3) {
        OWN(buf_done) struct buf name = BUF_INIT(64 * 1024);

        name_shorten(node_name(svg->analysis, node), characters, &name);
        buf_text(svg->to, TEXT("<text x=\""));
        put_px(svg->to, x_millipx + 3000);
        buf_printf(svg->to, "\" y=\"%" PRIu32 "\">", y + 13);
        escape_xml(svg->to, text_head(buf_peek(&name), characters));
        buf_text(svg->to, TEXT("</text>"));
    }
    buf_text(svg->to, TEXT("</g>\n"));
}

/* Depth first, without recursion. A box begins where its caller does, behind its elder siblings:
 * in nanoseconds, so that no rounding adds up along a row. */
static void walk(struct svg *svg,
                 void (*on_box)(struct svg *svg, uint32_t node, uint64_t x_millipx, uint32_t depth))
{
    const struct node *nodes = svg->analysis->tree.nodes;
    OWN(mem_freep) uint64_t *begins = mem_zalloc(2 * DEPTH_MAX + 1, sizeof *begins);
    uint32_t at = 0, depth = 0;

    for (;;) {
        bool is_drawn = to_millipx(svg, box_ns(svg->analysis, at)) >= BOX_MILLIPX_MIN;

        if (is_drawn)
            on_box(svg, at, MARGIN * 1000 + to_millipx(svg, begins[depth]), depth);
        else
            svg->hidden_count++;
        if (is_drawn && nodes[at].first_child != 0) {
            CHECK(depth < 2 * DEPTH_MAX);
            begins[depth + 1] = begins[depth];
            at = nodes[at].first_child;
            depth++;
            continue;
        }
        while (at != 0 && nodes[at].next == 0) {
            at = nodes[at].parent;
            depth--;
        }
        if (at == 0) return;
        begins[depth] += box_ns(svg->analysis, at);
        at = nodes[at].next;
    }
}

static void measure_box(struct svg *svg, uint32_t node, uint64_t x_millipx, uint32_t depth)
{
    (void)node;
    (void)x_millipx;
    if (depth > svg->depth_max) svg->depth_max = depth;
}

static void put_style(struct buf *to)
{
    buf_text(to, TEXT("<style>\n"
                      "text{font:11px ui-monospace,Menlo,Consolas,monospace;fill:#1b1b1b}\n"
                      ".title{font-size:15px;font-weight:600}\n"
                      ".cpu{fill:#f2a65a}.queue{fill:#f4d35e}.wait{fill:#8fb8de}\n"
                      ".more{fill:#e58a7b}.less{fill:#8fb8de}.same{fill:#d5d5d5}\n"
                      "g:hover rect{stroke:#1b1b1b}\n"
                      "</style>\n"));
}

static void put_legend(const struct svg *svg)
{
    static const char *const plain[][2] = { { "cpu", "mostly on a CPU" },
                                            { "queue", "mostly queued for a CPU" },
                                            { "wait", "mostly waiting" } };
    static const char *const diff[][2] = { { "more", "longer than before" },
                                           { "less", "shorter than before" },
                                           { "same", "no difference beyond one interval" } };
    int x = MARGIN;

    for (int i = 0; i < 3; i++) {
        const char *const *entry = svg->analysis->is_diff ? diff[i] : plain[i];

        buf_printf(svg->to,
                   "<rect class=\"%s\" x=\"%d\" y=\"34\" width=\"12\" height=\"12\"/>"
                   "<text x=\"%d\" y=\"44\">%s</text>\n",
                   entry[0], x, x + 18, entry[1]);
        x += 220;
    }
    if (svg->hidden_count > 0)
        buf_printf(svg->to,
                   "<text x=\"%d\" y=\"44\">%" PRIu32 " narrower than 0.3 px not drawn"
                   "</text>\n",
                   x, svg->hidden_count);
}

void export_svg(const struct analysis *analysis, struct text title, struct buf *to)
{
    struct svg svg = { .analysis = analysis, .to = to, .whole_ns = box_ns(analysis, 0) };
    uint32_t height;

    walk(&svg, measure_box);
    height = HEAD + (svg.depth_max + 1) * ROW + MARGIN;
    buf_printf(to,
               "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
               "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%" PRIu32
               "\" viewBox=\"0 0 %d %" PRIu32 "\" role=\"img\">\n",
               WIDTH, height, WIDTH, height);
    put_style(to);
    buf_text(to, TEXT("<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
                      "<text class=\"title\" x=\"10\" y=\"22\">"));
    escape_xml(to, text_head(title, 140));
    buf_text(to, TEXT("</text>\n"));
    put_legend(&svg);
    walk(&svg, put_box);
    buf_text(to, TEXT("</svg>\n"));
}
