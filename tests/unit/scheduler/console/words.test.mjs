/* SPDX-License-Identifier: Apache-2.0 */
/* words.test.mjs: what is said of frames, searches and differences. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { View } from '../../../../scheduler/console/graph/view.js';
import { difference_words, node_name, search_words, spoken, stack_text, symbol_name, tip_rows }
    from '../../../../scheduler/console/graph/words.js';

const frame = (name, more = {}) => ({ kind: 'native', function: name, class: null, module: '/opt/a.so',
    file: null, line: null, ...more });
const row = (index, ms, more = {}, children = []) => ({ frame: index, total_ms: ms, cpu_ms: ms,
    queue_ms: 0, wait_ms: 0, waits_ms: {}, count: 1, children, ...more });

function view_new(more = {}) {
    const lock = { cpu_ms: 12, wait_ms: 1728, waits_ms: { lock: 1728 } };
    const frames = [frame('main'), frame('Inventory::reserve(int)', { file: 'src/inventory.cc',
        line: 214 }), frame('(frames left out)', { kind: 'marker', module: null, count: 128 })];

    return new View({ elapsed_ms: 2210, listened_ms: 2210, samples: 1, interval_ms: 20, frames,
        timeline: [], tree: row(null, 2210, {}, [row(0, 2210, {}, [row(1, 1740, lock),
            row(2, 100)])]), ...more });
}

test('a frame is spoken with name, time, share, own time, state and place', () => {
    const said = spoken(view_new(), 2).replace(/\u00a0/g, ' ');

    assert.equal(said, 'Inventory::reserve, 1.74 s, 79 percent of the call, 1.74 s self, ' +
        'mostly lock, inventory.cc line 214');
});

test('a marker says how many frames it stands for', () => {
    assert.equal(node_name(view_new(), 3, 80), '128 frames left out');
});

test('of an unnamed function the offset stays', () => {
    const symbol = { name: 'libmicrohttpd.so.12+0x10c70' };

    assert.equal(symbol_name(symbol, 40), 'libmicrohttpd.so.12+0x10c70');
    assert.equal(symbol_name(symbol, 16), 'libmicr\u2026+0x10c70');
    for (let characters = 10; characters < 30; characters++) {
        const shown = symbol_name(symbol, characters);
        assert.ok(shown.length <= characters && shown.endsWith('+0x10c70'), shown);
    }
});

test('a search says how many frames and how much time, or why it does not', () => {
    const view = view_new();

    view.search('reserve');
    assert.equal(search_words(view).replace(/\u00a0/g, ' '), '1 frame, 78.7 % of the call');
    view.search('nobody');
    assert.equal(search_words(view), 'nothing matches');
    view.search('/(/');
    assert.match(search_words(view), /expression/);
});

test('a difference has a sign, and says new, gone, or nothing within the floor', () => {
    const view = view_new({ base: { frequency_ms: 20 }, other: { frequency_ms: 20 }, noise_ms: 20,
        tree: row(null, 1000, { base_ms: 890 }, [row(0, 700, { base_ms: 0 }),
            row(1, 0, { base_ms: 600 }), row(2, 300, { base_ms: 290 })]) });
    const said = Object.fromEntries(view.tree.children(0).map((node) =>
        [node_name(view, node, 80), difference_words(view, node).replace(/\u00a0/g, ' ')]));

    assert.deepEqual(said, { 'main': '+700 ms new', 'Inventory::reserve': '\u2212600 ms gone',
        '128 frames left out': '0' });
});

test('a stack is copied from the inside out, a tooltip has every state and its share', () => {
    const view = view_new();
    const texts = tip_rows(view, 2).map((line) => line.slice(1).join(' ').replace(/\u00a0/g, ' '));

    assert.equal(stack_text(view, 2), 'Inventory::reserve(int) (src/inventory.cc:214)\nmain');
    assert.ok(texts.includes('lock 1.73 s 78.2 % of the call'), texts.join('\n'));
    assert.ok(texts.includes('a.so \u00b7 src/inventory.cc:214'));
});
