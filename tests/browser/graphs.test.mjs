/* SPDX-License-Identifier: Apache-2.0 */
/* graphs.test.mjs: what hand, keys and a screen reader meet in the graphs of an analysis, alone on
 * a page: tests/bench/console/page.html, with an analysis that was made up. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { browser_serve } from '../bench/console/serve.mjs';
import { made_analysis } from '../unit/scheduler/console/made_analysis.mjs';

process.env.NODE_MODULES ??= process.env.STAKEOUT_MODULES;
const require = createRequire(join(process.env.NODE_MODULES, 'x.js'));
const axe = require.resolve('axe-core/axe.min.js');
const MONSTERS = ['<img src=x onerror=document.title="hit">', '</script><b>"\'&', '\u202egnihton',
    'x'.repeat(10240), '\u{1f468}\u200d\u{1f469}\u200d\u{1f467} emoji',
        'a::<b::<c<d>::e>>::f(g<h>)'];

let house;
let folder;
const complaints = [];

before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'stakeout-graphs-'));
    const json = made_analysis({ snapshots: 120, depth: 14, functions: 25 });
    const strange = structuredClone(json);

    strange.frames.forEach((frame, i) => { frame.function = MONSTERS[i % MONSTERS.length] + i; });
    writeFileSync(join(folder, 'made.json'), JSON.stringify(json));
    writeFileSync(join(folder, 'strange.json'), JSON.stringify(strange));
    house = await browser_serve({ '/data/': folder });
});

after(async () => {
    await house?.close();
    rmSync(folder, { recursive: true, force: true });
});

async function page_open(query = '', options = {}) {
    const page = await house.browser.newPage({ viewport: { width: 1400, height: 1000 },
        ...options });

    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
        const is_icon = message.location().url.endsWith('favicon.ico');
        if (message.type() === 'error' && !is_icon) complaints.push(message.text());
    });
    await page.goto(`${house.origin}/tests/bench/console/page.html?data=/data/made.json&stem=1&${query}`);
    await page.waitForSelector('html[data-ready]');
    return page;
}

/* A test's page, closed at its end; what it complained of fails the test. */
function page_test(name, query, act, options) {
    test(name, async () => {
        const page = await page_open(query, options);

        complaints.length = 0;
        try {
            await act(page);
        } finally {
            await page.close();
        }
        assert.deepEqual(complaints, []);
    });
}

/* The middle of the widest box of a depth, on the screen, and its node. */
function box_of_depth(page, depth) {
    return page.evaluate((wanted) => {
        const { flame } = window.parts;
        const { tree, layout } = window.view;
        const { starts, nodes } = tree.rows();
        const row = [...nodes.subarray(starts[wanted], starts[wanted + 1])];
        const node = row.reduce((best, one) => (layout.right[one] - layout.left[one] >
            layout.right[best] - layout.left[best] ? one : best));
        const at = flame.box_of(node);
        const { left, top } = flame.boxes.getBoundingClientRect();

        return { node, x: left + (at.x + at.width / 2) / flame.size.ratio,
            y: top + (at.y + at.height / 2) / flame.size.ratio, name: node > 0
                ? window.view.symbol(node).name : '' };
    }, depth);
}

const window_of = (page) => page.evaluate(() =>
    window.view.window().map((x) => x / window.view.layout.whole));
const selected = (page) => page.evaluate(() => window.view.selected_node);
const settled = (page) => page.waitForFunction(() => !window.parts.flame.flight &&
    window.parts.flame.asked === null &&
    window.parts.flame.shown.join() === window.view.window().join() &&
    !window.parts.flame.is_unsaid);

page_test('a click makes a box as wide as the view, Escape takes it back', '', async (page) => {
    const { node, x, y } = await box_of_depth(page, 2);

    await page.mouse.click(x, y);
    await settled(page);
    assert.equal(await selected(page), node);
    const box = await page.evaluate((one) => window.parts.flame.box_of(one), node);
    const width = await page.evaluate(() => window.parts.flame.size.width);
    assert.deepEqual([box.x, box.width], [0, width]);
    assert.ok(await page.isVisible('.graph-map'));
    await page.keyboard.press('Escape');
    assert.deepEqual(await window_of(page), [0, 1]);
});

page_test('the footer counts every frame once, zoomed or not', '', async (page) => {
    const check = async () => {
        await settled(page);
        const text = await page.textContent('.graph:has(.graph-scroller) .graph-footer');
        const [all, ...parts] = text.split(';')[0].replace(/,(?=\d)/g, '')
            .replace(/\([^)]*\)/g, '').match(/\d+/g).map(Number);
        assert.equal(parts.reduce((sum, one) => sum + one, 0), all, text);
        assert.equal(all, await page.evaluate(() => window.view.tree.count - 1));
    };

    await check();
    const { x, y } = await box_of_depth(page, 2);
    await page.mouse.click(x, y);
    await check();
    await page.keyboard.press('x');
    await check();
});

page_test('the wheel zooms where the pointer is, and pans', '', async (page) => {
    const { x, y } = await box_of_depth(page, 1);
    const share = await page.evaluate((at) => {
        const box = window.parts.flame.boxes.getBoundingClientRect();
        return (at - box.left) / box.width;
    }, x);

    await page.mouse.move(x, y);
    await page.keyboard.down('Control');
    await page.mouse.wheel(0, -300);
    await page.keyboard.up('Control');
    await page.waitForFunction(() => window.view.zoom !== null);
    await settled(page);
    const [from, until] = await window_of(page);
    assert.ok(until - from < 0.6);
    assert.ok(Math.abs((share - from) / (until - from) - share) < 0.01);
    await page.waitForFunction(() => !window.parts.flame.hand.wheel);
    await page.mouse.wheel(40, 0);
    await page.waitForFunction((before) =>
        window.view.window()[0] / window.view.layout.whole > before, from);
    const panned = await window_of(page);
    assert.ok(Math.abs((panned[1] - panned[0]) - (until - from)) < 1e-9);
});

page_test('a drag pans and is no click', 'zoom=0.400000-0.600000', async (page) => {
    const { x, y } = await box_of_depth(page, 0);

    await page.mouse.move(x, y);
    await page.mouse.down();
    await page.mouse.move(x - 200, y, { steps: 4 });
    await page.mouse.up();
    await page.waitForFunction(() => window.view.window()[0] / window.view.layout.whole > 0.41);
    assert.equal(await selected(page), -1);
});

page_test('hovering names the frame, and lights it in the hot spots', '', async (page) => {
    const { x, y, name } = await box_of_depth(page, 3);

    await page.mouse.move(x, y);
    await page.waitForSelector('.graph-tip:visible');
    assert.equal(await page.textContent('.graph-tip-name:visible'), name);
    await page.mouse.move(2, 2);
    await page.waitForFunction(() => [...document.querySelectorAll('.graph-tip')].every((tip) =>
        tip.hidden));
});

page_test('keys alone: callee, neighbour, zoom, hide, focus, whole, menu', '', async (page) => {
    const tree = page.locator('[role=tree]');

    await tree.focus();
    await page.keyboard.press('ArrowDown');
    assert.equal(await selected(page), 1);
    await page.keyboard.press('ArrowDown');
    const current = await tree.getAttribute('aria-activedescendant');
    await page.waitForFunction((before) => document.querySelector('[role=tree]')
        .getAttribute('aria-activedescendant') !== before, current).catch(() => {});
    const spoken = await page.evaluate(() =>
        document.getElementById(document.querySelector('[role=tree]')
        .getAttribute('aria-activedescendant')).getAttribute('aria-label'));
    assert.match(spoken, /step_\d+, .*s, \d+ percent of the call, .* self, mostly /);
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Enter');
    assert.notDeepEqual(await window_of(page), [0, 1]);
    await page.keyboard.press('0');
    assert.deepEqual(await window_of(page), [0, 1]);
    await page.keyboard.press('x');
    assert.equal(await page.evaluate(() => window.view.hidden.length), 1);
    await page.keyboard.press('Backspace');
    assert.equal(await page.evaluate(() => window.view.hidden.length), 0);
    await page.keyboard.press('Shift+F10');
    await page.waitForSelector('[role=menu]:visible');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    assert.ok(await page.evaluate(() => window.view.focus > 0));
    assert.ok(await tree.evaluate((element) => element === document.activeElement));
});

page_test('a search dims the rest, and its matches are walked', '', async (page) => {
    await page.evaluate(() => window.view.search('step_1'));
    await page.locator('[role=tree]').focus();
    await page.keyboard.press('.');
    const first = await selected(page);
    await page.keyboard.press('.');
    const second = await selected(page);
    await page.keyboard.press(',');
    assert.equal(await selected(page), first);
    assert.notEqual(second, first);
    const said = await page.textContent('[role=status]');
    assert.match(said, /^[\d,]+ frames, \d+\.\d\s% of the call$/);
});

page_test('dragging on the timeline is a range for everything, and its keys step through snapshots', '',
    async (page) => {
        const strip = page.locator('[role=slider]');
        const box = await strip.boundingBox();

        await page.mouse.move(box.x + box.width * 0.3, box.y + 40);
        await page.mouse.down();
        await page.mouse.move(box.x + box.width * 0.6, box.y + 40, { steps: 4 });
        await page.mouse.up();
        const [range, times, total] = await page.evaluate(() => [window.view.range,
            window.view.range_times(), window.view.tree.time[0]]);
        assert.ok(range[1] > range[0]);
        assert.equal(total, times[1] - times[0]);
        await strip.focus();
        await page.keyboard.press('Home');
        await page.keyboard.press('ArrowRight');
        assert.match(await strip.getAttribute('aria-valuetext'), /^2 of 120, at .*step_/);
        await page.keyboard.press('Escape');
        assert.equal(await page.evaluate(() => window.view.range), null);
    });

page_test('the call tree says the same by its keys', '', async (page) => {
    const grid = page.locator('[role=treegrid]');

    await grid.focus();
    await page.keyboard.press('Home');
    assert.equal(await selected(page), 1);
    await page.keyboard.press('ArrowLeft');
    const closed = Number(await grid.getAttribute('aria-rowcount'));
    await page.keyboard.press('*');
    const open = Number(await grid.getAttribute('aria-rowcount'));
    assert.ok(open > closed);
    await page.keyboard.press('h');
    assert.ok(await selected(page) > 0);
});

page_test('names are text, whatever they hold', 'data=/data/strange.json&table=raw',
    async (page) => {
    await page.goto(`${house.origin}/tests/bench/console/page.html?data=/data/strange.json&table=raw`);
    await page.waitForSelector('html[data-ready]');
    await page.evaluate(() => window.view.show_snapshot(3));
    for (let depth = 0; depth < 6; depth++) {
        const { x, y } = await box_of_depth(page, depth);
        await page.mouse.move(x, y);
    }
    assert.equal(await page.title(), 'graphs alone');
    assert.equal(await page.locator('img, script:not([src])').count(), 0);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    assert.equal(wide, false);
});

for (const [table, theme, forcedColors] of [['tree', 'light', 'none'], ['raw', 'dark', 'none'],
    ['sandwich', 'light', 'none'], ['tree', 'dark', 'active']])
    page_test(`axe finds nothing: ${table}, ${theme}, forced colours ${forcedColors}`,
        `table=${table}&theme=${theme}&colour=state`, async (page) => {
            await page.evaluate(() => {
                window.view.set_pivot(4);
                window.view.select(3);
                window.view.show_snapshot(5);
            });
            await settled(page);
            await page.addScriptTag({ path: axe });
            const { violations } = await page.evaluate(() =>
                globalThis.axe.run({ include: ['body'] },
                { rules: { region: { enabled: false }, 'page-has-heading-one': { enabled: false },
                    /* axe reads the colours that forced ones replace */
                    'color-contrast': { enabled: !matchMedia('(forced-colors: active)').matches } } }));
            assert.deepEqual(violations.map(({ id, nodes }) =>
                [id, nodes.slice(0, 3).map((node) =>
                    `${node.html.slice(0, 200)} ${node.failureSummary}`)]), []);
        }, { forcedColors });

page_test('by touch a tap selects, and a second one zooms', '', async (page) => {
    const { node, x, y } = await box_of_depth(page, 2);

    await page.touchscreen.tap(x, y);
    assert.equal(await selected(page), node);
    assert.deepEqual(await window_of(page), [0, 1]);
    await page.touchscreen.tap(x, y);
    await page.waitForFunction(() => window.view.zoom !== null);
}, { hasTouch: true });
