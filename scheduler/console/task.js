/* SPDX-License-Identifier: Apache-2.0 */
/* task.js: one task: what became of every call, its samples, its settings, its log, its ledger. */
import { html, useEffect, useRef, useState } from './vendor/htm-preact.js';
import { ask, query, use_answer, use_news } from './api.js';
import * as formats from './formats.js';
import { use_keys } from './keys.js';
import { Act, Cap, Countdown, Empty, Funnel, Moment, Name, Slow, State, Table, TimeBar, Trouble, go,
    sample_parts, say, set_params, title, with_params } from './parts.js';
import { Cancel, clone_of, extend, has_ended, use_ledger } from './tasks.js';

const TABS = [['samples', 'Samples'], ['task', 'Task'], ['log', 'Log'], ['ledger', 'Ledger']];
const LOG_PAGE = 1000;
const SAMPLE_PAGE = 100;

/* All pages of a list that is bounded by the API: 100 samples, 10,000 events. */
async function all_pages(path, name, limit, signal) {
    const rows = [];
    let cursor = null;

    do {
        const page = await ask(path + query({ limit, cursor }), signal);

        rows.push(...page[name]);
        cursor = page.next;
    } while (cursor);
    return rows;
}

function use_list(path, name, limit, is_due) {
    const [state, set_state] = useState({ rows: null, error: null });
    const reading = useRef(null);
    const read = async () => {
        const mine = new AbortController();

        reading.current?.abort();
        reading.current = mine;
        try {
            const rows = await all_pages(path, name, limit, mine.signal);

            if (reading.current === mine) set_state({ rows, error: null });
        } catch (error) {
            if (reading.current === mine) set_state((old) => ({ ...old, error }));
        }
    };

    useEffect(() => {
        read();
        return () => {
            reading.current?.abort();
            reading.current = null;
        };
    }, [path]);
    use_news((type, value) => {
        if (type === 'fresh' || is_due(type, value)) read();
    });
    return { ...state, read };
}

/* ------------------------------------------------------------------ samples */

function sample_columns(picked, pick) {
    return [
        { key: 'pick', title: '', says: 'Pick for comparison', cell: (row) => html`<input type="checkbox"
            aria-label=${`Pick the sample of ${formats.time(row.elapsed_ms)}`}
            checked=${picked.includes(row.id)} onChange=${() => pick(row)} />` },
        { key: 'elapsed', title: 'ms', number: true, value: (row) => row.elapsed_ms,
            cell: (row) => html`<a href=${`/samples/${row.id}`}>${formats.column_ms(row.elapsed_ms)}</a>${
                row.running && html` <b class="hint">running</b>`}` },
        { key: 'where', title: 'Where the time went', kind: 'wide-bar', cell: (row) => html`<${TimeBar}
            parts=${sample_parts(row)} whole_ms=${row.elapsed_ms} />` },
        { key: 'at', title: 'Time', cell: (row) => html`<${Moment} at=${row.at} ms />` },
        { key: 'code', title: 'Code', number: true, cell: (row) => row.response_code ??
            formats.time(null) },
        { key: 'thread', title: 'Thread', wide: true, cell: (row) => html`<${Name} text=${row.thread}
            max=${24} />` },
        { key: 'ip', title: 'IP', wide: true, cell: (row) => row.host_ip },
        { key: 'snapshots', title: 'Snapshots', number: true, wide: true,
            cell: (row) => formats.count(row.snapshots) },
        { key: 'trace', title: 'Trace', wide: true, cell: (row) => html`<a href=${
            `/traces/${row.trace_id}`} title=${row.trace_id}><code>${
            formats.short_id(row.trace_id)}</code></a>` },
    ];
}

function NoSamples({ task, ledger, open_watch }) {
    const slowest = Math.max(0, ...(ledger?.instances ?? []).map((row) => row.slowest_below_ms));
    const lower = slowest >= 60 ? Math.max(50, Math.floor((slowest * 0.9) / 10) * 10) : null;
    const near = ledger?.nearest?.[0];

    return html`<${Empty} text=${ledger?.verdict ?? 'No samples yet.'}>
        ${near && html`<${Act} small onClick=${() => open_watch({ ...clone_of(task),
            interface: near.interface })}>Watch <${Name} text=${near.interface} max=${60} /><//>`}
        ${!near && lower && html`<${Act} small onClick=${() => open_watch({ ...clone_of(task),
            threshold_ms: lower })}>Clone with a threshold of ${formats.time(lower)}<//>`}<//>`;
}

/* Who waits for the first sample has it under the fingers, unless the focus is somewhere already. */
function focus_first() {
    const is_idle = [document.body, document.getElementById('main')].includes(document.activeElement);

    if (is_idle) document.querySelector('#main a[href^="/samples/"]')?.focus();
}

function Samples({ task, ledger, params, open_watch }) {
    const { rows, error, read } = use_list(`/tasks/${task.id}/samples`, 'samples', SAMPLE_PAGE,
        (type, value) => type === 'sample' && value.task === task.id);
    const picked = (params.pick ?? '').split(',').filter(Boolean);
    const seen = useRef(has_ended(task) ? null : 0);
    const pick = ({ id }) => set_params({ pick: (picked.includes(id)
        ? picked.filter((one) => one !== id) : [...picked, id].slice(-2)).join(',') },
    { replace: true });
    const compare = () => picked.length === 2 && go(`/diff${query({
        base: `sample:${picked[0]}`, other: `sample:${picked[1]}` })}`);

    use_keys({ analyse: () => rows?.length > 0 && go(`/tasks/${task.id}/analysis`),
        compare: () => (picked.length === 2 ? compare() : false) });
    useEffect(() => {
        if (rows && seen.current !== null && rows.length > seen.current) {
            const last = rows[rows.length - 1];

            say(`Sample ${rows.length}: ${formats.time(last.elapsed_ms)}.`);
            if (seen.current === 0) focus_first();
        }
        seen.current = rows?.length ?? null;
    }, [rows]);
    if (!rows) return html`<${Trouble} error=${error} again=${read} />`;
    if (rows.length === 0)
        return html`<${NoSamples} task=${task} ledger=${ledger} open_watch=${open_watch} />`;
    return html`<${Trouble} error=${error} again=${read} />
        <p class="toolbar"><a class="button" href=${`/tasks/${task.id}/analysis`} title="a">Analyse all${' '}
            ${rows.length}</a> ${picked.length === 2 ? html`<button onClick=${compare} title="c">Compare 2
            picked</button>` : html`<span class="hint">Pick two to compare them.</span>`}</p>
        <${Table} label="Samples" columns=${sample_columns(picked, pick)} rows=${rows}
            id=${(row) => row.id} on_pick=${pick} />`;
}

/* ------------------------------------------------------------------ settings */

function Settings({ task }) {
    const from = task.threshold_from === 'ms' ? 'as given'
        : `${task.threshold_from} of the 15 minutes before`;
    const rows = [
        ['Application', html`<${Name} text=${task.application} />`],
        ['Interface', html`<${Name} text=${task.interface} max=${512} />`],
        ['Duration', `${task.duration_min} min`],
        ['Trigger threshold', `${formats.time(task.threshold_ms, { finest_ms: 1 })}, ${from}`],
        ['Frequency', `every ${formats.time(task.frequency_ms, { finest_ms: 1 })}`],
        ['Sample cap', task.sample_cap],
        ['Instances', task.instances.length ? task.instances.map((name) =>
            html`<${Name} text=${name} /> `) : 'all'],
        ['Lookback', task.lookback ? 'on' : 'off'],
        ['Created', html`<${Moment} at=${task.created} ms />`],
        ['Started', html`<${Moment} at=${task.started} ms />`],
        ['Ends', html`<${Moment} at=${task.ends} ms />`],
        ['Ended', html`<${Moment} at=${task.ended} ms />`],
        ['Author', html`<${Name} text=${task.author} />`],
        ['Note', task.note ? html`<${Name} text=${task.note} max=${500} />` : formats.time(null)],
        ['Id', html`<code>${task.id}</code>`],
    ];

    return html`<dl class="settings">${rows.map(([name, value]) => html`<div key=${name}><dt>${name}</dt>
        <dd>${value}</dd></div>`)}</dl>`;
}

/* ------------------------------------------------------------------ log */

function Log({ task, params }) {
    const { rows, error, read } = use_list(`/tasks/${task.id}/log`, 'events', LOG_PAGE,
        (type, value) => (type === 'task' && value.id === task.id) ||
            (type === 'sample' && value.task === task.id));
    const is_live = !has_ended(task);

    useEffect(() => {
        const timer = is_live ? setInterval(() => !document.hidden && read(), 3000) : null;

        return () => clearInterval(timer);
    }, [is_live, task.id]);
    if (!rows) return html`<${Trouble} error=${error} again=${read} />`;
    const distinct = (name) => [...new Set(rows.map((row) => row[name]).filter(Boolean))].sort();
    const shown = rows.filter((row) => (!params.event || row.event === params.event) &&
        (!params.instance || row.instance === params.instance));
    const pick = (name, label) => html`<label><span class="unseen">${label}</span>
        <select value=${params[name] ?? ''} onChange=${(event) => set_params({
            [name]: event.target.value }, { replace: true })}><option value="">every ${
            label.toLowerCase()}</option>${[...new Set([...distinct(name), params[name]])]
            .filter(Boolean).map((value) => html`<option key=${value} value=${value}>${
                formats.safe_text(value, 60)}</option>`)}</select></label>`;

    return html`<${Trouble} error=${error} again=${read} />
        <p class="toolbar">${pick('event', 'Event')} ${pick('instance', 'Instance')}
            <span class="hint">${formats.counted(shown.length, 'event')}${shown.length < rows.length &&
                ` of ${formats.count(rows.length)}`}</span></p>
        ${shown.length === 0 ? html`<${Empty} text="No such event." />` : html`
        <ol class="log" tabindex="0" aria-label="Log">${shown.map((row, i) => html`<li key=${i}>
            <span class="at"><${Moment} at=${row.at} ms /></span> <b>${row.event}</b>
            ${row.instance && html` <${Name} text=${row.instance} max=${60} />`} ${
            formats.safe_text(row.detail, 400)}${row.count > 1 &&
                html` <b class="figure">\u00d7 ${formats.count(row.count)}</b>`}</li>`)}</ol>`}`;
}

/* ------------------------------------------------------------------ ledger */

const reasons = (drops) => Object.entries(drops).map(([reason, count]) =>
    `${reason} ${formats.count(count)}`).join(', ') || '0';

function ledger_columns(task) {
    const to_log = (row, event, text) => (text === '0' ? '0' : html`<a href=${
        `/tasks/${task.id}${query({ tab: 'log', event, instance: row.instance })}`}>${text}</a>`);
    const figure = (key, text) => ({ key, title: text, number: true,
        cell: (row) => formats.count(row[key]) });

    return [
        { key: 'instance', title: 'Instance', kind: 'main', cell: (row) => html`<a href=${`/tasks/${
            task.id}${query({ tab: 'log', instance: row.instance })}`}><${Name} text=${row.instance}
            max=${60} /></a> <span class="hint">${row.host_ip}${row.gone ? ', gone' : ''}</span>
            ${row.refused && html`<p class="err">${formats.safe_text(row.refused)}</p>`}` },
        { key: 'delivered', title: 'Delivered', wide: true,
            cell: (row) => html`<${Moment} at=${row.delivered_at} ms />` },
        figure('seen', 'Seen'), figure('below', 'Below'), figure('triggered', 'Triggered'),
        figure('sampled', 'Sampled'),
        { key: 'over_cap', title: 'Over cap', number: true,
            cell: (row) => to_log(row, 'over-cap', formats.count(row.over_cap)) },
        figure('pending', 'Pending'),
        { key: 'drops', title: 'Drops', cell: (row) => to_log(row, 'dropped', reasons(row.drops)) },
        { key: 'snapshot_drops', title: 'Snapshot drops', wide: true,
            cell: (row) => reasons(row.snapshot_drops) },
        { key: 'late', title: 'Latest, ms', number: true, wide: true,
            cell: (row) => formats.column_ms(row.late_ms_max) },
        { key: 'pause', title: 'Pause p50, p99', number: true, wide: true, cell: (row) =>
            `${formats.time(row.pause_ns_p50 / 1e6)}, ${formats.time(row.pause_ns_p99 / 1e6)}` },
        { key: 'cpu', title: 'Of a core', number: true, cell: (row) => formats.share(row.cpu_share, 1) },
    ];
}

function Ledger({ task, ledger }) {
    if (!ledger.data) return html`<${Trouble} error=${ledger.error} again=${ledger.read} />`;
    if (ledger.data.instances.length === 0)
        return html`<${Empty} text=${ledger.data.verdict} />`;
    return html`<${Trouble} error=${ledger.error} again=${ledger.read} at=${ledger.at} />
        <${Table} label="Ledger" columns=${ledger_columns(task)} rows=${ledger.data.instances}
            id=${(row) => row.incarnation + row.instance} />
        ${ledger.data.folded > 0 && html`<p class="hint">The last row adds up ${
            formats.counted(ledger.data.folded, 'instance')} that have ended.</p>`}`;
}

/* ------------------------------------------------------------------ the page */

const END_WORDS = { FILLED: 'cap reached', EXPIRED: 'its time was over', CANCELLED: 'cancelled' };

function Header({ task, totals, open_watch }) {
    return html`<header class="page-head"><nav aria-label="Path"><a href="/tasks">Tasks</a> \u203a </nav>
        <h1><${Name} text=${task.interface} max=${160} /></h1>
        <${State} state=${task.state} />
        ${task.state === 'ACTIVE' && html`<${Countdown} big until=${task.ends} />`}
        ${task.state === 'SCHEDULED' && html`<span>starts <${Moment} at=${task.start} /></span>`}
        ${has_ended(task) && html`<span class="hint">ended <${Moment} at=${task.ended} />: ${
            END_WORDS[task.state]}</span>`}
        <${Cap} taken=${task.samples} cap=${task.sample_cap} pending=${totals?.pending ?? 0} />
        <span class="end">${task.state === 'ACTIVE' && task.duration_min < 15 && html`<${Act}
            onClick=${() => extend(task)}>Extend<//>`}
        ${!has_ended(task) && html`<${Cancel} task=${task} pending=${totals?.pending ?? 0} />`}
        <${Act} onClick=${() => open_watch(clone_of(task))}>Clone<//></span></header>`;
}

function Tabs({ params, samples }) {
    const current = TABS.some(([key]) => key === params.tab) ? params.tab : 'samples';
    const href = (key) => with_params({ tab: key === 'samples' ? null : key, event: null,
        instance: null });

    use_keys(Object.fromEntries(TABS.map(([key]) => [`tab-${key}`, () => go(href(key))])));
    return html`<nav class="tabs" aria-label="Of this task">${TABS.map(([key, text], i) => html`
        <a key=${key} href=${href(key)} title=${i + 1} aria-current=${key === current ? 'page'
            : undefined}>${text}${key === 'samples' ? ` ${samples}` : ''}</a>`)}</nav>`;
}

function Known({ task, params, open_watch, is_slow }) {
    const ledger = use_ledger(task);
    const totals = ledger.data?.totals;

    title(task.interface);
    return html`<main id="main" tabindex="-1" data-region><${Slow} is_slow=${is_slow} />
        <${Header} task=${task} totals=${totals} open_watch=${open_watch} />
        ${ledger.data && html`<p class="verdict lead">${formats.safe_text(ledger.data.verdict,
            600)}</p>`}
        ${task.warnings.map((text) => html`<p class="warn">${formats.safe_text(text, 400)}</p>`)}
        ${totals && html`<${Funnel} totals=${totals} threshold_ms=${task.threshold_ms}
            task=${task.id} />`}
        <${Tabs} params=${params} samples=${task.samples} />
        ${params.tab === 'task' ? html`<${Settings} task=${task} />`
            : params.tab === 'log' ? html`<${Log} task=${task} params=${params} />`
            : params.tab === 'ledger' ? html`<${Ledger} task=${task} ledger=${ledger} />`
            : html`<${Samples} task=${task} ledger=${ledger.data} params=${params}
                open_watch=${open_watch} />`}</main>`;
}

export function Task({ id, params, open_watch }) {
    const { data, error, read, set_data, is_slow, is_current } = use_answer(`/tasks/${id}`);

    use_news((type, value) => {
        if (type === 'task' && value.id === id) set_data(() => value);
    });
    if (!data || !is_current)
        return html`<main id="main" tabindex="-1" data-region><h1>Task</h1>
            <${Trouble} error=${error} again=${read} />
            ${error && html`<p><a href="/tasks">All tasks</a></p>`}</main>`;
    return html`<${Known} key=${id} task=${data} params=${params} open_watch=${open_watch}
        is_slow=${is_slow} />`;
}
