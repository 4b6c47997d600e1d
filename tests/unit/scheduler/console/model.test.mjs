/* SPDX-License-Identifier: Apache-2.0 */
/* model.test.mjs: times add up, trees are what sums over snapshots say, links outlive a tree. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Analysis, BASE, PARTS, STRIDE, path_find, path_hashes, path_name }
    from '../../../../scheduler/console/graph/model.js';
import { made_analysis, random_new, time_with } from './made_analysis.mjs';

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];

function assert_adds_up(tree) {
    for (let i = 0; i < tree.count; i++) {
        const children = tree.children(i);
        const below = children.reduce((sum, child) => sum + tree.time[child], 0);

        assert.equal(tree.own[i] + below, tree.time[i]);
        for (let part = 0; part < STRIDE; part++)
            assert.equal(children.reduce((sum, c) => sum + tree.total[c * STRIDE + part],
                tree.self[i * STRIDE + part]), tree.total[i * STRIDE + part]);
        assert.equal(tree.self_met[i] + children.reduce((sum, c) => sum + tree.met[c], 0),
            tree.met[i]);
        for (const child of children) {
            assert.equal(tree.parent[child], i);
            assert.equal(tree.depth[child], tree.depth[i] + 1);
            assert.ok(tree.end[child] <= tree.end[i]);
        }
    }
}

/* The function names from the root to a node, as one text. */
function path_text(analysis, tree, node) {
    return tree.path(node).map((at) => analysis.symbols[tree.symbol[at]].name).join(' > ');
}

function stack_text(json, stack) {
    return stack.map((frame) => json.frames[frame].function).join(' > ');
}

test("a tree's times add up, for each part, and the root's is what was listened", () => {
    for (const seed of SEEDS) {
        const json = made_analysis({ seed });
        const tree = new Analysis(json).whole();

        assert_adds_up(tree);
        assert.equal(tree.time[0], Math.round(json.listened_ms * 1e6));
        assert.equal(tree.met[0], json.snapshots);
    }
});

test('each node has the time of the snapshots that are below it, in the range as in the whole',
    () => {
    for (const seed of SEEDS) {
        const json = made_analysis({ seed, functions: 6 });
        const analysis = new Analysis(json);
        const random = random_new(seed);

        for (let round = 0; round < 5; round++) {
            const from = random(50);
            const to = round === 0 ? 50 : from + random(51 - from);
            const first = round === 0 ? 0 : from;
            const tree = analysis.range(first, to);

            assert_adds_up(tree);
            assert.equal(tree.time[0], time_with(json, () => true, first, to));
            for (let i = 1; i < tree.count; i++) {
                const path = path_text(analysis, tree, i) + ' > ';
                const sum = time_with(json, (stack) =>
                    (stack_text(json, stack) + ' > ').startsWith(path), first, to);
                assert.equal(tree.time[i], sum);
            }
        }
    }
});

test('the tree of all snapshots is the tree that the API gave', () => {
    for (const seed of SEEDS) {
        const analysis = new Analysis(made_analysis({ seed }));
        const whole = analysis.whole();
        const range = analysis.range(0, 50);

        for (const column of ['parent', 'symbol', 'time', 'own', 'met', 'end', 'total'])
            assert.deepEqual(range[column], whole[column], column);
    }
});

test('children stand heaviest first; of a comparison, by name', () => {
    const json = made_analysis({ seed: 3, snapshots: 400, functions: 12 });
    const tree = new Analysis(json).whole();
    const compared = new Analysis({ ...json, base: {}, other: {} });
    const by_name = compared.whole();

    for (let i = 0; i < tree.count; i++) {
        const times = tree.children(i).map((child) => tree.time[child]);
        assert.deepEqual(times, times.slice().sort((a, b) => b - a));
    }
    for (let i = 0; i < by_name.count; i++) {
        const names = by_name.children(i).map((child) =>
            compared.symbols[by_name.symbol[child]].name);
        assert.deepEqual(names, names.slice().sort());
    }
});

test('what only the base side of a comparison met is in the tree, too', () => {
    const frame = (name) => ({ kind: 'native', function: name, class: null, module: 'm',
        file: null });
    const row = (index, total, base, children = []) => ({ frame: index, total_ms: total, self_ms: 0,
        cpu_ms: total, queue_ms: 0, wait_ms: 0, waits_ms: {}, base_ms: base, count: total > 0 ? 1 : 0,
        children });
    const analysis = new Analysis({ elapsed_ms: 10, listened_ms: 10, base: {}, other: {},
        frames: [frame('main'), frame('gone'), frame('new')], timeline: [],
        tree: row(null, 10, 30, [row(0, 10, 30, [row(1, 0, 30), row(2, 10, 0)])]) });
    const tree = analysis.whole();

    assert.equal(tree.count, 4);
    assert.deepEqual([...tree.time], [10e6, 10e6, 0, 10e6]);
    assert.deepEqual([0, 1, 2, 3].map((i) => tree.base(i)), [30e6, 30e6, 30e6, 0]);
    assert.equal(tree.self[2 * STRIDE + BASE], 30e6);
});

test('rows hold each node once, from left to right', () => {
    const tree = new Analysis(made_analysis({ seed: 5 })).whole();
    const { starts, nodes } = tree.rows();

    assert.equal(nodes.length, tree.count);
    for (let d = 0; d <= tree.depth_max; d++)
        for (let at = starts[d]; at < starts[d + 1]; at++) {
            assert.equal(tree.depth[nodes[at]], d);
            if (at > starts[d]) assert.ok(nodes[at] > nodes[at - 1]);
        }
});

test("a link's frame is found again in another tree of the same calls", () => {
    const json = made_analysis({ seed: 4, snapshots: 300 });
    const analysis = new Analysis(json);
    const whole = analysis.whole();
    const part = analysis.range(100, 300);
    const hashes = path_hashes(whole, analysis.symbols);
    const others = path_hashes(part, analysis.symbols);

    for (let i = 1; i < part.count; i++) {
        const found = path_find(hashes, path_name(others, i));
        assert.equal(path_text(analysis, whole, found), path_text(analysis, part, i));
    }
    assert.equal(path_find(hashes, '0123456789abcdef'), -1);
    for (const text of ['', 'x', null, '0123456789ABCDEF', '0'.repeat(17)])
        assert.equal(path_find(hashes, text), -1);
});

test('no two of 20,000 paths have one name', () => {
    const analysis = new Analysis(made_analysis({ seed: 9, snapshots: 900, depth: 50,
        functions: 3000, exact_depth: true }));
    const tree = analysis.whole();
    const hashes = path_hashes(tree, analysis.symbols);
    const names = new Set();
    const halves = new Set();
    const others = new Set();

    for (let i = 1; i < tree.count; i++) {
        names.add(path_name(hashes, i));
        halves.add(hashes.low[i]);
        others.add(hashes.high[i]);
    }
    assert.ok(tree.count > 20000);
    assert.equal(names.size, tree.count - 1);
    for (const half of [halves, others])
        assert.ok(half.size > (tree.count - 1) * 0.999, 'each half alone is a good hash');
});

test('a frame without a function is its module and offset', () => {
    const analysis = new Analysis({ elapsed_ms: 1, listened_ms: 1, timeline: [],
        frames: [{ kind: 'native', function: null, class: null, module: '/opt/lib/a.so',
            offset: 6720, file: null }],
        tree: { frame: null, total_ms: 1, cpu_ms: 1, queue_ms: 0, wait_ms: 0, count: 1,
            children: [{ frame: 0, total_ms: 1, cpu_ms: 1, queue_ms: 0, count: 1,
                children: [] }] } });

    assert.equal(analysis.symbols[0].name, 'a.so+0x1a40');
    assert.equal(PARTS.length, 7);
});
