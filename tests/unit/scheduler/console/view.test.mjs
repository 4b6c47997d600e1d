/* SPDX-License-Identifier: Apache-2.0 */
/* view.test.mjs: a link shows what the sender saw; Back undoes; a selection survives any shaping.
 * */
import assert from 'node:assert/strict';
import test from 'node:test';
import { View } from '../../../../scheduler/console/graph/view.js';
import { line_spots } from '../../../../scheduler/console/graph/shape.js';
import { made_analysis, random_new, time_with } from './made_analysis.mjs';

const SEEDS = [1, 2, 3, 4, 5, 6];

function view_new(seed, options = {}) {
    const json = made_analysis({ seed, functions: 9, ...options });
    return { json, view: new View(json), random: random_new(seed) };
}

/* Any of what a hand can do. */
function act(view, random) {
    const node = 1 + random(Math.max(1, view.tree.count - 1));
    const acts = [
        () => view.zoom_to(node), () => view.zoom_to(0), () => view.focus_on(node),
        () => view.hide_function(node), () => view.hide_module(node), () => view.fold_recursion(),
        () => view.set_range([random(20), 21 + random(29)]), () =>
            view.set_pivot(view.tree.symbol[node]),
        () => view.select(node), () => view.search(['step_1', '-step',
            '/[/', 'module:lib2', ''][random(5)]),
        () => view.look({ colour: ['module', 'function', 'state'][random(3)] }),
        () => view.look({ is_flame: random(2) === 1 }), () => view.zoom_window(0.25, 0.5),
        () => view.show_snapshot(random(50)), () => view.open_stem(),
    ];
    if (view.tree.count > 1) acts[random(acts.length)]();
}

function shown(view) {
    const { tree } = view;
    const path = (node) => tree.path(node).map((at) => view.symbol(at).name).join();

    return { times: [...tree.time], symbols: [...tree.symbol], window: view.window(),
        selected: path(view.selected_node), matched: view.matched, colour: view.colour,
        is_flame: view.is_flame, snapshot: view.snapshot, pivot: view.pivot,
        chips: view.chips().map((chip) => chip.words + chip.name) };
}

/* Six digits of a free window are what a link holds. */
function assert_alike(one, other) {
    const close = (a, b) => Math.abs(a - b) <= 1e-5 * Math.max(...one.window, 1);

    assert.ok(one.window.every((x, i) => close(x, other.window[i])),
        `${one.window} ${other.window}`);
    assert.deepEqual({ ...one, window: 0 }, { ...other, window: 0 });
}

test('a link opened elsewhere shows what its sender saw', () => {
    for (const seed of SEEDS) {
        const { json, view, random } = view_new(seed);

        for (let step = 0; step < 60; step++) {
            act(view, random);
            const other = new View(json);
            const address = new URLSearchParams(view.address());
            const missing = other.restore(Object.fromEntries(address));

            assert.deepEqual(missing, []);
            if (!view.query.problem) assert_alike(shown(view), shown(other));
        }
    }
});

test('an address holds no more than what differs from the defaults', () => {
    const { view } = view_new(1);

    assert.deepEqual(view.address(), {});
    view.select(3);
    assert.deepEqual(Object.keys(view.address()), ['at']);
});

test('strange addresses show the whole, and a frame that is not there is named', () => {
    const { view } = view_new(2);
    const before = shown(view);

    assert.deepEqual(view.restore({ range: '9-1', zoom: '0.9-0.1', focus: 'x', hide: ',,',
        snap: '-4',
        rec: 'yes', colour: 'pink', module: 'nobody', sandwich: '0', other: 'y' }), []);
    assert_alike(before, shown(view));
    assert.deepEqual(view.restore({ at: '0123456789abcdef', zoom: '0123456789abcdef' }),
        ['at', 'zoom']);
});

test('Back undoes step by step, down to where one began', () => {
    for (const seed of SEEDS) {
        const { view, random } = view_new(seed);
        const began = shown(view);
        let steps = 0;

        view.on((what) => { steps += what.pushes ? 1 : 0; });
        for (let step = 0; step < 30; step++) act(view, random);
        assert.equal(view.past.length, steps);
        let count = 0;
        while (view.back()) count++;
        assert.equal(count, steps);
        assert.equal(view.back(), false);
        assert.deepEqual(shown(view).times, began.times);
        assert.deepEqual(shown(view).chips, []);
    }
});

test('Back of the browser is a step back, whatever order and selection its address has', () => {
    const { view } = view_new(2);
    const addresses = [view.address()];
    let stepped = 0;

    view.step_back = () => { stepped++; };
    view.select(2);
    view.zoom_to(2);
    addresses.push(view.address());
    view.hide_function(3);
    for (const address of addresses.reverse()) {
        assert.equal(view.back(), true);
        view.restore(Object.fromEntries(Object.entries(address).reverse()));
    }
    assert.equal(view.back(), false);
    assert.equal(stepped, 2);
});

test('common frames are one row, unless they are all there is, or opened', () => {
    const frames = ['a', 'b', 'c', 'd', 'e'].map((name) => ({ kind: 'native', function: name,
        class: null, module: 'm', file: null }));
    const row = (frame, ms, children = []) => ({ frame, total_ms: ms, cpu_ms: ms, queue_ms: 0,
        waits_ms: {}, count: 1, children });
    const view_of = (tips) => new View({ elapsed_ms: 9, listened_ms: 9, frames, timeline: [],
        tree: row(null, 9, [row(0, 9, [row(1, 9, [row(2, 9, tips)])])]) });

    const forked = view_of([row(3, 5), row(4, 4)]);
    assert.equal(forked.stem, 3);
    forked.open_stem();
    assert.equal(forked.stem, 0);
    assert.equal(view_of([row(3, 9)]).stem, 0);
    assert.equal(view_of([]).stem, 0);
});

test('a selected frame stays selected while its function is shown', () => {
    for (const seed of SEEDS) {
        const { view, random } = view_new(seed);
        const node = 1 + random(view.tree.count - 1);
        const { name } = view.symbol(node);

        view.select(node);
        for (let step = 0; step < 8; step++) {
            const victim = 1 + random(view.tree.count - 1);
            if (view.symbol(victim).name !== name) view.hide_function(victim);
            assert.equal(view.symbol(view.selected_node).name, name);
            assert.equal(view.place(view.origin(view.selected_node)), view.selected_node);
        }
        view.fold_recursion();
        assert.equal(view.symbol(view.selected_node).name, name);
    }
});

test('listeners hear each change once, after it is whole', () => {
    const { view } = view_new(3);
    const heard = [];

    const end = view.on((what) => heard.push([[...what].sort().join(), what.pushes,
        view.tree.time[0]]));
    view.set_range([0, 10]);
    view.select(1);
    end();
    view.select(2);
    assert.equal(heard.length, 2);
    assert.deepEqual(heard[0].slice(0, 2), ['tree,zoom', true]);
    assert.equal(heard[0][2], view.analysis.range(0, 10).time[0]);
    assert.deepEqual(heard[1].slice(0, 2), ['selected', false]);
});

test('a bad expression says so and keeps the last result', () => {
    const { view } = view_new(4);

    view.search('step_1');
    const before = view.matched;
    view.search('/(/');
    assert.match(view.query.problem, /expression/);
    assert.deepEqual(view.matched, before);
    view.search('');
    assert.equal(view.matches, null);
});

test('matches are walked in order, round and round', () => {
    const { view } = view_new(5);

    view.search('step_1');
    const { frames } = view.matched;
    const seen = [];
    for (let i = 0; i < frames; i++) {
        view.next_match(1);
        seen.push(view.selected_node);
    }
    assert.equal(new Set(seen).size, frames);
    view.next_match(1);
    assert.equal(view.selected_node, seen[0]);
    view.next_match(-1);
    assert.equal(view.selected_node, seen.at(-1));
});

test('lines are counted through range, focus and hidden functions as their snapshots say', () => {
    for (const seed of SEEDS) {
        const { json, view } = view_new(seed);
        const line = (frame) => `${json.frames[frame].file}:${json.frames[frame].line}`;

        view.set_range([10, 40]);
        for (const row of line_spots(view)) {
            if (row.key.startsWith('(unknown)')) continue;
            assert.equal(row.time, time_with(json, (stack) =>
                stack.some((frame) => line(frame) === row.key), 10, 40));
            assert.equal(row.self, time_with(json, (stack) => line(stack.at(-1)) === row.key, 10,
                40));
        }
        const sum = () => line_spots(view).reduce((all, row) => all + row.self, 0);
        view.hide_function(view.tree.children(0)[0]);
        const root_own = view.tree.own[0];
        assert.equal(sum() + root_own, view.tree.time[0]);
        view.set_range(null);
        view.focus_on(view.tree.children(0)[0]);
        assert.equal(sum() + view.tree.own[0], view.tree.time[0]);
        const deep = view.tree.depth.indexOf(Math.min(3, view.tree.depth_max));
        view.focus_on(deep);
        const inside = new Set(view.tree.symbol.subarray(1));
        for (const row of line_spots(view)) assert.ok(inside.has(row.symbol));
    }
});
