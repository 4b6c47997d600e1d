/* SPDX-License-Identifier: Apache-2.0 */
/* compare.test.mjs: widths add up, noise is no difference, and the pointer hits what it is on. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { box_at, comparison_scale, difference_at, difference_step, tree_lay_out, widths_of }
    from '../../../../scheduler/console/graph/compare.js';
import { Analysis } from '../../../../scheduler/console/graph/model.js';
import { made_analysis, random_new } from './made_analysis.mjs';

function compared(base_ms, other_ms) {
    const frame = (name) => ({ kind: 'native', function: name, class: null, module: 'm',
        file: null });
    const names = Object.keys(base_ms);
    const row = (index, base, other, children = []) => ({ frame: index, total_ms: other, self_ms: 0,
        cpu_ms: other, queue_ms: 0, wait_ms: 0, waits_ms: {}, base_ms: base, count: 1, children });
    const sum = (of) => Object.values(of).reduce((all, one) => all + one, 0);
    const analysis = new Analysis({ elapsed_ms: 1, listened_ms: 1, timeline: [],
        base: { frequency_ms: 10 }, other: { frequency_ms: 20 }, noise_ms: 20,
            frames: names.map(frame),
        tree: row(null, sum(base_ms), sum(other_ms),
            names.map((name, i) => row(i, base_ms[name], other_ms[name]))) });
    const tree = analysis.whole();
    const node = Object.fromEntries(tree.children(0)
        .map((at) => [analysis.symbols[tree.symbol[at]].name, at]));

    return { analysis, tree, node };
}

test('a difference is noise up to two snapshots of the coarser side, or 1 % of the larger', () => {
    const { analysis, tree, node } = compared({ a: 1000, b: 60, c: 500 },
        { a: 1000, b: 100, c: 459 });
    const scale = comparison_scale(analysis, tree, 'time');

    assert.equal(scale.floor, 40e6);
    const step = (name) => difference_step(difference_at(tree, node[name], scale), scale);
    assert.deepEqual(['a', 'b', 'c'].map(step), [0, 0, -1]);

    const large = compared({ a: 10000 }, { a: 10099 });
    assert.equal(comparison_scale(large.analysis, large.tree, 'time').floor, 100.99e6);
});

test('further steps are at 5 % and 15 % of the larger whole', () => {
    const scale = { floor: 10, unit: 1000 };

    assert.deepEqual([10, 11, 50, 51, 150, 151].map((by) => difference_step(by, scale)),
        [0, 1, 1, 2, 2, 3]);
    assert.deepEqual([-10, -11, -51, -151].map((by) => difference_step(by, scale)),
        [0, -1, -2, -3]);
});

test('by share a call that took twice as long in the same way differs nowhere', () => {
    const { analysis, tree, node } = compared({ a: 4000, b: 6000 }, { a: 8000, b: 12000 });
    const scale = comparison_scale(analysis, tree, 'share');

    for (const name of ['a', 'b']) assert.equal(difference_at(tree, node[name], scale), 0);
    assert.equal(widths_of(tree, scale)[0], 1);
});

test('what is new and what is gone have a width, and widths add up', () => {
    for (const by of ['time', 'share']) {
        const { analysis, tree, node } = compared({ gone: 500, stays: 500 },
            { new: 0, stays: 300 });
        assert.equal(node.new, undefined);
        const both = compared({ gone: 500, fresh: 0, stays: 500 },
            { gone: 0, fresh: 700, stays: 300 });
        const scale = comparison_scale(both.analysis, both.tree, by);
        const widths = widths_of(both.tree, scale);
        const sum = both.tree.children(0).reduce((all, child) => all + widths[child], 0);

        assert.ok(widths[both.node.gone] > 0 && widths[both.node.fresh] > 0);
        assert.ok(Math.abs(sum - widths[0]) < 1e-6 * widths[0]);
        assert.ok(analysis && tree);
    }
});

test('neighbours touch and never overlap, within their parent', () => {
    for (let seed = 1; seed <= 8; seed++) {
        const tree = new Analysis(made_analysis({ seed })).whole();
        const { left, right, whole } = tree_lay_out(tree, tree.time);

        assert.equal(whole, tree.time[0]);
        for (let i = 0; i < tree.count; i++) {
            let at = left[i];
            for (const child of tree.children(i)) {
                assert.equal(left[child], at);
                at = right[child];
            }
            assert.ok(at <= right[i]);
        }
    }
});

test('a hit is the box that is there, or the nearest within the slack', () => {
    for (let seed = 1; seed <= 8; seed++) {
        const tree = new Analysis(made_analysis({ seed, snapshots: 200 })).whole();
        const layout = tree_lay_out(tree, tree.time);
        const random = random_new(seed);
        const { starts, nodes } = tree.rows();

        for (let round = 0; round < 300; round++) {
            const depth = random(tree.depth_max + 1);
            const x = random(1e6) / 1e6 * layout.whole;
            const slack = random(3) * layout.whole / 100;
            const row = [...nodes.subarray(starts[depth], starts[depth + 1])];
            const away = (node) => Math.max(0, layout.left[node] - x, x - layout.right[node]);
            const found = box_at(tree, layout, depth, x, slack);
            const inside = row.find((node) => layout.left[node] <= x && x < layout.right[node]);

            if (inside !== undefined) assert.equal(found, inside);
            else {
                const nearest = Math.min(...row.map(away));
                if (nearest > slack) assert.equal(found, -1);
                else assert.equal(away(found), nearest);
            }
        }
    }
});
