/* SPDX-License-Identifier: Apache-2.0 */
/* analysis.js: why a call took so long: what was found, in sentences; where its time went, state by
 * state and function by function; and all of it to take away. Of a sample, of all samples of a task,
 * of a trace, or of two that are compared. */
import { html, useState } from './vendor/htm-preact.js';
import { query, use_answer } from './api.js';
import * as formats from './formats.js';
import { use_keys } from './keys.js';
import { Empty, Moment, Name, Search, Segments, Slow, Table, TimeBar, Trouble, copy_link, go, matches,
    sample_parts, set_params, sorted, title } from './parts.js';

const FORMATS = [['json', 'JSON'], ['folded', 'collapsed stacks'], ['speedscope', 'speedscope'],
    ['pprof', 'pprof'], ['svg', 'SVG']];
const KINDS = ['lock', 'network', 'disk', 'sleep', 'other'];
const WORDS = { unobserved: 'not observed', running: 'on a CPU', queued: 'queued', lock: 'lock',
    network: 'network', disk: 'disk', sleep: 'asleep', other: 'waiting, cause unknown' };

/* ------------------------------------------------------------------ parts of the page */

export function frame_name(frame) {
    if (frame.kind === 'marker') return frame.function ?? 'cut';
    const name = frame.class ? `${frame.class}.${frame.function}` : frame.function;

    if (name) return name;
    return frame.module ? `${formats.module_name(frame.module)}+0x${(frame.offset ?? 0).toString(16)}`
        : 'unknown';
}

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
        <p class="legend">${parts.map(([kind, ms]) => html`<span key=${kind}><i
            class=${`swatch state ${kind}`} aria-hidden="true"></i>${WORDS[kind]} <b class="figure">${
            formats.time(ms)}</b></span>`)} <span>= <b class="figure">${
            formats.time(analysis.elapsed_ms)}</b></span></p></div>`;
}

function Export({ path, name }) {
    return html`<details class="menu"><summary class="button" title="e">Export</summary><ul>${FORMATS.map(
        ([format, text]) => html`<li key=${format}><a download href=${`/api/v1${path}${
            query({ format })}`} aria-label=${`${text} of ${name}`}>${text}</a></li>`)}</ul></details>`;
}

/* ------------------------------------------------------------------ hot spots */

function place_of(frame) {
    if (frame.file) return formats.short_path(frame.file, frame.line);
    return frame.module ? formats.module_name(frame.module) : '';
}

function hot_columns(analysis, whole_ms) {
    const frame = (row) => analysis.frames[row.frame];
    const figure = (key, text) => ({ key, title: text, number: true, value: (row) => row[key],
        cell: (row) => formats.column_ms(row[key]) });

    return [
        { key: 'function', title: 'Function', kind: 'main', value: (row) => frame_name(frame(row)),
            cell: (row) => html`<bdi dir="ltr" class="code name" title=${formats.safe_text(
                frame_name(frame(row)), 1000)}>${formats.short_name(frame_name(frame(row)), 72)}</bdi>` },
        figure('self_ms', 'Self ms'), figure('total_ms', 'Total ms'),
        { key: 'share', title: 'Of listened', number: true, value: (row) => row.total_ms,
            cell: (row) => formats.share(row.total_ms, whole_ms) },
        { key: 'place', title: 'Where', kind: 'code', wide: true, value: (row) => place_of(frame(row)),
            cell: (row) => html`<bdi dir="ltr" title=${formats.safe_text(frame(row).file ??
                frame(row).module ?? '', 400)}>${place_of(frame(row))}</bdi>` },
    ];
}

export function HotSpots({ analysis, params }) {
    const [by, set_by] = useState('function');
    const all = by === 'line' ? analysis.hot_lines : analysis.hot;
    const whole_ms = analysis.listened_ms;
    const columns = hot_columns(analysis, whole_ms);
    const text_of = (row) => `${frame_name(analysis.frames[row.frame])} ${
        place_of(analysis.frames[row.frame])}`;
    const rows = all.filter((row) => matches(text_of(row), params.q ?? ''));
    const sort = params.sort ?? '-self_ms';

    return html`<section aria-label="Hot spots"><div class="toolbar"><h2>Hot spots</h2>
        <${Segments} label="By" value=${by} set=${set_by}
            options=${[['function', 'by function'], ['line', 'by line']]} />
        <${Search} label="Search functions" placeholder="search" value=${params.q ?? ''}
            set=${(q) => set_params({ q }, { replace: true })} />
        <span class="hint">${rows.length < all.length ? `${formats.count(rows.length)} of ` : ''}${
            formats.counted(all.length, by)}</span></div>
        ${rows.length > 0 ? html`<${Table} label="Hot spots" columns=${columns}
            rows=${sorted(rows, columns, sort)} id=${(row) => row.frame} sort=${sort}
            set_sort=${(key) => set_params({ sort: key === '-self_ms' ? null : key },
                { replace: true })} />`
            : html`<${Empty} text=${`No function matches '${formats.safe_text(params.q ?? '', 60)}'.`} />`}
        </section>`;
}

/* ------------------------------------------------------------------ pages */

function Page({ name, answer, children, back }) {
    title(name);
    return html`<main id="main" tabindex="-1" data-region><${Slow} is_slow=${answer.is_slow} />
        ${children}
        <${Trouble} error=${answer.error} again=${answer.read} at=${answer.at} />
        ${answer.error && !answer.data && html`<p><a href=${back}>Back</a></p>`}</main>`;
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
            <${Moment} at=${one.at} ms /> \u00b7 trace <a href=${`/traces/${one.trace_id}`}
            title=${one.trace_id}><code>${formats.short_id(one.trace_id)}</code></a> \u00b7 ${
            formats.counted(one.snapshots, 'snapshot')} every ${formats.time(one.frequency_ms,
            { finest_ms: 1 })}</p>` : html`<h1>Sample</h1>`}
        ${analysis.data && analysis.is_current && html`<${Findings} analysis=${analysis.data} />
            <${Times} analysis=${analysis.data} />
            ${analysis.data.snapshots === 1 && html`<p class="hint">One snapshot: it shows where, not
                for how long. A shorter interval would see more.</p>`}
            <${HotSpots} analysis=${analysis.data} params=${params} />`}<//>`;
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
            <${HotSpots} analysis=${analysis.data} params=${params} />`}<//>`;
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
        { key: 'where', title: 'Where the time went', kind: 'bar', cell: (row) => html`<${TimeBar}
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

function diff_columns(analysis) {
    const frame = (row) => analysis.frames[row.frame];
    const change = (row) => row.other_ms - row.base_ms;
    const is_noise = (row) => Math.abs(change(row)) <= analysis.noise_ms;

    return [
        { key: 'function', title: 'Function', kind: 'main', value: (row) => frame_name(frame(row)),
            cell: (row) => html`<bdi dir="ltr" class="code name" title=${formats.safe_text(
                frame_name(frame(row)), 1000)}>${formats.short_name(frame_name(frame(row)), 72)}</bdi>` },
        { key: 'base', title: 'base ms', number: true, value: (row) => row.base_ms,
            cell: (row) => formats.column_ms(row.base_ms) },
        { key: 'other', title: 'other ms', number: true, value: (row) => row.other_ms,
            cell: (row) => formats.column_ms(row.other_ms) },
        { key: 'difference', title: 'Difference', number: true, value: (row) => Math.abs(change(row)),
            cell: (row) => html`<span class=${is_noise(row) ? 'noise' : change(row) > 0 ? 'more'
                : 'less'}>${formats.difference(change(row))}</span>` },
        { key: 'share', title: 'Share of its side', number: true, wide: true,
            cell: (row) => `${formats.share(row.base_ms, analysis.base.listened_ms)} \u2192 ${
                formats.share(row.other_ms, analysis.other.listened_ms)}` },
    ];
}

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
            <p>${formats.difference(analysis.other.elapsed_ms - analysis.base.elapsed_ms)} per call;
                differences within ${formats.time(analysis.noise_ms, { finest_ms: 1 })} say nothing.</p></div>
            <${Table} label="Functions" columns=${diff_columns(analysis)} id=${(row) => row.frame}
                rows=${sorted(analysis.hot, diff_columns(analysis), params.sort ?? '-difference')}
                sort=${params.sort ?? '-difference'}
                set_sort=${(sort) => set_params({ sort }, { replace: true })} />`}<//>`;
}
