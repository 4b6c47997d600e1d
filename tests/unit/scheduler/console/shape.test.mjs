/* SPDX-License-Identifier: Apache-2.0 */
/* shape.test.mjs: whatever a tree is made into, the sums over its snapshots stay what they are. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Analysis } from '../../../../scheduler/console/graph/model.js';
import { hot_path, hot_spots, outermost, sandwich, stem_length, tree_shape }
    from '../../../../scheduler/console/graph/shape.js';
import { made_analysis, random_new, time_with } from './made_analysis.mjs';

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];

function scene(seed) {
    const json = made_analysis({ seed, functions: 7 });
    const analysis = new Analysis(json);
    const names = (stack) => stack.map((frame) => analysis.symbol_of[frame]);

    return { json, analysis, tree: analysis.whole(), names, random: random_new(seed) };
}

function paths_of(tree) {
    const found = new Map();

    for (let i = 0; i < tree.count; i++)
        found.set(tree.path(i).map((at) => tree.symbol[at]).join(), tree.time[i]);
    return found;
}

/* A tree as a map from path to time, of the stacks after `change` (null: left out). */
function naive(json, names, change) {
    const found = new Map();

    for (const moment of json.timeline) {
        const stack = change(names(moment.stack.slice().reverse()));
        if (!stack) continue;
        for (let size = 0; size <= stack.length; size++) {
            const key = stack.slice(0, size).join();
            found.set(key, (found.get(key) ?? 0) + Math.round(moment.for_ms * 1e6));
        }
    }
    return found;
}

test('hiding functions merges them into their callers, and counts them', () => {
    for (const seed of SEEDS) {
        const { json, tree, names, random } = scene(seed);
        const is_hidden = Uint8Array.from({ length: 7 }, () => (random(3) === 0 ? 1 : 0));
        const shaped = tree_shape(tree, { is_hidden });
        const wanted = naive(json, names, (stack) => stack.filter((symbol) => !is_hidden[symbol]));

        assert.deepEqual(paths_of(shaped.tree), wanted);
        assert.equal(shaped.hidden,
            tree.symbol.subarray(1).filter((symbol) => is_hidden[symbol]).length);
        assert.equal(shaped.tree.time[0], tree.time[0]);
        for (let i = 1; i < tree.count; i++)
            if (!is_hidden[tree.symbol[i]])
                assert.equal(shaped.tree.symbol[shaped.of[i]], tree.symbol[i]);
    }
});

test('recursion folds to one frame', () => {
    for (const seed of SEEDS) {
        const { json, tree, names } = scene(seed);
        const shaped = tree_shape(tree, { folds_recursion: true });
        const wanted = naive(json, names, (stack) =>
            stack.filter((symbol, i) => i === 0 || symbol !== stack[i - 1]));

        assert.deepEqual(paths_of(shaped.tree), wanted);
    }
});

test('focus shows a node and what is below, hidden functions within it hidden', () => {
    for (const seed of SEEDS) {
        const { json, tree, names, random } = scene(seed);
        const focus = 1 + random(tree.count - 1);
        const path = tree.path(focus).map((at) => tree.symbol[at]);
        const is_hidden = Uint8Array.from({ length: 7 }, (_, i) =>
            i !== tree.symbol[focus] && random(3) === 0 ? 1 : 0);
        const shaped = tree_shape(tree, { focus, is_hidden });
        const wanted = naive(json, names, (stack) =>
            path.every((symbol, i) => stack[i] === symbol)
                ? stack.slice(path.length - 1).filter((symbol) => !is_hidden[symbol]) : null);

        assert.deepEqual(paths_of(shaped.tree), wanted);
        assert.equal(shaped.outside, tree.count - 1 - (tree.end[focus] - focus));
        assert.equal(shaped.of[0], 0);
    }
});

test("a sandwich holds a function's time once, above it and below it", () => {
    for (const seed of SEEDS) {
        const { json, tree, names } = scene(seed);

        for (const symbol of new Set(tree.symbol.subarray(1))) {
            const { places, time, callers, callees } = sandwich(tree, symbol);

            assert.equal(time, time_with(json, (stack) => names(stack).includes(symbol)));
            assert.equal(callers.time[0], time);
            assert.equal(callees.time[0], time);
            assert.equal(places, outermost(tree, (other) => other === symbol).length);
            assert.deepEqual(paths_of(callees), naive(json, names, (stack) =>
                stack.includes(symbol) ? stack.slice(stack.indexOf(symbol)) : null));
            assert.deepEqual(paths_of(callers), naive(json, names, (stack) =>
                stack.includes(symbol)
                    ? stack.slice(0, stack.indexOf(symbol) + 1).reverse() : null));
        }
    }
});

test('a hot spot counts the snapshots that it is in, its own those that it is innermost in', () => {
    for (const seed of SEEDS) {
        const { json, analysis, tree, names } = scene(seed);

        for (const group_of of [(symbol) => symbol, (symbol) => analysis.symbols[symbol].module]) {
            const rows = hot_spots(tree, group_of);
            const own = rows.reduce((sum, row) => sum + row.self, 0);

            assert.equal(own, tree.time[0]);
            for (const row of rows) {
                assert.equal(row.time, time_with(json, (stack) =>
                    names(stack).some((symbol) => group_of(symbol) === row.key)));
                assert.equal(row.self, time_with(json, (stack) =>
                    group_of(names(stack).at(-1)) === row.key));
            }
        }
    }
});

test('the hot path goes on while a child holds half of its parent', () => {
    for (const seed of SEEDS) {
        const { tree } = scene(seed);
        let at = 0;

        for (const node of hot_path(tree)) {
            assert.equal(tree.parent[node], at);
            assert.ok(tree.time[node] * 2 >= tree.time[at]);
            at = node;
        }
        for (const child of tree.children(at)) assert.ok(tree.time[child] * 2 < tree.time[at]);
    }
});

test('the stem ends at the first fork, or where time is spent', () => {
    const stacks = (...lists) => {
        const frames = ['a', 'b', 'c', 'd'].map((name) => ({ kind: 'native', function: name,
            class: null, module: 'm', file: null }));
        const analysis = new Analysis({ elapsed_ms: 9, listened_ms: 9, frames,
            tree: { frame: null, total_ms: 0, cpu_ms: 0, queue_ms: 0, count: 0, children: [] },
            timeline: lists.map((list, i) => ({ at_ms: i, for_ms: 1, cpu_ms: 1, queue_ms: 0,
                stack: [...list].reverse().map((name) => 'abcd'.indexOf(name)) })) });
        return stem_length(analysis.range(0, lists.length));
    };

    assert.equal(stacks('abc', 'abd'), 2);
    assert.equal(stacks('abc', 'abc'), 3);
    assert.equal(stacks('ab', 'abc'), 2);
    assert.equal(stacks('a', 'b'), 0);
});
