/* SPDX-License-Identifier: Apache-2.0 */
/* paint.js: boxes as rows of pixels.
 *
 * Boxes are not drawn. Per row of boxes one row of pixels is written (fill, left edge, gap), all
 * rows are put on a small canvas at once, and that is stretched to the height of the rows by one
 * drawImage without smoothing; then the gaps between rows are drawn, then the text. With 50,000
 * boxes in view this is five times as fast as a fillRect for each.
 *
 * What is narrower than a device pixel is merged with its neighbours into a run of at least two
 * pixels in the edge colour; runs are counted, and kept for the pointer.
 *
 * INVARIANT: a box's sides are rounded from its absolute place, so neighbours neither overlap nor
 * drift. */
import { BASE, STRIDE } from './model.js';

const GAP_FROM = 3; /* CSS pixels from which one stays free at the right */
const EDGE_FROM = 6;
const EDGE_WIDTH = 2;
const RUN_WIDTH = 2;
export const FOOT_HEIGHT = 5;

/* The canvas of rows of pixels; made bigger, never smaller. */
export class Pixels {
    constructor() {
        this.canvas = document.createElement('canvas');
        this.context = this.canvas.getContext('2d', { alpha: true });
        this.width = 0;
        this.height = 0;
    }

    resize(width, height) {
        if (width === this.width && height <= this.height) return;
        this.width = width;
        this.height = Math.max(height, 1);
        this.canvas.width = width;
        this.canvas.height = this.height;
        this.image = this.context.createImageData(width, this.height);
        this.row_words = new Uint32Array(this.image.data.buffer);
    }

    clear(pixel, height) {
        this.row_words.fill(pixel, 0, this.width * height);
    }

    put(height) {
        this.context.putImageData(this.image, 0, 0, 0, 0, this.width, height);
    }
}

/* The first node of a row whose right side is beyond x. */
function first_beyond(nodes, from, to, right, x) {
    while (from < to) {
        const middle = (from + to) >> 1;

        if (right[nodes[middle]] <= x) from = middle + 1;
        else to = middle;
    }
    return from;
}

/* Paints rows `first` to `last` of a graph. `graph` is what is drawn: {tree, layout, kinds, of,
 * matches (by symbol, or null), dimmed (all kinds but this one, or null), zoomed (a node, or -1),
 * palette}; `frame` where: {width in device pixels, ratio, from, until (of the layout), depth_of
 * (row -> depth)}. Returns {boxes: node, row, left, right of each, runs, narrow_count, narrow_time,
 * has_feet}. */
export function rows_paint(pixels, feet, graph, frame, first, last) {
    const painted = { boxes: [], runs: [], narrow_count: 0, narrow_time: 0,
        has_feet: graph.matches !== null || graph.kinds.some((kind) => kind.is_mixed) };
    const count = last - first;

    pixels.resize(frame.width, Math.max(count, 1));
    feet.resize(frame.width, Math.max(count, 1));
    pixels.clear(graph.palette.surface_pixel, count);
    feet.clear(0, count);
    for (let row = 0; row < count; row++)
        row_paint({ pixels, feet, graph, frame, painted }, row, frame.depth_of(first + row));
    pixels.put(count);
    if (painted.has_feet) feet.put(count);
    return painted;
}

function row_paint({ pixels, feet, graph, frame, painted }, row, depth) {
    const { tree, layout } = graph;
    const { starts, nodes } = tree.rows();
    const scale = frame.width / (frame.until - frame.from);
    const end = starts[depth + 1];
    let first_run = painted.runs.length;
    let run = null;
    let at = first_beyond(nodes, starts[depth], end, layout.right, frame.from);

    for (; at < end; at++) {
        const node = nodes[at];
        if (layout.left[node] >= frame.until) break;

        const left = Math.max(0, Math.round((layout.left[node] - frame.from) * scale));
        const right = Math.min(frame.width, Math.round((layout.right[node] - frame.from) * scale));

        if ((layout.right[node] - layout.left[node]) * scale < 1) {
            run = run_extend(run, painted, graph, scale, { row, node, left, right });
            continue;
        }
        run = null;
        box_pixels(pixels, feet, graph, frame, row, node, left, right);
        painted.boxes.push(node, row, left, right);
    }
    for (; first_run < painted.runs.length; first_run++)
        run_pixels(pixels, graph, row, painted.runs[first_run]);
}

/* A run goes on while its next node begins where it ends, give or take a pixel. Its time counts
 * towards the whole once: where what is above it is not narrow, too. */
function run_extend(run, painted, { tree, layout }, scale, { row, node, left, right }) {
    const above = tree.parent[node];

    if (!run || left > run.right + 1) {
        run = { row, left, right: left + RUN_WIDTH, count: 0, time: 0, first: node, last: node };
        painted.runs.push(run);
    }
    if (right > run.right) run.right = right;
    run.last = node;
    run.count++;
    run.time += tree.time[node];
    painted.narrow_count++;
    if ((layout.right[above] - layout.left[above]) * scale >= 1)
        painted.narrow_time += tree.time[node];
    return run;
}

function run_pixels(pixels, { palette }, row, run) {
    const begin = row * pixels.width;

    pixels.row_words.fill(palette.edge_pixel, begin + run.left,
        begin + Math.min(run.right, pixels.width));
}

/* What a search does not find, what the legend does not point at, and the callers of what is zoomed
 * to step back. */
export function is_off({ of, matches, dimmed, zoomed, tree }, node) {
    if (matches) return !matches[tree.symbol[node]];
    if (dimmed !== null && of[node] !== dimmed) return true;
    return zoomed > node && zoomed < tree.end[node];
}

function fill_of(graph, node) {
    return is_off(graph, node) ? graph.palette.sunken_pixel
                               : graph.kinds[graph.of[node]].fill_pixel;
}

function box_pixels(pixels, feet, graph, frame, row, node, left, right) {
    const { ratio } = frame;
    const width = right - left;
    const gap = width >= GAP_FROM * ratio ? Math.max(1, Math.round(ratio)) : 0;
    const begin = row * pixels.width;
    const kind = graph.kinds[graph.of[node]];

    pixels.row_words.fill(fill_of(graph, node), begin + left, begin + right - gap);
    if (width >= EDGE_FROM * ratio && left > 0)
        pixels.row_words.fill(kind.edge_pixel, begin + left,
            begin + left + Math.round(EDGE_WIDTH * ratio));
    if (graph.matches?.[graph.tree.symbol[node]])
        feet.row_words.fill(graph.palette.match_pixel, begin + left, begin + right - gap);
    else if (kind.is_mixed && width >= GAP_FROM * ratio && !graph.matches)
        band_pixels(feet, graph, node, begin, left, right - gap);
}

/* A band at the foot, split by states. */
function band_pixels(feet, { tree, palette }, node, begin, left, right) {
    let sum = 0;
    let at = left;

    for (let part = 0; part < BASE; part++) {
        sum += tree.total[node * STRIDE + part];
        const until = left + Math.round(((right - left) * sum) / tree.time[node]);
        if (until > at)
            feet.row_words.fill(palette.states[part].strong_pixel, begin + at, begin + until);
        at = Math.max(at, until);
    }
}

/* Stretches the rows of pixels to where they belong: `top` is of the first row, in device pixels;
 * `is_flame` has the first row at the bottom. */
export function rows_stretch(context, pixels, feet, options) {
    const { count, top, pitch, ratio, is_flame, ground, has_feet } = options;
    const { width } = pixels;
    const gap = Math.max(1, Math.round(ratio));
    const foot = Math.min(Math.round(FOOT_HEIGHT * ratio), pitch - gap);

    if (count <= 0) return;
    context.imageSmoothingEnabled = false;
    if (is_flame) {
        context.save();
        context.translate(0, top + pitch);
        context.scale(1, -1);
        context.drawImage(pixels.canvas, 0, 0, width, count, 0, 0, width, count * pitch);
        context.restore();
    } else {
        context.drawImage(pixels.canvas, 0, 0, width, count, 0, top, width, count * pitch);
    }
    context.fillStyle = ground;
    for (let row = 0; row < count; row++) {
        const y = is_flame ? top - row * pitch : top + row * pitch;

        if (has_feet)
            context.drawImage(feet.canvas, 0, row, width, 1, 0, y + pitch - gap - foot, width,
                foot);
        context.fillRect(0, y + pitch - gap, width, gap);
    }
}
