/* SPDX-License-Identifier: Apache-2.0 */
/* applications.js: what has reported: applications, their interfaces, their instances; what is slow
 * stands on top, and can be watched from its row. */
import { html, useMemo } from './vendor/htm-preact.js';
import { now, use_answer } from './api.js';
import * as formats from './formats.js';
import { use_choice } from './memory.js';
import { Act, Cap, Countdown, Empty, Moment, Name, Search, Segments, Slow, Sparkline, Table, Trouble,
    matches, set_params, sorted, title, with_params } from './parts.js';

const EVERY_S = 10; /* as pulses come */
const CLOCK_OFF_MS = 1000;
const WINDOWS = [1, 5, 15];

/* Does the pattern of a task (exact, or a prefix that ends in "*") watch this interface? */
const watches = (task, row) => task.application === row.application && (task.interface.endsWith('*')
    ? row.interface.startsWith(task.interface.slice(0, -1)) : task.interface === row.interface);

export const is_in_trouble = (instance) => instance.state === 'refused' ||
    (instance.state !== 'gone' && Math.abs(instance.clock_offset_ms) > CLOCK_OFF_MS);

function Rail({ applications, instances, chosen }) {
    const all = applications.reduce((total, { interfaces }) => total + interfaces, 0);
    const link = (name, count, has_trouble) => html`<li key=${name ?? ''}>
        <a href=${with_params({ app: name })} aria-current=${name === chosen ? 'true' : undefined}>
            ${name === null ? 'All' : html`<${Name} text=${name} max=${60} />`}
            ${has_trouble && html`<b class="warn-mark" title="An instance is refused, or its clock is
                off by more than 1 s">!</b>`}
            <span class="figure">${formats.count(count)}</span></a></li>`;

    return html`<nav class="rail" aria-label="Applications" tabindex="-1" data-region><ul>
        ${link(null, all, false)}
        ${applications.map(({ application, interfaces }) => link(application, interfaces,
            instances.some((instance) => instance.application === application &&
                is_in_trouble(instance))))}</ul></nav>`;
}

/* ------------------------------------------------------------------ tasks that go on */

export function Strip({ tasks }) {
    if (tasks.length === 0) return null;
    return html`<section class="going" aria-label="Active tasks">${tasks.slice(0, 8).map((task) => html`
        <a key=${task.id} class="card" href=${`/tasks/${task.id}`}>
            <b><${Name} text=${task.interface} max=${60} /></b>
            <span class="hint"><${Name} text=${task.application} max=${40} /></span>
            <${Countdown} until=${task.ends} /><${Cap} taken=${task.samples} cap=${task.sample_cap} />
        </a>`)}${tasks.length > 8 && html`<a class="card" href="/tasks">${tasks.length - 8} more</a>`}
        </section>`;
}

/* ------------------------------------------------------------------ interfaces */

function interface_columns(window_min, tasks, watch) {
    const of = (row) => row.windows.find((window) => window.minutes === window_min);
    const figure = (key, text) => ({ key, title: text, number: true, value: (row) => of(row)[key],
        cell: (row) => formats.column_ms(of(row)[key]) });

    return [
        { key: 'interface', title: 'Interface', kind: 'main', value: (row) => row.interface,
            cell: (row) => html`<a href=${`/tasks?${new URLSearchParams({ app: row.application,
                interface: row.interface })}`} title="Its tasks"><${Name} text=${row.interface}
                max=${120} /></a>${tasks.some((task) => watches(task, row)) &&
                html` <b class="watched" title="Watched now">watched</b>`}` },
        { key: 'app', title: 'App', value: (row) => row.application, wide: true,
            cell: (row) => html`<${Name} text=${row.application} max=${40} />` },
        { key: 'calls', title: 'Calls/min', number: true,
            value: (row) => of(row).calls / window_min,
            cell: (row) => formats.count(of(row).calls / window_min) },
        { key: 'spark', title: '', says: 'How long calls took', wide: true, cell: (row) => html`
            <${Sparkline} buckets=${row.buckets} p99_ms=${row.windows[2].p99_ms}
                max_ms=${row.windows[2].max_ms} />` },
        figure('p50_ms', 'p50 ms'), figure('p90_ms', 'p90 ms'), figure('p99_ms', 'p99 ms'),
        figure('max_ms', 'max ms'),
        { key: 'watch', title: '', says: 'Watch', cell: (row) => html`<${Act} small name="watch"
            hint="Watch this interface" onClick=${() => watch(row)}>Watch<//>` },
    ];
}

/* The most like what was typed, by words in common. */
function nearest(rows, typed) {
    const grams = (text) => new Set([...text.toLowerCase()].map((_, i, all) =>
        all.slice(i, i + 2).join('')));
    const wanted = grams(typed);
    const likeness = (row) => [...grams(row.interface)].filter((gram) => wanted.has(gram)).length;
    const best = rows.reduce((best, row) => (likeness(row) > likeness(best) ? row : best), rows[0]);

    return best && likeness(best) > 0 ? best : null;
}

function Nothing({ rows, params, open_watch }) {
    const near = nearest(rows, params.q ?? '');

    if (rows.length === 0)
        return html`<${Empty} text=${params.app
            ? `No interface of ${formats.safe_text(params.app, 60)} has reported calls yet.`
            : 'No application has reported yet.'}>
            ${!params.app && html`<p>Link your program with the probe, and say where this scheduler
                is:</p><pre class="code">cc server.c $(pkg-config --cflags --libs stakeout)
STAKEOUT_SERVER=${location.origin} ./a.out</pre>`}<//>`;
    return html`<${Empty} text=${`No interface matches '${formats.safe_text(params.q, 60)}'.${
        near ? ` Nearest: ${formats.safe_text(near.interface, 80)}.` : ''}`}>
        ${near && html`<button class="small" onClick=${() => set_params({ q: near.interface })}>${
            `Show ${formats.safe_text(near.interface, 40)}`}</button>`}
        <${Act} small onClick=${() => open_watch({ application: params.app ?? '',
            interface: params.q })}>Watch the name as typed<//><//>`;
}

function Interfaces({ rows, tasks, params, open_watch }) {
    const minutes = Number(params.win) || 5;
    const columns = useMemo(() => interface_columns(minutes, tasks, open_watch), [minutes, tasks]);
    const shown = rows.filter((row) => matches(`${row.interface} ${row.application}`, params.q ?? ''));
    const sort = params.sort ?? '-p99_ms';

    if (shown.length === 0)
        return html`<${Nothing} rows=${rows} params=${params} open_watch=${open_watch} />`;
    return html`<${Table} label="Interfaces" columns=${columns}
        rows=${sorted(shown, columns, sort)} id=${(row) => `${row.application}\n${row.interface}`}
        sort=${sort} set_sort=${(key) => set_params({ sort: key === '-p99_ms' ? null : key },
            { replace: true })} on_watch=${open_watch} />`;
}

/* ------------------------------------------------------------------ instances */

const STATE_WORDS = { polling: () => 'polling', gone: () => 'gone',
    silent: (row) => `silent since ${formats.clock(row.last_seen)}`,
    refused: (row) => `refused: it speaks protocol ${row.protocol}, needs ${row.needs_protocol}` };

const instance_columns = [
    { key: 'instance', title: 'Instance', kind: 'main', value: (row) => row.instance,
        cell: (row) => html`<a href=${`/applications?${new URLSearchParams({ app: row.application,
            tab: 'instances' })}`}><${Name} text=${row.instance} max=${80} /></a>
            ${row.troubles.map((text) => html`<p class="hint err">${formats.safe_text(text)}</p>`)}` },
    { key: 'app', title: 'App', value: (row) => row.application, wide: true,
        cell: (row) => html`<${Name} text=${row.application} max=${40} />` },
    { key: 'version', title: 'Version', value: (row) => row.version, wide: true,
        cell: (row) => formats.safe_text(row.version ?? formats.time(null)) },
    { key: 'host_ip', title: 'IP', value: (row) => row.host_ip,
        cell: (row) => row.host_ip ?? formats.time(null) },
    { key: 'state', title: 'State', value: (row) => row.state, cell: (row) => html`<span
        class=${row.state === 'polling' ? 'ok' : 'warn'}>${STATE_WORDS[row.state](row)}</span>` },
    { key: 'offset', title: 'Clock', value: (row) => row.clock_offset_ms,
        cell: (row) => html`<span class=${Math.abs(row.clock_offset_ms) > CLOCK_OFF_MS ? 'warn' : ''}>${
            formats.clock_offset(Math.round(row.clock_offset_ms))}</span>` },
    { key: 'seen', title: 'Last seen', value: (row) => row.last_seen, wide: true,
        cell: (row) => html`<${Moment} at=${row.last_seen} /> <span class="hint">${
            formats.ago(row.last_seen, now())}</span>` },
    { key: 'flight', title: 'In flight', number: true, wide: true,
        value: (row) => row.calls_in_flight, cell: (row) => formats.count(row.calls_in_flight) },
    { key: 'cpu', title: 'Of a core', number: true, value: (row) => row.cpu_share,
        cell: (row) => formats.share(row.cpu_share, 1) },
    { key: 'memory', title: 'Memory', number: true, wide: true, value: (row) => row.memory_bytes,
        cell: (row) => formats.bytes(row.memory_bytes) },
];

function Instances({ rows, params }) {
    const shown = rows.filter((row) => matches(`${row.instance} ${row.application} ${row.host_ip}`,
        params.q ?? ''));
    const sort = params.sort ?? 'instance';

    if (shown.length === 0)
        return html`<${Empty} text=${rows.length === 0 ? 'No instance has reported yet.'
            : `No instance matches '${formats.safe_text(params.q, 60)}'.`} />`;
    return html`<${Table} label="Instances" columns=${instance_columns}
        rows=${sorted(shown, instance_columns, sort)} id=${(row) => row.incarnation} sort=${sort}
        set_sort=${(key) => set_params({ sort: key }, { replace: true })} />`;
}

/* ------------------------------------------------------------------ the page */

export function Applications({ params, active, open_watch }) {
    const applications = use_answer('/applications', { every_s: EVERY_S });
    const interfaces = use_answer('/interfaces', { every_s: EVERY_S });
    const instances = use_answer('/instances', { every_s: EVERY_S });
    const last_window = use_choice('window_min');
    const minutes = WINDOWS.includes(Number(params.win)) ? Number(params.win) : last_window;
    const tab = params.tab === 'instances' ? 'instances' : 'interfaces';
    const of_chosen = (rows) => rows.filter((row) => !params.app || row.application === params.app);
    const error = applications.error ?? interfaces.error ?? instances.error;

    title(params.app ?? 'Applications');
    if (!interfaces.data || !applications.data || !instances.data)
        return html`<main id="main" tabindex="-1" data-region><h1 class="unseen">Applications</h1>
            <${Trouble} error=${error} again=${interfaces.read} />
            ${!error && html`<p class="hint">Reading what has reported.</p>`}</main>`;
    const rows = of_chosen(interfaces.data.interfaces);
    const instance_rows = of_chosen(instances.data.instances);
    const choose = (to) => set_params({ tab: to === 'interfaces' ? null : to, sort: null, q: null });

    return html`<div class="with-rail">
        <${Rail} applications=${applications.data.applications}
            instances=${instances.data.instances} chosen=${params.app ?? null} />
        <main id="main" tabindex="-1" data-region>
            <${Slow} is_slow=${interfaces.is_slow} />
            <h1 class="unseen">Applications</h1>
            <${Strip} tasks=${active} />
            <${Trouble} error=${error} again=${interfaces.read} at=${interfaces.at} />
            <div class="toolbar">
                <${Segments} label="What is shown" value=${tab} set=${choose} options=${[
                    ['interfaces', `Interfaces ${formats.count(rows.length)}`],
                    ['instances', `Instances ${formats.count(instance_rows.length)}`]]} />
                <${Search} label="Filter" placeholder="filter" value=${params.q ?? ''}
                    set=${(q) => set_params({ q }, { replace: true })} />
                ${tab === 'interfaces' && html`<span class="end"><span class="hint">figures of the
                    last</span> <${Segments} label="Figures of the last minutes" value=${minutes}
                    set=${(win) => set_params({ win }, { replace: true })}
                    options=${WINDOWS.map((win) => [win, `${win} min`])} /></span>`}</div>
            ${tab === 'interfaces'
                ? html`<${Interfaces} rows=${rows} tasks=${active}
                    params=${{ ...params, win: minutes }} open_watch=${open_watch} />`
                : html`<${Instances} rows=${instance_rows} params=${params} />`}
            ${rows.some((row) => row.interface === '(other)') && html`<p class="hint">(other) holds what
                came after the first 4,096 names of a process: mostly raw addresses used as
                names.</p>`}</main></div>`;
}
