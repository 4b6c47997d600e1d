/* SPDX-License-Identifier: Apache-2.0 */
/* run.mjs: how fast the graphs are, beside speedscope on the same data in the same browser.
 *
 *     NODE_MODULES=DIR node tests/bench/console/run.mjs      DIR has playwright-core and speedscope
 *
 * One analysis of 50,000 frames and one of 4096 snapshots of 60 frames. Each page is opened, then
 * zoomed by a wheel event per frame of animation, out and in again, ten times; printed are the
 * times from frame to frame and the CPU time of all the browser's processes for one: without a GPU,
 * what WebGL asks for is work of a CPU, too. Then, of ours alone: opening, a range, a search. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { made_analysis } from '../../unit/scheduler/console/made_analysis.mjs';
import { browser_serve } from './serve.mjs';

const MADE = { '50,000 frames': { snapshots: 3400, depth: 30, functions: 300, exact_depth: true },
    '4096 x 60': { snapshots: 4096, depth: 60, functions: 300, exact_depth: true } };
const VIEW = { width: 1600, height: 1080 };

/* The same call for speedscope: one sampled profile, in nanoseconds. */
function speedscope_json(json) {
    const weights = json.timeline.map((moment) => Math.round(moment.for_ms * 1e6));

    return { $schema: 'https://www.speedscope.app/file-format-schema.json',
        shared: { frames: json.frames.map((frame) => ({ name: frame.function, file: frame.file,
            line: frame.line })) },
        profiles: [{ type: 'sampled', name: 'made', unit: 'nanoseconds', startValue: 0,
            endValue: weights.reduce((sum, one) => sum + one, 0),
            samples: json.timeline.map((moment) => moment.stack.slice().reverse()), weights }] };
}

/* Runs in the page: a wheel event per frame; returns the times between frames. */
function zoom_in_page(selector) {
    const target = document.querySelector(selector);
    const box = target.getBoundingClientRect();
    const intervals = [];
    const ROUNDS = 10;
    const STEPS = 12;

    return new Promise((done) => {
        let step = 0;
        let before = performance.now();
        const next = (now) => {
            intervals.push(now - before);
            before = now;
            if (step === ROUNDS * STEPS) return done(intervals.slice(2));
            const is_in = Math.floor(step++ / STEPS) % 2 === 0;
            target.dispatchEvent(new WheelEvent('wheel',
                { bubbles: true, cancelable: true, ctrlKey: true,
                clientX: box.left + box.width * 0.37, clientY: box.top + 300, deltaY: is_in ? -60
                    : 60 }));
            requestAnimationFrame(next);
        };
        requestAnimationFrame(next);
    });
}

function quantile(values, at) {
    return values.slice().sort((a, b) => a - b)[Math.floor(values.length * at)];
}

/* What all processes of the browser worked so far, in ms: script, raster, and what stands in for a
 * GPU. */
async function work_of(session) {
    const { processInfo } = await session.send('SystemInfo.getProcessInfo');
    return processInfo.reduce((sum, { cpuTime }) => sum + cpuTime * 1000, 0);
}

async function zoom_measure(browser, page, selector) {
    const session = await browser.newBrowserCDPSession();

    await page.evaluate(zoom_in_page, selector); /* once to warm up */
    const before = await work_of(session);
    const intervals = await page.evaluate(zoom_in_page, selector);
    const work = (await work_of(session) - before) / intervals.length;

    return { median: quantile(intervals, 0.5), p95: quantile(intervals, 0.95), work };
}

async function open_ours(browser, origin, query) {
    const page = await browser.newPage({ viewport: VIEW });

    await page.goto(`${origin}/tests/bench/console/page.html?${query}`);
    await page.waitForSelector('html[data-ready]', { timeout: 120000 });
    return page;
}

async function open_speedscope(browser, origin, name) {
    const page = await browser.newPage({ viewport: VIEW });

    await page.goto(`${origin}/speedscope/index.html#profileURL=${origin}/data/${name}.speedscope.json`);
    await page.waitForFunction(() => document.querySelectorAll('canvas').length >= 2 &&
        !document.body.textContent.includes('Loading'), null, { timeout: 120000 });
    await page.waitForTimeout(2000);
    return page;
}

/* The canvas of speedscope that takes the wheel: the last of them, below its minimap. */
function speedscope_target(page) {
    return page.evaluate(() => {
        [...document.querySelectorAll('canvas')].at(-1).id = 'bench-target';
        return '#bench-target';
    });
}

function print(name, { median, p95, work }) {
    console.log(`  ${name.padEnd(12)} frame to frame median ${median.toFixed(1)} ms, ` +
        `p95 ${p95.toFixed(1)} ms; CPU ${work.toFixed(1)} ms a frame`);
}

async function compare(browser, origin, name, file) {
    const ours = await open_ours(browser, origin, `view=flame&data=/data/${file}.json`);
    const our = await zoom_measure(browser, ours, '.graph-scroller');
    const footer = await ours.textContent('.graph-footer');
    await ours.close();
    const theirs = await open_speedscope(browser, origin, file);
    const their = await zoom_measure(browser, theirs, await speedscope_target(theirs));
    await theirs.close();

    console.log(`${name}: ${footer}`);
    print('stakeout', our);
    print('speedscope', their);
    console.log(`  ratio        median ${(our.median / their.median).toFixed(2)}, p95 ` +
        `${(our.p95 / their.p95).toFixed(2)}, CPU ${(our.work / their.work).toFixed(2)}`);
}

/* Runs in the page: what ours alone does, medians of five. */
function own_in_page() {
    const { view } = window;
    const median_of = (work) => {
        const times = [];
        for (let i = 0; i < 5; i++) {
            const began = performance.now();
            work(i);
            times.push(performance.now() - began);
        }
        return times.sort((a, b) => a - b)[2];
    };
    const { count } = view.analysis.snapshots;

    return { opened: window.opened_ms, nodes: view.tree.count - 1,
        range: median_of((i) => view.analysis.range(i + 1, count - i)),
        search: median_of((i) => view.search(`step_${i}`)),
        hide: median_of((i) => { view.hidden = [i]; view.derived = {}; return view.layout; }) };
}

const folder = mkdtempSync(join(tmpdir(), 'stakeout-graphs-'));
const modules = process.env.NODE_MODULES ?? '.';
const { browser, origin, close } = await browser_serve({ '/data/': folder,
    '/speedscope/': join(modules, 'node_modules/speedscope/dist/release') });
try {
    for (const [name, options] of Object.entries(MADE)) {
        const json = made_analysis({ seed: 3, ...options });
        const file = name.replace(/\W/g, '');

        writeFileSync(join(folder, `${file}.json`), JSON.stringify(json));
        writeFileSync(join(folder, `${file}.speedscope.json`),
            JSON.stringify(speedscope_json(json)));
        await compare(browser, origin, name, file);
        const page = await open_ours(browser, origin, `data=/data/${file}.json`);
        const own = await page.evaluate(own_in_page);
        console.log(`  ours alone   all views of ${own.nodes} frames opened in ${own.opened.toFixed(0)} ms, ` +
            `a range ${own.range.toFixed(1)} ms, a search ${own.search.toFixed(1)} ms, ` +
            `a function hidden ${own.hide.toFixed(1)} ms`);
        await page.close();
    }
} finally {
    await close();
    rmSync(folder, { recursive: true });
}
