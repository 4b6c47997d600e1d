/* SPDX-License-Identifier: Apache-2.0 */
/* parts.js: what several pages are made of: addresses, tables, bars, counters, refusals.
 *
 * Text from outside goes through safe_text() into text nodes; there is no markup from data. */
import { html, useEffect, useMemo, useRef, useState } from './vendor/htm-preact.js';
import { may_operate, now } from './api.js';
import * as formats from './formats.js';
import { key_of, use_keys } from './keys.js';
import { use_choice } from './memory.js';

/* ------------------------------------------------------------------ addresses */

const ADDRESS_MAX = 2000;
const movers = new Set();

/* Goes to an address of the console. What is pushed can be stepped back to. */
export function go(url, { replace = false } = {}) {
    if (url === location.pathname + location.search) return;
    history[replace ? 'replaceState' : 'pushState'](null, '', url.slice(0, ADDRESS_MAX));
    for (const move of movers) move();
}

addEventListener('popstate', () => {
    for (const move of movers) move();
});

export function use_address() {
    const read = () => location.pathname + location.search;
    const [url, set_url] = useState(read);

    useEffect(() => {
        const move = () => set_url(read());

        movers.add(move);
        return () => movers.delete(move);
    }, []);
    return useMemo(() => {
        const { pathname, searchParams } = new URL(url, location.origin);

        return { path: pathname, params: Object.fromEntries(searchParams) };
    }, [url]);
}

/* This address with some parameters changed; what is null, empty or its default is left out. */
export function with_params(changes, path = location.pathname) {
    const params = new URLSearchParams(path === location.pathname ? location.search : '');

    for (const [name, value] of Object.entries(changes)) {
        if (value === null || value === undefined || value === '') params.delete(name);
        else params.set(name, value);
    }
    return path + (params.size > 0 ? `?${params}` : '');
}

export const set_params = (changes, options) => go(with_params(changes), options);

/* Clicks on links of ours stay in the page; those for a new tab, a file or elsewhere do not. */
export function on_link_click(event) {
    const link = event.target.closest?.('a[href]');

    if (!link || event.defaultPrevented || event.button !== 0 || link.target ||
        link.hasAttribute('download') || event.ctrlKey || event.metaKey || event.shiftKey ||
        event.altKey || link.origin !== location.origin || link.pathname.startsWith('/api/'))
        return;
    event.preventDefault();
    if (link.hash && link.pathname === location.pathname) {
        document.getElementById(link.hash.slice(1))?.focus();
        return;
    }
    go(link.pathname + link.search);
}

/* ------------------------------------------------------------------ small things */

export function title(text) {
    document.title = `${formats.safe_text(text, 100)} \u00b7 stakeout`;
}

/* Tells who cannot see it; one voice for all. */
export function say(text) {
    const voice = document.getElementById('voice');

    if (voice) voice.textContent = text;
}

const toasts = new Set();
export function toast(text, { is_error = false } = {}) {
    for (const show of toasts) show({ text, is_error, id: Date.now() + Math.random() });
}

export function Toasts() {
    const [shown, set_shown] = useState([]);
    const drop = (id) => set_shown((all) => all.filter((one) => one.id !== id));

    useEffect(() => {
        const show = (one) => {
            set_shown((all) => [...all.slice(-2), one]);
            if (!one.is_error) setTimeout(drop, 6000, one.id);
        };

        toasts.add(show);
        return () => toasts.delete(show);
    }, []);
    return html`<div class="toasts" role="status">${shown.map(({ text, is_error, id }) => html`
        <p key=${id} class=${is_error ? 'toast err' : 'toast'}>${text}
            <button class="small plain" aria-label="Close this message"
                onClick=${() => drop(id)}>\u2715</button></p>`)}</div>`;
}

export async function copy_link() {
    try {
        await navigator.clipboard.writeText(location.href);
        toast('The link is copied.');
    } catch {
        toast('The browser did not let us copy; the address of this page is the link.',
            { is_error: true });
    }
}

/* Draws again every so often, with the scheduler's clock. */
export function use_now(every_ms = 500) {
    const [at, set_at] = useState(now);

    useEffect(() => {
        const timer = setInterval(() => {
            if (!document.hidden) set_at(now());
        }, every_ms);

        return () => clearInterval(timer);
    }, [every_ms]);
    return at;
}

export function Moment({ at, ms = false }) {
    const utc = use_choice('utc');

    if (!at) return formats.time(null);
    const text = ms ? `${formats.day(at, { utc, now: now() })} ${formats.clock(at, { utc, ms })}`
        : formats.moment(at, { utc, now: now() });

    return html`<time datetime=${at} title=${new Date(at).toISOString()}>${text}</time>`;
}

/* A name that somebody else chose: never interpreted, its directions kept apart. */
export function Name({ text, max = 200 }) {
    return html`<bdi dir="ltr" class="name" title=${formats.safe_text(text, 1000)}>${
        formats.safe_text(text, max)}</bdi>`;
}

export function Trouble({ error, again, at }) {
    if (!error) return null;
    return html`<div class="trouble" role="alert"><p>${error.message}</p>
        ${at > 0 && html`<p class="hint">Shown as of ${formats.clock(at)}.</p>`}
        ${again && html`<button class="small" onClick=${again}>Try again</button>`}</div>`;
}

export function Empty({ text, children }) {
    return html`<div class="empty"><p>${text}</p>${children}</div>`;
}

export function Slow({ is_slow }) {
    return html`<div class=${is_slow ? 'slow on' : 'slow'} aria-hidden="true"></div>`;
}

/* A button that an operator alone may press; a viewer sees why not. */
export function Act({ onClick, name, children, title: hint, primary, small, disabled, why }) {
    const may = may_operate();
    const reason = may ? why : 'Your token is a viewer\u2019s: it may look and not change.';
    const key = name ? ` (${key_of(name)})` : '';

    return html`<button type="button"
        class=${`${primary ? 'primary' : ''} ${small ? 'small' : ''}`}
        aria-disabled=${!may || disabled ? 'true' : undefined}
        title=${!may || disabled ? reason : (hint ?? '') + key || undefined}
        onClick=${(event) => (may && !disabled ? onClick(event) : reason && toast(reason))}>${
            children}</button>`;
}

export function Segments({ label, options, value, set }) {
    return html`<div class="segments" role="group" aria-label=${label}>${options.map(
        ([option, text, hint]) => html`<button type="button" key=${option} class="small"
            title=${hint} aria-pressed=${option === value ? 'true' : 'false'}
            onClick=${() => set(option)}>${text}</button>`)}</div>`;
}

export function State({ state }) {
    return html`<span class=${`chip state-${state.toLowerCase()}`}>${state}</span>`;
}

/* ------------------------------------------------------------------ a task as it goes */

/* By the scheduler's clock. Its last minute and its end are spoken. */
export function Countdown({ until, big = false }) {
    const left_ms = new Date(until).getTime() - use_now();
    const spoken = useRef('');
    const words = left_ms <= 0 ? 'The task\u2019s time is over.'
        : left_ms <= 60000 ? 'One minute is left.' : '';

    useEffect(() => {
        if (words && words !== spoken.current) say(words);
        spoken.current = words;
    }, [words]);
    return html`<span role="timer" class=${big ? 'countdown big' : 'countdown'}>${
        formats.countdown(left_ms)} left</span>`;
}

export function Cap({ taken, cap, pending = 0 }) {
    const text = `${taken} of ${cap}`;
    const cells = [];

    for (let i = 0; cap <= 20 && i < cap; i++) {
        const kind = i < taken ? 'taken' : i < taken + pending ? 'pending' : '';

        cells.push(html`<rect class=${kind} x=${i * 10 + 0.5} y="0.5" width="7" height="9" />`);
    }
    return html`<span class="cap"><span class="figure">${text}</span>${cap <= 20
        ? html`<svg class="cells" aria-hidden="true" width=${cap * 10} height="10">${cells}</svg>`
        : html`<svg class="cells" aria-hidden="true" width="120" height="10">
            <rect x="0.5" y="0.5" width="119" height="9" />
            <rect class="taken" x="0.5" y="0.5" width=${(119 * Math.min(taken, cap)) / cap}
                height="9" /></svg>`}</span>`;
}

const sum = (object) => Object.values(object ?? {}).reduce((total, count) => total + count, 0);

function Part({ kind, count, whole, children, href }) {
    const width = whole > 0 ? (100 * count) / whole : 0;

    return html`<a class=${`part ${kind} ${count === 0 ? 'none' : ''}`} href=${href}
        style=${{ flexGrow: Math.max(width, 0.01), flexBasis: 0 }}
        title=${`${formats.exact_count(count)} ${children}`}>${
            formats.count(count)} ${children}</a>`;
}

/* What became of each call, in two rows that add up: all that was seen; and of it, drawn large,
 * those that ran past the threshold. */
export function Funnel({ totals, threshold_ms, task }) {
    const { seen, below, triggered, sampled, over_cap, pending } = totals;
    const dropped = sum(totals.drops);
    const log = (event) => `/tasks/${task}?tab=log&event=${event}`;
    const adds_up = seen === below + triggered &&
        triggered === sampled + over_cap + dropped + pending;

    return html`<div class="funnel">
        <p><b class="figure">${formats.count(seen)}</b> seen
            <span class="end"><b class="figure">${formats.count(triggered)}</b> triggered</span></p>
        <div class="funnel-bar"><${Part} kind="below" count=${below} whole=${seen}
                href=${`/tasks/${task}?tab=ledger`}>below ${formats.time(threshold_ms, { finest_ms: 1 })}<//>
            <${Part} kind="over" count=${triggered} whole=${seen}
                href=${`/tasks/${task}`}>triggered<//></div>
        <div class="funnel-bar large">
            <${Part} kind="sampled" count=${sampled} whole=${triggered}
                href=${`/tasks/${task}`}>sampled<//>
            <${Part} kind="capped" count=${over_cap} whole=${triggered}
                href=${log('over-cap')}>over cap<//>
            <${Part} kind="dropped" count=${dropped} whole=${triggered}
                href=${log('dropped')}>dropped<//>
            <${Part} kind="pending" count=${pending} whole=${triggered}
                href=${`/tasks/${task}?tab=ledger`}>pending<//></div>
        ${!adds_up && html`<p class="trouble">The counts of this moment do not add up: an instance
            has told a part of them. The next pulse, within 10 s, brings the rest.</p>`}</div>`;
}

/* ------------------------------------------------------------------ time of a call */

const STATE_WORDS = { unobserved: 'not observed', running: 'on a CPU', queued: 'queued', lock: 'lock',
    network: 'network', disk: 'disk', sleep: 'asleep', other: 'waiting' };

/* Parts of one call in order, as wide as they are long; the largest says its name. */
export function TimeBar({ parts, whole_ms }) {
    const shown = parts.filter(([, ms]) => ms > 0);
    const largest = shown.reduce((best, part) => (part[1] > (best?.[1] ?? 0) ? part : best), null);
    const words = shown.map(([kind, ms]) => `${STATE_WORDS[kind]} ${formats.time(ms)}`).join(', ');

    return html`<span class="timebar" role="img" aria-label=${words} title=${words}>${shown.map(
        ([kind, ms]) => html`<span key=${kind} class=${`state ${kind}`}
            style=${{ flexGrow: ms, flexBasis: 0 }}>${kind === largest[0] && ms > whole_ms * 0.3
                ? `${STATE_WORDS[kind]} ${formats.time(ms)}` : ''}</span>`)}</span>`;
}

export const sample_parts = (sample) => [
    ['unobserved', sample.elapsed_ms - sample.listened_ms],
    ['running', sample.running_ms],
    ['queued', sample.queued_ms],
    ['other', sample.waiting_ms],
];

/* ------------------------------------------------------------------ how long calls took */

function bucket_words(bucket) {
    return bucket.to_ms === null ? `above ${formats.time(bucket.from_ms)}`
        : `${formats.time(bucket.from_ms)} to ${formats.time(bucket.to_ms)}`;
}

export function Sparkline({ buckets, p99_ms, max_ms }) {
    const most = Math.max(1, ...buckets.map((bucket) => bucket.calls));
    const mode = buckets.find((bucket) => bucket.calls === most);
    const words = mode ? `most ${bucket_words(mode)}, slowest ${formats.time(max_ms)}` : 'no calls';

    return html`<svg class="sparkline" width="100" height="20" role="img" aria-label=${words}>
        <title>${words}</title>${buckets.map((bucket, i) => {
            const height = bucket.calls > 0 ? Math.max(2, Math.round((20 * bucket.calls) / most)) : 0;
            const is_slow = p99_ms !== null && bucket.from_ms >= p99_ms;

            return height > 0 && html`<rect key=${i} class=${is_slow ? 'slow' : ''} x=${i * 5}
                y=${20 - height} width="4" height=${height} />`;
        })}<rect class="ground" x="0" y="19.5" width="100" height="0.5" /></svg>`;
}

/* Of the last 15 minutes: [ms, how many calls took at most that], rising, from all that is known. */
function known_points({ buckets, windows }) {
    const last = windows[windows.length - 1];
    const points = [[0.1, 0]];
    let below = 0;

    for (const bucket of buckets) {
        below += bucket.calls;
        if (bucket.to_ms !== null) points.push([bucket.to_ms, below]);
    }
    if (last.calls === 0) return points;
    for (const [ms, part] of [[last.p50_ms, 0.5], [last.p90_ms, 0.9], [last.p99_ms, 0.99],
        [last.max_ms, 1]]) {
        points.push([ms, part * below]);
    }
    return points.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
}

/* About how many calls of the last 15 minutes took longer: between two known points the calls are
 * taken to be spread evenly on the logarithmic scale. */
export function calls_beyond(interface_, threshold_ms) {
    const points = known_points(interface_);
    const last = interface_.windows[interface_.windows.length - 1];
    const all = interface_.buckets.reduce((total, bucket) => total + bucket.calls, 0);
    let before = points[0];

    if (all === 0 || threshold_ms >= last.max_ms) return 0;
    for (const point of points) {
        if (point[0] >= threshold_ms) {
            const part = point[0] === before[0] ? 0
                : Math.log(threshold_ms / before[0]) / Math.log(point[0] / before[0]);

            return Math.max(0, all - (before[1] + part * Math.max(0, point[1] - before[1])));
        }
        before = point[1] >= before[1] ? point : [point[0], before[1]];
    }
    return 0;
}

/* ------------------------------------------------------------------ tables */

const WINDOW_FROM = 200;
const ROWS_AROUND = 20;

/* Of many rows of one height, those that are in sight. */
function use_window(body, count) {
    const [range, set_range] = useState([0, 60]);

    useEffect(() => {
        if (count <= WINDOW_FROM) return undefined;
        const look = () => {
            const box = body.current?.getBoundingClientRect();
            const height = box ? box.height / count : 0;

            if (!height) return;
            const first = Math.max(0, Math.floor(-box.top / height) - ROWS_AROUND);
            const last = Math.ceil((innerHeight - box.top) / height) + ROWS_AROUND;

            set_range((old) => Math.abs(old[0] - first) > ROWS_AROUND / 2 ||
                Math.abs(old[1] - last) > ROWS_AROUND / 2 ? [first, last] : old);
        };

        look();
        addEventListener('scroll', look, { passive: true });
        addEventListener('resize', look);
        return () => {
            removeEventListener('scroll', look);
            removeEventListener('resize', look);
        };
    }, [count]);
    return count <= WINDOW_FROM ? [0, count] : [Math.min(range[0], count), Math.min(range[1], count)];
}

function compare(a, b) {
    if (a === b) return 0;
    if (a === null || a === undefined) return -1;
    if (b === null || b === undefined) return 1;
    return a < b ? -1 : 1;
}

/* "name" rising, "-name" falling. */
export function sorted(rows, columns, sort) {
    const falls = sort.startsWith('-');
    const column = columns.find(({ key }) => key === sort.replace('-', ''));

    if (!column?.value) return rows;
    return [...rows].sort((a, b) => (falls ? -1 : 1) * compare(column.value(a), column.value(b)));
}

function Head({ column, sort, set_sort }) {
    const { key, title: text, number, value } = column;
    const is_sorted = sort?.replace('-', '') === key;
    const falls = is_sorted && sort.startsWith('-');
    const next = is_sorted ? (falls ? key : `-${key}`) : number ? `-${key}` : key;

    return html`<th scope="col" class=${number ? 'number' : ''}
        aria-sort=${is_sorted ? (falls ? 'descending' : 'ascending') : undefined}>${
        set_sort && value ? html`<button type="button" class="head" onClick=${() => set_sort(next)}>
            ${text}<span aria-hidden="true">${is_sorted ? (falls ? ' \u2193' : ' \u2191') : ''}</span>
            </button>` : text || html`<span class="unseen">${column.says}</span>`}</th>`;
}

/* columns: { key, title, number, cell(row), value(row) if it sorts, wide: only where there is room }.
 * The first link of a row is the row, for the keys. */
export function Table({ label, columns, rows, id, sort, set_sort, on_watch, on_pick, current }) {
    const body = useRef(null);
    const [first, last] = use_window(body, rows.length);
    const links = () => [...(body.current?.querySelectorAll('tr[data-row]') ?? [])].map(
        (row) => row.querySelector('a, button')).filter(Boolean);
    const row_of = (element) => element?.closest?.('tr[data-row]');

    const move = (step) => (event) => {
        const all = links();
        const at = all.findIndex((link) => row_of(link) === row_of(document.activeElement));
        const is_arrow = event.key.startsWith('Arrow');

        if (all.length === 0 || (is_arrow && at < 0)) return false;
        const to = at < 0 ? 0 : Math.min(Math.max(at + step, 0), all.length - 1);

        all[to].focus();
        return true;
    };
    const on_row = (act) => () => {
        const row = row_of(document.activeElement);

        if (!row || !body.current?.contains(row) || !act) return false;
        act(rows[Number(row.dataset.row)]);
        return true;
    };

    use_keys({ down: move(1), up: move(-1), first: move(-Infinity), last: move(Infinity),
        watch: on_row(on_watch), pick: on_row(on_pick) });
    return html`<div class="table-box"><table aria-label=${label} aria-rowcount=${rows.length + 1}>
        <thead><tr>${columns.map((column) => html`<${Head} key=${column.key} column=${column}
            sort=${sort} set_sort=${set_sort} />`)}</tr></thead>
        <tbody ref=${body}>
            ${first > 0 && html`<tr class="gap" aria-hidden="true"><td colspan=${columns.length}
                style=${{ height: `calc(${first} * (var(--row) + 1px))` }}></td></tr>`}
            ${rows.slice(first, last).map((row, i) => html`<tr key=${id(row)} data-row=${first + i}
                aria-rowindex=${first + i + 2} class=${id(row) === current ? 'current' : ''}>${
                columns.map((column) => html`<td key=${column.key} data-label=${column.title}
                    class=${`${column.number ? 'number' : ''} ${column.wide ? 'wide' : ''} ${
                        column.kind ?? ''}`}>${column.cell(row)}</td>`)}</tr>`)}
            ${last < rows.length && html`<tr class="gap" aria-hidden="true"><td
                colspan=${columns.length} style=${{ height:
                    `calc(${rows.length - last} * (var(--row) + 1px))` }}></td></tr>`}
        </tbody></table></div>`;
}

export function Search({ value, set, label, placeholder }) {
    const field = useRef(null);

    use_keys({ search: () => field.current?.focus() });
    return html`<label class="search"><span class="unseen">${label}</span>
        <input ref=${field} type="search" placeholder=${placeholder} value=${value}
            autocomplete="off" spellcheck=${false} title="/"
            onInput=${(event) => set(event.target.value)} /></label>`;
}

/* Words are all to be there, in any order, whatever their case. */
export function matches(text, words) {
    const low = text.toLowerCase();

    return words.toLowerCase().split(/\s+/).every((word) => low.includes(word));
}
