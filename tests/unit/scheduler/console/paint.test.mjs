/* SPDX-License-Identifier: Apache-2.0 */
/* paint.test.mjs: each pixel is of the box that is there, and what is not drawn is counted. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { tree_lay_out } from '../../../../scheduler/console/graph/compare.js';
import { Analysis } from '../../../../scheduler/console/graph/model.js';
import { rows_paint } from '../../../../scheduler/console/graph/paint.js';
import { boxes_of_depth, snapshot_at } from '../../../../scheduler/console/graph/timeline.js';
import { made_analysis, random_new } from './made_analysis.mjs';

const GROUND = 1;
const EDGE = 2;
const FILL = 100;

/* Pixels without a canvas. */
function pixels_new() {
    return { width: 0, put() {}, resize(width, height) {
        this.width = width;
        this.row_words = new Uint32Array(width * height);
    }, clear(pixel) {
        this.row_words.fill(pixel);
    } };
}

function scene(seed, snapshots) {
    const analysis = new Analysis(made_analysis({ seed, snapshots, functions: 40 }));
    const tree = analysis.whole();
    const kinds = [0, 1, 2].map((i) => ({ fill_pixel: FILL + i, edge_pixel: EDGE }));
    const graph = { tree, layout: tree_lay_out(tree, tree.time), kinds, matches: null, dimmed: null,
        zoomed: -1, of: Uint8Array.from(tree.symbol, (symbol) => Math.abs(symbol) % 3),
        palette: { surface_pixel: GROUND, edge_pixel: EDGE, match_pixel: 5, sunken_pixel: 6,
            states: [] } };

    return { tree, graph };
}

test('a pixel has the colour of the box that holds its middle, or is of a gap, an edge or a run',
    () => {
    for (let seed = 1; seed <= 6; seed++) {
        const { tree, graph } = scene(seed, 60);
        const { left, right, whole } = graph.layout;
        const pixels = pixels_new();
        const width = 700;

        rows_paint(pixels, pixels_new(), graph, { width, ratio: 1, from: 0, until: whole,
            depth_of: (row) => row }, 0, tree.depth_max + 1);
        const { starts, nodes } = tree.rows();
        for (let depth = 0; depth <= tree.depth_max; depth++)
            for (let x = 0; x < width; x++) {
                const at = ((x + 0.5) / width) * whole;
                const node = nodes.subarray(starts[depth], starts[depth + 1])
                    .find((one) => left[one] <= at && at < right[one]);
                const pixel = pixels.row_words[depth * width + x];

                if (node === undefined) assert.ok(pixel === GROUND || pixel === EDGE);
                else assert.ok([FILL + graph.of[node], EDGE, GROUND].includes(pixel));
            }
    }
});

test('every frame of a window is a box or in a run, once', () => {
    for (let seed = 1; seed <= 6; seed++) {
        const { tree, graph } = scene(seed, 400);
        const { left, right, whole } = graph.layout;
        const random = random_new(seed);

        for (let round = 0; round < 5; round++) {
            const from = round === 0 ? 0 : (random(900) / 1000) * whole;
            const until = round === 0 ? whole : from + whole / (2 + random(20));
            const painted = rows_paint(pixels_new(), pixels_new(), graph,
                { width: 300, ratio: 1, from,
                until, depth_of: (row) => row }, 0, tree.depth_max + 1);
            let visible = 0;

            for (let i = 0; i < tree.count; i++) if (right[i] > from && left[i] < until) visible++;
            assert.equal(painted.boxes.length / 4 + painted.narrow_count, visible);
            assert.equal(painted.runs.reduce((sum, run) => sum + run.count, 0),
                painted.narrow_count);
            const to_pixel = (x) => Math.min(300, Math.round(((x - from) / (until - from)) * 300));
            for (const run of painted.runs) {
                assert.ok(run.right - run.left >= 2);
                assert.ok(run.right >= to_pixel(right[run.last]));
            }
            assert.ok(painted.narrow_time <= tree.time[0]);
        }
    }
});

test('the time of what is narrow counts once, however deep it is', () => {
    const { tree, graph } = scene(1, 400);
    const { whole, left, right } = graph.layout;
    const width = 200;
    const painted = rows_paint(pixels_new(), pixels_new(), graph, { width, ratio: 1, from: 0,
        until: whole, depth_of: (row) => row }, 0, tree.depth_max + 1);
    const is_narrow = (node) => (right[node] - left[node]) * width / whole < 1;
    let sum = 0;

    for (let i = 1; i < tree.count; i++)
        if (is_narrow(i) && !is_narrow(tree.parent[i])) sum += tree.time[i];
    assert.ok(painted.narrow_count > 100);
    assert.equal(painted.narrow_time, sum);
});

test('the snapshot of a time is the last that had begun', () => {
    const snapshots = { count: 4, at: [10, 20, 40, 41] };

    assert.deepEqual([0, 10, 19, 20, 40, 40.5, 41, 99].map((ns) => snapshot_at(snapshots, ns)),
        [0, 0, 0, 1, 2, 2, 3, 3]);
});

test('equal frames of neighbours are one box, and end where their caller does', () => {
    const paths = [[1, 2], [1, 2], [1, 3], [4, 5], [1, 2], [1]];

    assert.deepEqual(boxes_of_depth(6, (i) => paths[i], 0), [[0, 2, 1], [3, 3, 4], [4, 5, 1]]);
    assert.deepEqual(boxes_of_depth(6, (i) => paths[i], 1),
        [[0, 1, 2], [2, 2, 3], [3, 3, 5], [4, 4, 2]]);
    assert.deepEqual(boxes_of_depth(3, (i) => [[1, 2], [1], [1, 2]][i], 1), [[0, 0, 2], [2, 2, 2]]);
});
