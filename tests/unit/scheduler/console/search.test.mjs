/* SPDX-License-Identifier: Apache-2.0 */
/* search.test.mjs: words, exclusions, expressions and fields; nested matches count once. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Analysis } from '../../../../scheduler/console/graph/model.js';
import { query_read, search_sum, symbols_match }
    from '../../../../scheduler/console/graph/search.js';
import { made_analysis, time_with } from './made_analysis.mjs';

const SYMBOLS = [
    { name: 'Inventory::reserve(int)', module: '/opt/shop/libshop.so', files: new Set(['inv.cc']) },
    { name: 'std::mutex::lock()', module: '/lib/libstdc++.so.6', files: new Set() },
    { name: '__lll_lock_wait', module: '/lib/libc.so.6', files: new Set(['nptl/lowlevellock.c']) },
    { name: 'a name with spaces', module: 'm', files: new Set(['x.c', 'y.c']) },
];

function found(text) {
    return [...symbols_match(query_read(text), SYMBOLS)].join('');
}

test('a query finds what it says', () => {
    for (const [text, wanted] of [
        ['', '0000'], ['   ', '0000'],
        ['lock', '0110'], ['LOCK', '0110'], ['lock mutex', '0100'],
        ['lock -mutex', '0010'], ['-lock', '1001'],
        ['/wait$/', '0010'], ['/WAIT$/', '0010'], ['/^std::/', '0100'], ['-/lock/ -name', '1000'],
        ['module:libc', '0010'], ['module:lib -module:libc', '1100'],
        ['file:inv', '1000'], ['file:/^y\\.c$/', '0001'], ['file:y.c', '0001'],
        ['"name with"', '0001'], ['-"name with" -lock', '1000'],
        ['-', '0000'], ['/opt', '1000'], ['/a\\/b/', '0000'],
    ])
        assert.equal(found(text), wanted, text);
});

test('a bad expression is said to be one, whatever it is', () => {
    for (const text of ['/(/', '/[z-a]/', 'lock /*/', '/\\/']) {
        const query = query_read(text);
        if (text === '/\\/') assert.ok(query.terms);
        else assert.match(query.problem, /expression/);
    }
});

test('nested matches count once, matching frames each', () => {
    for (let seed = 1; seed <= 8; seed++) {
        const json = made_analysis({ seed, functions: 9 });
        const analysis = new Analysis(json);
        const tree = analysis.whole();
        const matches = symbols_match(query_read('/step_[147]\\D/'), analysis.symbols);
        const sum = search_sum(tree, matches);

        assert.equal(sum.time, time_with(json, (stack) =>
            stack.some((frame) => /step_[147]\D/.test(json.frames[frame].function))));
        assert.equal(sum.frames, tree.symbol.subarray(1).filter((symbol) =>
            matches[symbol]).length);
        assert.ok(sum.frames > 0);
    }
});
