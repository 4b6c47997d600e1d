// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import test from 'node:test';
import * as formats from '../../../../scheduler/console/formats.js';

const plain = (text) => text.replace(/\u00a0/g, ' ');

function table(what, rows, write) {
    test(what, () => {
        for (const [expected, ...given] of rows) assert.equal(plain(write(...given)), expected,
            JSON.stringify(given));
    });
}

table('a time has three digits and the unit that fits', [
    ['–', null], ['0', 0], ['184 µs', 0.184], ['1.00 ms', 0.9996], ['1.84 ms', 1.84],
    ['10.0 ms', 9.996], ['18.4 ms', 18.4], ['100 ms', 99.96], ['184 ms', 184], ['1.00 s', 999.6],
    ['1.84 s', 1840], ['18.4 s', 18400], ['1 min', 59999], ['1 min 12 s', 72000],
    ['1 h 30 min', 5400000], ['\u2212184 ms', -184],
], (ms) => formats.time(ms));

table('no time is finer than what was measured', [
    ['0', 0], ['<1 ms', 0.2], ['2 ms', 1.84], ['18 ms', 18.4], ['1.84 s', 1840],
], (ms) => formats.time(ms, { finest_ms: 1 }));

table('a column has whole milliseconds', [
    ['–', null], ['0', 0], ['<1', 0.4], ['1', 0.6], ['1,680', 1680.4], ['1,234,567', 1234567],
], formats.column_ms);

table('a countdown never runs below zero', [
    ['4:12', 252000], ['0:01', 1], ['0:00', -5000], ['1:02:09', 3729000],
], formats.countdown);

test('a duration is understood as people write it, or not at all', () => {
    const cases = { '250': 250, ' 250 ms ': 250, '0.25 s': 250, '2min': 120000, '1.5S': 1500 };

    for (const [text, ms] of Object.entries(cases)) assert.equal(formats.parse_ms(text), ms, text);
    for (const text of ['', 'p99', '-1', '1 h', '1e3', '0x10', '5 ms ago'])
        assert.equal(formats.parse_ms(text), null, text);
});

table('a count is exact as long as it can be read', [
    ['0', 0], ['99,999', 99999], ['100 k', 100000], ['124 k', 123999], ['1.00 M', 999500],
    ['1.24 M', 1240000], ['–', undefined],
], formats.count);

table('a share is 0 or 100 % only when it is', [
    ['78.7 %', 787, 1000], ['9.0 %', 9, 100], ['<0.1 %', 1, 100000], ['>99.9 %', 99999, 100000],
    ['100 %', 5, 5], ['0 %', 0, 5], ['–', 1, 0],
], formats.share);

test('a day is named from where one is', () => {
    const now = Date.parse('2026-11-22T03:00:00Z');
    const day = (at) => formats.day(at, { utc: true, now });

    assert.equal(day('2026-11-22T02:59:00Z'), 'today');
    assert.equal(day('2026-11-21T23:59:00Z'), 'yesterday');
    assert.equal(day('2026-11-20T23:59:00Z'), '2026-11-20');
    assert.equal(formats.clock('2026-11-22T03:12:07.048Z', { utc: true, ms: true }), '03:12:07.048');
});

test('marks that direct or hide are seen, and nothing is cut within a character', () => {
    assert.equal(formats.safe_text('a\u202eb\u0000c'), 'a⟨202E⟩b␀c');
    assert.equal(formats.safe_text('<b>&"\''), '<b>&"\'');
    const family = '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}';
    const cut = formats.safe_text(family.repeat(50), 10);

    assert.equal(cut, `${family.repeat(9)}…`);
    assert.equal([...formats.safe_text('x'.repeat(10240), 200)].length, 200);
});

table('a name of C++ is as long as fits, from its end', [
    ['std::vector<std::string, std::allocator<int> >::push_back', 'std::vector<std::__cxx11::' +
        'basic_string<char, std::char_traits<char>, std::allocator<char> >, std::allocator<int> >' +
        '::push_back(int const&)', 200],
    ['std::vector<>::push_back', 'std::vector<int, std::allocator<int> >::push_back(int&&)', 30],
    ['shop::(anon)::Inventory<>::reserve',
        'void shop::(anonymous namespace)::Inventory<int>::reserve(char const*) const', 35],
    ['Inventory<>::reserve',
        'void shop::(anonymous namespace)::Inventory<int>::reserve(char const*) const', 25],
    ['…::reserve', 'void shop::Inventory<int>::reserve(char const*)', 12],
    ['operator<<int>', 'bool operator< <int>(A<int> const&, B)', 60],
    ['foo::operator()', 'foo::operator()(int) const', 60],
    ['Foo::operator bool', 'Foo::operator bool() const', 60],
    ['run()::{lambda 1}::operator()', 'run()::{lambda(int)#1}::operator()(int) const', 60],
    ['a::b [cold]', 'a::b(int) [clone .cold]', 60],
    ['__libc_start_main', '__libc_start_main', 60],
    ['__libc_…', '__libc_start_main', 8],
], formats.short_name);

test('any text is a name, at most as long as asked', () => {
    const strange = ['', '(', ')', '<', '>>', '::', 'operator', 'operator<', 'a(b', 'a<b>c)d', '{{{',
        '<script>alert(1)</script>', '\u202eevil', 'x'.repeat(10240), 'A<'.repeat(3000)];

    for (const name of strange) {
        assert.ok([...formats.short_name(name, 40)].length <= 40, name.slice(0, 20));
    }
});

table('a path keeps its file and line', [
    ['inventory.cc:214', 'inventory.cc', 214, 40],
    ['src/…/inventory.cc:214', 'src/a/very/long/way/to/the/file/inventory.cc', 214, 30],
    ['…/inventory.cc:214', '/a-long-first-folder/b/inventory.cc', 214, 20],
], formats.short_path);
