// SPDX-License-Identifier: Apache-2.0
// console.test.mjs: what an operator does, done in Chromium with a real stakeoutd,
// its Redis, and the demo's shop under load. Any violation of the page's policy, any error and any
// warning on the browser's console fails the test in which it comes.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { House, until } from './house.mjs';

const { STAKEOUT_BIN: bin, STAKEOUT_MODULES: modules, STAKEOUT_WORK: folder } = process.env;
const require = createRequire(path.join(modules, 'package.json'));
const { chromium } = require('playwright-core');
const axe = require.resolve('axe-core/axe.min.js');

const WAIT_MS = 20000;
let house, browser, context, page, complaints, task;

// A tab whose complaints are kept; `silence` are those that a test provokes.
async function open(within, target) {
    const tab = await within.newPage();

    tab.setDefaultTimeout(WAIT_MS);
    tab.on('pageerror', (error) => complaints.push(String(error)));
    tab.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    await tab.addInitScript(() => document.addEventListener('securitypolicyviolation',
        (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`)));
    await tab.goto(house.url + target);
    return tab;
}

const context_of = (options = {}) => browser.newContext({ locale: 'en-GB', timezoneId: 'UTC',
    viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce', ...options });

async function log_in(tab, token) {
    await tab.getByLabel('Token').fill(token);
    await tab.keyboard.press('Enter');
    await tab.getByText('Live', { exact: true }).waitFor();
}

// What was complained of since the last test, less what this one provoked.
function assert_silent(provoked = /^$/) {
    assert.deepEqual(complaints.filter((text) => !provoked.test(text)), []);
}

before(async () => {
    complaints = [];
    house = await House.start({ bin, folder, with_tokens: true });
    browser = await chromium.launch({ executablePath: process.env.CHROMIUM,
        args: ['--no-sandbox', '--disable-dev-shm-usage'] });
    process.env.STAKEOUT_TOKEN = house.make_token('probe', 'shop');
    await until('the tokens are known', () => house.asks('/api/v1/session').then(
        ({ status }) => status === 200));
    await house.open_shop();
    context = await context_of();
});

beforeEach(() => {
    complaints = [];
});

after(async () => {
    await browser?.close();
    await house?.end();
});

// What a screen reader is told to be the current frame.
const chosen_is = (tab, pattern) => until(`the chosen frame is ${pattern}`, async () => {
    const id = await tab.getByRole('tree').getAttribute('aria-activedescendant');

    return id && pattern.test(await tab.locator(`#${id}`).getAttribute('aria-label'));
}, WAIT_MS);

test('a token opens the door, and no script ever holds it', async () => {
    page = await open(context, '/tasks');
    await page.getByLabel('Token').fill('not a token');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('token').waitFor();
    await log_in(page, house.token);
    await page.getByRole('heading', { name: 'Tasks', exact: true }).waitFor();
    const seen = await page.evaluate(() => [document.cookie, JSON.stringify(localStorage),
        JSON.stringify(sessionStorage), location.href].join());

    assert.ok(!seen.includes(house.token));
    const [cookie] = await context.cookies();

    assert.deepEqual([cookie.httpOnly, cookie.sameSite], [true, 'Strict']);
    assert_silent(/status of 401/);
});

test('from the cold page to the guilty line by keys alone', async () => {
    await page.goto(`${house.url}/`);
    await page.getByRole('row', { name: /GET \/search/ }).waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('search');
    await page.keyboard.press('Escape');
    await page.keyboard.press('j');
    await page.keyboard.press('w');
    const panel = page.getByRole('dialog', { name: 'Watch an interface' });

    assert.equal(await panel.getByRole('combobox', { name: 'Application' }).inputValue(), 'shop');
    assert.equal(await panel.getByRole('combobox', { name: 'Interface' }).inputValue(), 'GET /search');
    await until('p99 is proposed', async () => await panel.getByRole('textbox',
        { name: 'Trigger threshold' }).inputValue() === 'p99', WAIT_MS);
    await page.keyboard.press('Control+a');
    await page.keyboard.type('60');
    await panel.getByText(/would have crossed this in the last 15 minutes/).waitFor();
    await page.keyboard.press('Control+Enter');
    await page.waitForURL(/\/tasks\/[0-9a-f]{20}$/);
    task = page.url().split('/').pop();
    await until('the first sample has the focus', () => page.evaluate(() =>
        document.activeElement.matches('a[href^="/samples/"]')), WAIT_MS);
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/samples\/[0-9a-f]{32}$/);
    await page.getByRole('grid', { name: 'Hot spots' }).waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('catalogue_search');
    await page.locator('.toolbar').getByText(/1 frame, .* of the call/).waitFor();
    await page.keyboard.press('Escape');
    await page.keyboard.press('2');
    await page.getByRole('treegrid').getByText(/catalogue\.c:\d+/).first().waitFor();
    await page.keyboard.press('1');
    const graph = page.getByRole('tree');

    await graph.focus();
    await page.keyboard.press('.');
    await page.keyboard.press('Enter');
    await page.waitForURL(/zoom=[0-9a-f]{16}/);
    assert.match(page.url(), /q=catalogue_search/);
    await chosen_is(page, /^catalogue_search_words, /);
    assert_silent();
});

test('a link shows in a fresh browser what its sender saw', async () => {
    const link = page.url().slice(house.url.length);
    const other = await context_of();
    const tab = await open(other, link);

    await log_in(tab, house.token);
    await tab.locator('.toolbar').getByText(/1 frame, .* of the call/).waitFor();
    assert.equal(await tab.getByLabel('Search functions').inputValue(), 'catalogue_search');
    await chosen_is(tab, /^catalogue_search_words, /);
    assert.equal(tab.url().slice(house.url.length), link);
    await other.close();
    assert_silent(/status of 401/);
});

test('a step of the hand is a step of Back, and the sandwich has both halves', async () => {
    const graph = page.getByRole('tree');

    await graph.focus();
    await page.keyboard.press('s');
    await page.waitForURL(/view=sandwich/);
    assert.equal(await page.getByRole('tree').count(), 2);
    await page.goBack();
    await until('one graph is left', async () => await graph.count() === 1, WAIT_MS);
    await graph.focus();
    await page.keyboard.press('Escape');
    await page.waitForURL((url) => !url.search.includes('zoom'));
    assert_silent();
});

test('a sample links to its trace in the tracing system that the scheduler was told of', async () => {
    const link = page.getByRole('link', { name: 'in the tracing system' });
    const here = await page.getByRole('link', { name: /^[0-9a-f]{4}\.\.[0-9a-f]{4}$/ }).getAttribute('title');

    assert.equal(await link.getAttribute('href'), `https://traces.invalid/${here}`);
    assert_silent();
});

test('every export of a sample is there to be taken', async () => {
    await page.getByText('Export').click();
    const links = await page.getByRole('link', { name: / of the sample$/ }).all();

    assert.equal(links.length, 5);
    for (const link of links) {
        const [download] = await Promise.all([page.waitForEvent('download'), link.click()]);

        assert.equal(await download.failure(), null);
    }
    assert_silent();
});

test('two samples are picked and compared', async () => {
    await page.goto(`${house.url}/tasks/${task}`);
    const table = page.getByRole('table', { name: 'Samples' });

    await table.getByRole('row').nth(2).waitFor();
    await table.getByRole('checkbox').nth(0).check();
    await table.getByRole('checkbox').nth(1).check();
    await page.keyboard.press('c');
    await page.waitForURL(/\/diff\?base=sample/);
    await page.getByRole('grid', { name: 'Hot spots' }).getByRole('row').nth(1).waitFor();
    await page.getByText('more in other').waitFor();
    await page.goBack();
    await table.waitFor();
    assert.equal(await table.getByRole('checkbox', { checked: true }).count(), 2);
    assert_silent();
});

test('what was seen and triggered adds up on screen', async () => {
    await page.goto(`${house.url}/tasks/${task}?tab=ledger`);
    const row = page.getByRole('table', { name: 'Ledger' }).getByRole('row').nth(1);

    await row.waitFor();
    const [seen, below, triggered] = await Promise.all([2, 3, 4].map(async (cell) =>
        Number(await row.getByRole('cell').nth(cell).textContent())));

    assert.equal(seen, below + triggered);
    assert.ok(triggered > 0);
    assert_silent();
});

test('a refusal stands at its field, and nothing that was typed is lost', async () => {
    await page.goto(`${house.url}/tasks`);
    await page.getByRole('heading', { name: 'History' }).waitFor();
    await page.keyboard.press('n');
    const panel = page.getByRole('dialog', { name: 'Watch an interface' });

    await panel.getByRole('combobox', { name: 'Application' }).fill('shop');
    await panel.getByRole('combobox', { name: 'Interface' }).fill('GET /nothing-like-it');
    await panel.getByRole('textbox', { name: 'Trigger threshold' }).fill('10');
    await panel.getByText('More:').click();
    await panel.getByLabel('Note').fill('why not');
    await page.keyboard.press('Control+Enter');
    await panel.getByRole('alert').getByText(/threshold_ms.*50/).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.id), 'new-threshold_ms');
    assert.equal(await panel.getByLabel('Note').inputValue(), 'why not');
    await page.reload();
    await page.getByRole('heading', { name: 'History' }).waitFor();
    await page.keyboard.press('n');
    assert.equal(await panel.getByLabel('Note').inputValue(), 'why not');
    await panel.getByRole('textbox', { name: 'Trigger threshold' }).fill('0.9 s');
    await page.keyboard.press('Control+Enter');
    await page.waitForURL(/\/tasks\/[0-9a-f]{20}$/);
    await page.getByText(/No such interface.*Nearest/).first().waitFor();
    assert_silent(/status of 400/);
});

test('a task is cancelled in place, after it was asked', async () => {
    await page.getByRole('button', { name: 'Cancel task' }).click();
    await page.getByRole('button', { name: 'Keep' }).click();
    await page.getByText('ACTIVE').waitFor();
    await page.getByRole('button', { name: 'Cancel task' }).click();
    await page.getByRole('group', { name: 'Cancel the task?' }).getByRole('button',
        { name: 'Cancel task' }).click();
    await page.getByText('CANCELLED', { exact: true }).waitFor();
    assert_silent();
});

test('a viewer sees what may be done, and why not by him', async () => {
    const viewer = await context_of();
    const token = house.make_token('viewer', 'eve');
    const tab = await open(viewer, '/applications');

    await until('the token is known', async () => (await house.asks('/api/v1/session', { headers: {
        Authorization: `Bearer ${token}` } })).status === 200);
    await log_in(tab, token);
    const watch = tab.getByRole('row', { name: /GET \/search/ }).getByRole('button', { name: 'Watch' });

    assert.equal(await watch.getAttribute('aria-disabled'), 'true');
    await watch.click({ force: true });
    await tab.getByRole('status').getByText(/viewer/).waitFor();
    assert.equal(await tab.getByRole('dialog').count(), 0);
    await viewer.close();
    assert_silent(/status of 401/);
});

// Names that somebody might believe to be something else.
const NAMES = ['<img src=x onerror=alert(1)>', '"><script>alert(2)</script>', '\u202egnp.exe',
    '\u{1f468}\u200d\u{1f469}\u200d\u{1f467} & \u05d0\u05d1', 'x'.repeat(512), '{{7+7}}${7+7}'];

test('any name is text everywhere', async () => {
    for (const name of NAMES) await house.order('POST', '/tasks', { application: 'strange',
        interface: name, duration_min: 5, threshold_ms: 100, note: name.slice(0, 100) });
    await page.goto(`${house.url}/tasks?app=strange`);
    await page.getByRole('article').nth(NAMES.length - 1).waitFor();
    const shown = await page.getByRole('article').getByRole('heading').allTextContents();

    assert.ok(shown.some((text) => text.includes('<img src=x onerror=alert(1)>')));
    assert.ok(shown.some((text) => text.includes('⟨202E⟩gnp.exe')));
    assert.equal(await page.locator('#app img, #app script').count(), 0);
    for (const { id } of (await house.order('GET', '/tasks?application=strange')).tasks) {
        await page.goto(`${house.url}/tasks/${id}?tab=task`);
        await page.getByRole('heading', { level: 1 }).waitFor();
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0);
        await house.order('POST', `/tasks/${id}/cancel`);
    }
    assert_silent();
});

test('a scheduler that goes leaves the page readable, and needs no reload when it comes', async () => {
    await page.goto(`${house.url}/applications`);
    await page.getByRole('row', { name: /GET \/search/ }).waitFor();
    await page.evaluate(() => {
        globalThis.is_same_page = true;
    });
    await house.kill();
    await page.getByText('Disconnected').waitFor();
    assert.ok(await page.getByRole('row', { name: /GET \/search/ }).isVisible());
    await house.restart();
    await page.getByText('Live', { exact: true }).waitFor();
    await until('the probe is heard again', async () => await page.getByRole('row',
        { name: /GET \/search/ }).count() > 0);
    assert.ok(await page.evaluate(() => globalThis.is_same_page));
    assert_silent(/Failed to load resource|ERR_|status of/);
});

const pages_of = (task_id, sample) => ['/', '/applications?tab=instances', '/tasks',
    `/tasks/${task_id}`, `/tasks/${task_id}?tab=task`, `/tasks/${task_id}?tab=log`,
    `/tasks/${task_id}?tab=ledger`, `/tasks/${task_id}/analysis`, `/samples/${sample}`,
    `/diff?base=task:${task_id}&other=sample:${sample}`, '/?new=1&application=shop'];

// The page is there: its heading, and what it reads.
async function settled(tab) {
    await tab.locator('#main h1').first().waitFor({ state: 'attached' });
    await tab.locator('#main table, #main dl, #main ol, #main [role=grid]').first().waitFor();
}

for (const colorScheme of ['light', 'dark']) {
    test(`axe finds nothing on any page, ${colorScheme}`, async () => {
        const { samples } = await house.order('GET', `/tasks/${task}/samples`);
        const themed = await context_of({ colorScheme, bypassCSP: true,
            storageState: await context.storageState() });

        for (const target of pages_of(task, samples[0].id)) {
            const tab = await open(themed, target);

            await settled(tab);
            assert.equal(await tab.evaluate(() => document.documentElement.dataset.theme), colorScheme);
            await tab.addScriptTag({ path: axe });
            // What is not of colours is the same in both.
            const { violations } = await tab.evaluate((rules) => globalThis.axe.run({
                resultTypes: ['violations'], ...(rules ? { runOnly: rules } : {}) }),
            colorScheme === 'dark' ? ['color-contrast', 'link-in-text-block'] : null);

            assert.deepEqual(violations.map(({ id, nodes }) => `${target} ${id}: ${
                nodes.map(({ html }) => html.slice(0, 150)).join(' | ')}`), []);
            await tab.close();
        }
        await themed.close();
        assert_silent();
    });
}

test('on a phone nothing scrolls sideways, and what is touched is large enough', async () => {
    const { samples } = await house.order('GET', `/tasks/${task}/samples`);
    const phone = await context_of({ viewport: { width: 360, height: 720 }, hasTouch: true,
        isMobile: true, storageState: await context.storageState() });

    for (const target of pages_of(task, samples[0].id)) {
        const tab = await open(phone, target);

        await settled(tab);
        const found = await tab.evaluate(() => ({
            sideways: document.documentElement.scrollWidth - innerWidth,
            small: [...document.querySelectorAll('button, select, input:not([type=checkbox])')]
                .filter((one) => one.offsetParent && one.getBoundingClientRect().height < 24)
                .map((one) => one.outerHTML.slice(0, 100)),
        }));

        assert.deepEqual([target, found], [target, { sideways: 0, small: [] }]);
        await tab.close();
    }
    await phone.close();
    assert_silent();
});

test('who logs out is out, in every tab', async () => {
    await page.goto(`${house.url}/tasks`);
    await page.getByRole('heading', { name: 'History' }).waitFor();
    await page.keyboard.press('Control+k');
    await page.keyboard.type('log out');
    await page.keyboard.press('Enter');
    await page.getByLabel('Token').waitFor();
    await page.goto(`${house.url}/tasks/${task}`);
    await page.getByLabel('Token').waitFor();
    assert_silent(/status of 401/);
});
