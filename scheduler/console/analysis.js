/* SPDX-License-Identifier: Apache-2.0 */
/* analysis.js: why a call took so long: what was found, in sentences; where its time went, state by
 * state and function by function; and all of it to take away. Of a sample, of all samples of a task,
 * of a trace, or of two that are compared. */
import { html, useEffect, useMemo, useRef, useState } from './vendor/htm-preact.js';
import { query, session, use_answer } from './api.js';
import * as formats from './formats.js';
import { CallTree } from './graph/call_tree.js';
import { Flame } from './graph/flame.js';
import { HotSpots, Legend } from './graph/hot_spots.js';
import { Raw } from './graph/raw.js';
import { Sandwich } from './graph/sandwich.js';
import { Timeline } from './graph/timeline.js';
import { View } from './graph/view.js';
import { search_words } from './graph/words.js';
import { use_keys } from './keys.js';
import { Empty, Moment, Name, Search, Segments, Slow, Table, TimeBar, Trouble, copy_link, go,
    sample_parts, set_params, title } from './parts.js';

const FORMATS = [['json', 'JSON'], ['folded', 'collapsed stacks'], ['speedscope', 'speedscope'],
    ['pprof', 'pprof'], ['svg', 'SVG']];
const KINDS = ['lock', 'network', 'disk', 'sleep', 'other'];
const WORDS = { unobserved: 'not observed', running: 'on a CPU', queued: 'queued', lock: 'lock',
    network: 'network', disk: 'disk', sleep: 'asleep', other: 'waiting, cause unknown' };

/* ------------------------------------------------------------------ parts of the page */

export function Findings({ analysis }) {
    const [first, ...rest] = analysis.findings;

    if (!first) return html`<p class="hint">Nothing stands out: no wait and no function took 5 % of the
        call.</p>`;
    return html`<div class="findings"><p class="first">${formats.safe_text(first, 400)}</p>
        ${rest.length > 0 && html`<ul>${rest.map((text) => html`<li key=${text}>${
            formats.safe_text(text, 400)}</li>`)}</ul>`}</div>`;
}

/* The parts of the elapsed time; they add up to it. */
function time_parts(analysis) {
    const { tree } = analysis;

    return [['unobserved', analysis.unobserved_ms], ['running', tree.cpu_ms],
        ['queued', tree.queue_ms], ...KINDS.map((kind) => [kind, tree.waits_ms[kind] ?? 0])];
}

function Times({ analysis }) {
    const parts = time_parts(analysis).filter(([, ms]) => ms > 0);

    return html`<div class="times"><${TimeBar} parts=${parts} whole_ms=${analysis.elapsed_ms} />
        <p class="times-legend">${parts.map(([kind, ms]) => html`<span key=${kind}><i
            class=${`swatch state ${kind}`} aria-hidden="true"></i>${WORDS[kind]} <b class="figure">${
            formats.time(ms)}</b></span>`)} <span>= <b class="figure">${
            formats.time(analysis.elapsed_ms)}</b></span></p></div>`;
}

function Export({ path, name }) {
    return html`<details class="menu"><summary class="button" title="e">Export</summary><ul>${FORMATS.map(
        ([format, text]) => html`<li key=${format}><a download href=${`/api/v1${path}${
            query({ format })}`} aria-label=${`${text} of ${name}`}>${text}</a></li>`)}</ul></details>`;
}

/* ------------------------------------------------------------------ the graphs */

const VIEWS = [['flame', 'Flame', Flame], ['tree', 'Tree', CallTree], ['both', 'Both'],
    ['sandwich', 'Sandwich', Sandwich], ['raw', 'Raw', Raw]];
const COLOURS = ['module', 'function', 'state'];
const VIEW_KEYS = ['range', 'focus', 'hide', 'module', 'rec', 'zoom', 'sandwich', 'stem', 'at', 'snap',
    'q', 'colour', 'dir', 'by', 'order'];
const REPLACE_AFTER_MS = 250; /* browsers bound how often an address may change */

const of_view = (params) => Object.fromEntries(VIEW_KEYS.filter((key) => params[key])
    .map((key) => [key, params[key]]));

/* One view of the analysis for all graphs, and the address that says what it shows: a step of the
 * hand is a step of Back, typing and selecting are not. Drawn again at each of its changes. */
function use_view(json, params) {
    const view = useMemo(() => new View(json), [json]);
    const written = useRef(null);
    const restored = useRef(null); /* the view: one of the same call, read again, knows nothing */
    const [absent, set_absent] = useState([]);
    const [, draw] = useState(0);

    useEffect(() => {
        let later = null;
        const write = (replace) => {
            clearTimeout(later);
            const address = view.address();
            const turns = view.pivot >= 0 && !of_view(params_now()).sandwich
                ? { view: 'sandwich' } : {};

            written.current = JSON.stringify(address);
            set_params({ ...Object.fromEntries(VIEW_KEYS.map((key) => [key, address[key] ?? null])),
                ...turns }, { replace });
        };
        const end = view.on((what) => {
            if (what.size === 1 && what.has('hovered')) return;
            draw((times) => times + 1);
            clearTimeout(later);
            if (what.pushes) write(false);
            else later = setTimeout(write, REPLACE_AFTER_MS, true);
        });

        view.step_back = () => history.back();
        return () => {
            clearTimeout(later);
            end();
        };
    }, [view]);
    useEffect(() => {
        const asked = JSON.stringify(of_view(params));

        if (asked === written.current && restored.current === view) return;
        written.current = asked;
        restored.current = view;
        set_absent(view.restore(of_view(params)));
        written.current = JSON.stringify(of_view(params));
    }, [view, JSON.stringify(of_view(params))]);
    return { view, absent };
}

const params_now = () => Object.fromEntries(new URLSearchParams(location.search));

/* A graph of its own making within the page. */
function Mounted({ Part, view, kind }) {
    const place = useRef(null);

    useEffect(() => {
        const part = new Part(place.current, view);

        return () => part.destroy();
    }, [Part, view]);
    return html`<div ref=${place} class=${kind}></div>`;
}

function Chips({ view, absent }) {
    const chips = view.chips();

    return html`${absent.length > 0 && html`<p class="warn">The frame that this link names is not in this
        analysis.</p>`}
        ${chips.length > 0 && html`<p class="toolbar">${chips.map((chip) => html`<button class="small"
            key=${chip.words + chip.name} onClick=${() => view.remove(chip)}
            aria-label=${`Remove: ${chip.words} ${formats.safe_text(chip.name, 100)}`}>${chip.words}
            ${' '}<bdi dir="ltr">${formats.short_name(chip.name, 40)}</bdi> \u2715</button>`)}</p>`}`;
}

function Toolbar({ view, shown, show, is_comparison, has_raw }) {
    const views = VIEWS.filter(([key]) => key !== 'raw' || has_raw);
    const next = () => view.look({ colour: COLOURS[(COLOURS.indexOf(view.colour) + 1) % 3] });
    const turn = () => view.look({ is_flame: !view.is_flame });

    use_keys({ ...Object.fromEntries(views.map(([key]) => [`view-${key}`, () => show(key)])),
        direction: turn, colouring: next, 'match-next': () => view.next_match(1),
        'match-before': () => view.next_match(-1) });
    return html`<div class="toolbar sticky">
        <${Segments} label="View" value=${shown} set=${show}
            options=${views.map(([key, text]) => [key, text])} />
        <${Segments} label="Direction" value=${view.is_flame} set=${turn}
            options=${[[false, 'Icicle'], [true, 'Flame']]} />
        ${is_comparison ? html`<${Segments} label="Compared by" value=${view.by}
            set=${(by) => view.look({ by })} options=${[['time', 'time'], ['share', 'share']]} />`
            : html`<${Segments} label="Colour" value=${view.colour}
                set=${(colour) => view.look({ colour })} options=${COLOURS.map((one) => [one, one])} />`}
        <${Search} label="Search functions" placeholder="search" value=${view.query.text}
            set=${(text) => view.search(text)} />
        <span class=${view.query.problem ? 'err' : 'hint'}>${search_words(view)}</span>
        </div>`;
}

export function Graphs({ json, params }) {
    const { view, absent } = use_view(json, params);
    const has_raw = json.timeline.length > 0;
    const shown = VIEWS.some(([key]) => key === params.view) ? params.view : 'flame';
    const show = (key) => set_params({ view: key === 'flame' ? null : key }, { replace: true });
    const part = (key) => html`<${Mounted} key=${key} view=${view} kind=${`graph-place ${key}`}
        Part=${VIEWS.find(([name]) => name === key)[2]} />`;

    return html`${has_raw && html`<${Mounted} Part=${Timeline} view=${view} kind="strip-place" />`}
        <${Toolbar} view=${view} shown=${shown} show=${show} has_raw=${has_raw}
            is_comparison=${view.analysis.is_comparison} />
        <${Chips} view=${view} absent=${absent} />
        <div class="analysis"><section aria-label="Graph" tabindex="-1" data-region>
            <${Mounted} Part=${Legend} view=${view} kind="" />
            ${shown === 'both' ? html`<div class="both">${part('flame')}${part('tree')}</div>`
                : part(shown)}</section>
        <section aria-label="Hot spots" tabindex="-1" data-region><h2>Hot spots</h2>
            <${Mounted} Part=${HotSpots} view=${view} kind="graph-place spots" /></section></div>`;
}

/* ------------------------------------------------------------------ pages */

function Page({ name, answer, children, back }) {
    title(name);
    return html`<main id="main" tabindex="-1" data-region><${Slow} is_slow=${answer.is_slow} />
        ${children}
        <${Trouble} error=${answer.error} again=${answer.read} at=${answer.at} />
        ${answer.error && !answer.data && html`<p><a href=${back}>Back</a></p>`}</main>`;
}

/* To the tracing system, where the scheduler was told of one; the samples of the trace are here. */
function TraceLink({ id }) {
    const url = session.value?.trace_url?.replaceAll('{trace_id}', encodeURIComponent(id));

    return html`<a href=${`/traces/${id}`} title=${id}><code>${formats.short_id(id)}</code></a>${url &&
        html` <a href=${url} target="_blank" rel="noreferrer">in the tracing system</a>`}`;
}

function Neighbours({ sample }) {
    const { data } = use_answer(`/tasks/${sample.task}/samples?limit=100`);
    const ids = (data?.samples ?? []).map((row) => row.id);
    const at = ids.indexOf(sample.id);
    const to = (step) => ids[at + step] && `/samples/${ids[at + step]}`;
    const step = (by) => () => (at >= 0 && to(by) ? go(to(by)) : false);
    const link = (by, text, key, words) => html`<a class="button small" href=${to(by)} title=${key}
        aria-label=${words} aria-disabled=${to(by) ? undefined : 'true'}>${text}</a>`;

    use_keys({ previous: step(-1), next: step(1) });
    if (at < 0 || ids.length < 2) return null;
    return html`<span>${link(-1, '\u2039', '[', 'Previous sample')} sample ${at + 1} of ${ids.length}${' '}
        ${link(1, '\u203a', ']', 'Next sample')}</span>`;
}

export function Sample({ id, params }) {
    const sample = use_answer(`/samples/${id}`);
    const analysis = use_answer(`/samples/${id}/analysis`);
    const one = sample.data;

    return html`<${Page} name=${one?.interface ?? 'Sample'} back="/tasks" answer=${sample.error ? sample
        : analysis}>${one ? html`<header class="page-head">
            <nav aria-label="Path"><a href="/tasks">Tasks</a> \u203a <a
                href=${`/tasks/${one.task}`}><${Name} text=${one.interface} max=${60} /></a> \u203a </nav>
            <${Neighbours} sample=${one} />
            <span class="end"><${Export} path=${`/samples/${id}/analysis`} name="the sample" />
            <button title="y" onClick=${copy_link}>Copy link</button></span></header>
        <h1><${Name} text=${one.interface} max=${120} /> took ${formats.time(one.elapsed_ms)}</h1>
        <p class="hint">${one.response_code ?? 'no code'} \u00b7 <${Name} text=${one.instance} /> ${
            one.host_ip} \u00b7 <${Name} text=${one.thread} max=${30} /> (${one.thread_id})${' \u00b7 '}
            <${Moment} at=${one.at} ms /> \u00b7 trace${' '}
            <${TraceLink} id=${one.trace_id} /> \u00b7 ${
            formats.counted(one.snapshots, 'snapshot')} every ${formats.time(one.frequency_ms,
            { finest_ms: 1 })}</p>` : html`<h1>Sample</h1>`}
        ${analysis.data && analysis.is_current && html`<${Findings} analysis=${analysis.data} />
            ${analysis.data.timeline.length === 0 && html`<${Times} analysis=${analysis.data} />`}
            ${analysis.data.snapshots === 1 && html`<p class="hint">One snapshot: it shows where, not
                for how long. A shorter interval would see more.</p>`}
            <${Graphs} json=${analysis.data} params=${params} />`}<//>`;
}

export function TaskAnalysis({ id, params }) {
    const task = use_answer(`/tasks/${id}`);
    const analysis = use_answer(`/tasks/${id}/analysis`);
    const one = task.data;

    return html`<${Page} name=${one?.interface ?? 'Analysis'} back=${`/tasks/${id}`}
        answer=${task.error ? task : analysis}>
        <header class="page-head"><nav aria-label="Path"><a href="/tasks">Tasks</a> \u203a <a
            href=${`/tasks/${id}`}>${one ? html`<${Name} text=${one.interface} max=${60} />`
            : 'task'}</a> \u203a</nav><span class="end"><${Export} path=${`/tasks/${id}/analysis`}
            name="all samples" /> <button title="y" onClick=${copy_link}>Copy link</button></span></header>
        <h1>${one ? html`<${Name} text=${one.interface} max=${120} />: ` : ''}${analysis.data
            ? formats.counted(analysis.data.samples, 'sample') : 'all samples'}</h1>
        ${analysis.data && html`<p class="hint">${formats.time(analysis.data.per_call.elapsed_ms)} per
            call in the mean \u00b7 ${formats.counted(analysis.data.snapshots, 'snapshot')}</p>
            <${Findings} analysis=${analysis.data} /><${Times} analysis=${analysis.data} />
            <${Graphs} json=${analysis.data} params=${params} />`}<//>`;
}

export function Trace({ id }) {
    const answer = use_answer(`/traces/${id}`);
    const rows = answer.data?.samples ?? [];
    const columns = [
        { key: 'at', title: 'Time', cell: (row) => html`<${Moment} at=${row.at} ms />` },
        { key: 'interface', title: 'Interface', kind: 'main', cell: (row) => html`<a
            href=${`/samples/${row.id}`}><${Name} text=${row.interface} max=${100} /></a>` },
        { key: 'app', title: 'App', cell: (row) => html`<${Name} text=${row.application} max=${40} />` },
        { key: 'elapsed', title: 'ms', number: true, cell: (row) => formats.column_ms(row.elapsed_ms) },
        { key: 'where', title: 'Where the time went', kind: 'wide-bar', cell: (row) => html`<${TimeBar}
            parts=${sample_parts(row)} whole_ms=${row.elapsed_ms} />` },
    ];

    return html`<${Page} name="Trace" back="/tasks" answer=${answer}>
        <h1>Trace <code title=${id}>${formats.short_id(id)}</code></h1>
        ${answer.data && (rows.length > 0 ? html`<${Table} label="Samples of the trace"
            columns=${columns} id=${(row) => row.id}
            rows=${[...rows].sort((a, b) => (a.at < b.at ? -1 : 1))} />`
            : html`<${Empty} text="No sample of this trace is kept." />`)}<//>`;
}

/* ------------------------------------------------------------------ two compared */

function Side({ name, side, subject }) {
    const [kind, id] = subject.split(':');

    return html`<div class="card"><b>${name}</b> <a href=${kind === 'task' ? `/tasks/${id}/analysis`
        : `/samples/${id}`}>${kind} <code>${formats.short_id(id)}</code></a>${' '}
        <span class="figure">${formats.time(side.elapsed_ms)}</span> <span class="hint">${
        formats.counted(side.samples, 'sample')}, ${formats.counted(side.snapshots, 'snapshot')} every ${
        formats.time(side.frequency_ms, { finest_ms: 1 })}</span></div>`;
}

export function Diff({ params }) {
    const { base = '', other = '' } = params;
    const answer = use_answer(`/diff${query({ base, other })}`);
    const analysis = answer.data;

    return html`<${Page} name="Comparison" back="/tasks" answer=${answer}>
        <header class="page-head"><h1>Comparison</h1><span class="end">
            <button onClick=${() => set_params({ base: other, other: base })}>Swap</button>
            <button title="y" onClick=${copy_link}>Copy link</button></span></header>
        ${analysis && answer.is_current && html`<div class="sides">
            <${Side} name="base" side=${analysis.base} subject=${base} />
            <${Side} name="other" side=${analysis.other} subject=${other} />
            <p>${formats.difference(analysis.other.elapsed_ms - analysis.base.elapsed_ms)} per call.</p></div>
            <${Graphs} json=${analysis} params=${params} />`}<//>`;
}
