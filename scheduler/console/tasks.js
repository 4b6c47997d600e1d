/* SPDX-License-Identifier: Apache-2.0 */
/* tasks.js: the tasks that go on, with what they have caught so far; those to come; and history, as
 * far back as the range says. The filters stand in the address. */
import { html, useCallback, useEffect, useRef, useState } from './vendor/htm-preact.js';
import { ask, order, query, use_answer, use_news } from './api.js';
import * as formats from './formats.js';
import { Act, Cap, Countdown, Empty, Moment, Name, Search, Slow, State, Table, Trouble, set_params,
    title, toast } from './parts.js';

const PAGE = 100;
const RANGES = [['now-15m', '15 min'], ['now-1h', '1 h'], ['now-6h', '6 h'], ['now-24h', '24 h'],
    ['now-3d', '3 d'], ['now-7d', '7 d']];
const DEFAULT_FROM = 'now-24h';
const STATES = ['SCHEDULED', 'ACTIVE', 'EXPIRED', 'FILLED', 'CANCELLED'];

/* "now-24h" or RFC 3339, as a moment. */
export function moment_of(text, at = Date.now()) {
    const found = /^now(?:-(\d+)([smhd]))?$/.exec(text ?? '');
    const units = { s: 1000, m: 60000, h: 3600000, d: 86400000 };

    if (found) return at - (found[1] ? Number(found[1]) * units[found[2]] : 0);
    const fixed = Date.parse(text);

    return Number.isNaN(fixed) ? null : fixed;
}

/* ------------------------------------------------------------------ what can be done to one */

export const has_ended = (task) => !['SCHEDULED', 'ACTIVE'].includes(task.state);

export async function extend(task) {
    try {
        const now = await order('POST', `/tasks/${task.id}/extend`);

        toast(`The task goes on for ${now.duration_min} min in all.`);
        return now;
    } catch (error) {
        toast(error.message, { is_error: true });
        return null;
    }
}

export function clone_of(task) {
    return { application: task.application, interface: task.interface,
        duration_min: task.duration_min, threshold_ms: task.threshold_ms,
        frequency_ms: task.frequency_ms, sample_cap: task.sample_cap,
        instances: task.instances.join(', '), lookback: task.lookback, note: task.note };
}

/* Asks in place before it does: what is in flight is lost. */
export function Cancel({ task, pending, small }) {
    const [asks, set_asks] = useState(false);
    const cancel = async () => {
        try {
            await order('POST', `/tasks/${task.id}/cancel`);
        } catch (error) {
            toast(error.message, { is_error: true });
        }
        set_asks(false);
    };

    if (!asks)
        return html`<${Act} small=${small} onClick=${() => set_asks(true)}>Cancel task<//>`;
    return html`<span class="confirm" role="group" aria-label="Cancel the task?">
        <span>${pending > 0 ? `${formats.counted(pending, 'call')} in flight will be dropped.`
            : 'Its samples are kept.'}</span>
        <${Act} small onClick=${cancel}>Cancel task<//>
        <button type="button" class="small" onClick=${() => set_asks(false)}>Keep</button></span>`;
}

/* The ledger of a task that goes on, read again whenever something is told of it. */
export function use_ledger(task) {
    const is_live = !has_ended(task);
    const ledger = use_answer(`/tasks/${task.id}/ledger`, { every_s: is_live ? 2 : 0 });

    useEffect(() => {
        if (ledger.data) ledger.read();
    }, [task.state]);
    return ledger;
}

function Active({ task, open_watch }) {
    const { data: ledger } = use_ledger(task);
    const totals = ledger?.totals;

    return html`<article class="card task">
        <h3><a href=${`/tasks/${task.id}`}><${Name} text=${task.interface} max=${100} /></a></h3>
        <span class="hint"><${Name} text=${task.application} max=${40} />${' \u00b7 by '}
            <${Name} text=${task.author} max=${40} /></span>
        <span class="end">${task.state === 'ACTIVE' ? html`<${Countdown} until=${task.ends} />`
            : html`starts <${Moment} at=${task.start} />`}
            ${task.duration_min < 15 && task.state === 'ACTIVE' && html`
                <${Act} small onClick=${() => extend(task)}>Extend<//>`}
            <${Cancel} small task=${task} pending=${totals?.pending ?? 0} />
            <${Act} small onClick=${() => open_watch(clone_of(task))}>Clone<//></span>
        <p class="line"><${Cap} taken=${task.samples} cap=${task.sample_cap}
                pending=${totals?.pending ?? 0} />
            ${totals && html`<span class="figure">${formats.count(totals.seen)} seen, ${
                formats.count(totals.triggered)} triggered</span>`}</p>
        ${ledger && task.state === 'ACTIVE' && html`<p class="verdict">${ledger.verdict}</p>`}
        ${task.warnings.map((text) => html`<p class="warn">${formats.safe_text(text, 400)}</p>`)}
    </article>`;
}

/* ------------------------------------------------------------------ verdicts of the past */

const verdicts = new Map(); /* task id -> sentence, or a promise of it: what is over never changes */
let line = Promise.resolve();

/* One after the other, and only for rows that were drawn: a long history has many. */
function verdict_of(id) {
    if (!verdicts.has(id)) {
        const answer = line.then(() => ask(`/tasks/${id}/ledger`)).then(({ verdict }) => {
            verdicts.set(id, verdict);
            return verdict;
        });

        line = answer.catch(() => verdicts.delete(id));
        verdicts.set(id, answer);
    }
    return verdicts.get(id);
}

function Verdict({ id }) {
    const place = useRef(null);
    const known = verdicts.get(id);
    const [text, set_text] = useState(typeof known === 'string' ? known : '');

    useEffect(() => {
        if (text) return undefined;
        const sight = new IntersectionObserver((entries) => {
            if (!entries.some((entry) => entry.isIntersecting)) return;
            sight.disconnect();
            Promise.resolve(verdict_of(id)).then(set_text, () => {});
        });

        sight.observe(place.current);
        return () => sight.disconnect();
    }, [id]);
    return html`<span ref=${place} class="verdict" title=${text}>${text || '\u00a0'}</span>`;
}

/* ------------------------------------------------------------------ history */

const columns = (open_watch) => [
    { key: 'state', title: 'State', cell: (task) => html`<${State} state=${task.state} />` },
    { key: 'interface', title: 'Interface', kind: 'main', cell: (task) => html`
        <a href=${`/tasks/${task.id}`}><${Name} text=${task.interface} max=${100} /></a>
        ${task.samples === 0 && html`<${Verdict} id=${task.id} />`}` },
    { key: 'app', title: 'App', cell: (task) => html`<${Name} text=${task.application} max=${40} />` },
    { key: 'samples', title: 'Samples', number: true,
        cell: (task) => `${task.samples} of ${task.sample_cap}` },
    { key: 'threshold', title: 'Threshold', number: true, cell: (task) => formats.time(
        task.threshold_ms, { finest_ms: 1 }) + (task.threshold_from === 'ms' ? '' : ` (${task.threshold_from})`) },
    { key: 'author', title: 'Author', wide: true,
        cell: (task) => html`<${Name} text=${task.author} max=${30} />` },
    { key: 'created', title: 'Created', cell: (task) => html`<${Moment} at=${task.created} />` },
    { key: 'clone', title: '', says: 'Clone', cell: (task) => html`<${Act} small
        onClick=${() => open_watch(clone_of(task))}>Clone<//>` },
];

/* Pages of history, newest first, read as one scrolls. What changes meanwhile is put in its place;
 * what is new waits on top. */
function use_history(path) {
    const [state, set_state] = useState({ tasks: [], next: null, error: null, path: null });
    const [is_slow, set_slow] = useState(false);
    const reading = useRef(null);

    const read = useCallback(async (cursor) => {
        const mine = new AbortController();

        reading.current?.abort();
        reading.current = mine;
        set_slow(true);
        try {
            const page = await ask(path + (cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''),
                mine.signal);

            set_state((old) => ({ tasks: cursor ? [...old.tasks, ...page.tasks] : page.tasks,
                next: page.next, error: null, path }));
        } catch (error) {
            if (error.name !== 'AbortError') set_state((old) => ({ ...old, error }));
        } finally {
            if (reading.current === mine) {
                reading.current = null;
                set_slow(false);
            }
        }
    }, [path]);

    useEffect(() => {
        read(null);
        return () => reading.current?.abort();
    }, [read]);
    use_news((type, value) => {
        if (type === 'fresh') read(null);
        if (type !== 'task') return;
        set_state((old) => ({ ...old, tasks: old.tasks.map((task) => (task.id === value.id ? value
            : task)) }));
    });
    return { ...state, is_slow, read, is_reading: () => reading.current !== null };
}

function More({ history }) {
    const end = useRef(null);

    useEffect(() => {
        if (!history.next) return undefined;
        const sight = new IntersectionObserver((entries) => {
            if (entries.some((entry) => entry.isIntersecting) && !history.is_reading())
                history.read(history.next);
        }, { rootMargin: '600px' });

        sight.observe(end.current);
        return () => sight.disconnect();
    }, [history.next]);
    return html`<p ref=${end} class="hint">${history.next ? html`<button class="small"
        onClick=${() => history.read(history.next)}>Older tasks</button>`
        : `${formats.counted(history.tasks.length, 'task')} in all.`}</p>`;
}

/* ------------------------------------------------------------------ filters */

function Range({ params }) {
    const from = params.from ?? DEFAULT_FROM;
    const [is_open, set_open] = useState(!RANGES.some(([key]) => key === from));
    const fixed = (name) => html`<label>${name} <input type="datetime-local" value=${local(params[name])}
        onChange=${(event) => set_params({ [name]: event.target.value
            ? new Date(event.target.value).toISOString() : null })} /></label>`;

    return html`<label><span class="unseen">Time range</span><select value=${is_open ? 'other' : from}
        onChange=${(event) => {
            set_open(event.target.value === 'other');
            if (event.target.value !== 'other') set_params({ to: null,
                from: event.target.value === DEFAULT_FROM ? null : event.target.value });
        }}>${RANGES.map(([key, text]) => html`<option key=${key} value=${key}>last ${text}</option>`)}
        <option value="other">from ... to ...</option></select></label>
        ${is_open && html`${fixed('from')} ${fixed('to')}`}`;
}

/* As a field of local time has it. */
function local(text) {
    const at = moment_of(text);

    if (!text || at === null) return '';
    return new Date(at - new Date(at).getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

function Filters({ params, applications }) {
    const pick = (name, label, options) => html`<label><span class="unseen">${label}</span>
        <select value=${params[name] ?? ''}
            onChange=${(event) => set_params({ [name]: event.target.value })}>
            <option value="">any ${label.toLowerCase()}</option>
            ${options.map((option) => html`<option key=${option} value=${option}>${
                formats.safe_text(option, 60)}</option>`)}</select></label>`;
    const is_filtered = ['app', 'interface', 'state', 'author', 'from', 'to'].some(
        (name) => params[name]);

    return html`<div class="toolbar">
        ${pick('app', 'Application', params.app && !applications.includes(params.app)
            ? [params.app, ...applications] : applications)}
        <${Search} label="Interface" placeholder="interface" value=${params.interface ?? ''}
            set=${(value) => set_params({ interface: value }, { replace: true })} />
        ${pick('state', 'State', STATES)}
        <label class="search"><span class="unseen">Author</span><input placeholder="author"
            value=${params.author ?? ''} onInput=${(event) => set_params({
                author: event.target.value }, { replace: true })} /></label>
        <${Range} params=${params} />
        ${is_filtered && html`<button class="small plain" onClick=${() => set_params({ app: null,
            interface: null, state: null, author: null, from: null, to: null })}>Clear</button>`}
    </div>`;
}

/* ------------------------------------------------------------------ the page */

function history_path(params) {
    const from = moment_of(params.from ?? DEFAULT_FROM), to = params.to ? moment_of(params.to) : null;

    return `/tasks${query({ application: params.app, interface: params.interface, state: params.state,
        author: params.author, from: from === null ? null : new Date(from).toISOString(),
        to: to === null ? null : new Date(to).toISOString(), limit: PAGE })}`;
}

/* While an address is typed on, nothing is asked. */
function use_settled(value, ms) {
    const [settled, set_settled] = useState(value);

    useEffect(() => {
        const timer = setTimeout(set_settled, ms, value);

        return () => clearTimeout(timer);
    }, [value, ms]);
    return settled;
}

export function Tasks({ params, active, scheduled, open_watch }) {
    const key = JSON.stringify(params);
    const settled = use_settled(key, 150);
    const path = useRef({ key: null, path: '' });

    if (path.current.key !== settled)
        path.current = { key: settled, path: history_path(JSON.parse(settled)) };
    const history = use_history(path.current.path);
    const { data } = use_answer('/applications');
    const is_wanted = (task) => (!params.app || task.application === params.app) &&
        (!params.state || task.state === params.state);
    const going = [...active, ...scheduled].filter(is_wanted);
    const ended = history.tasks.filter(has_ended);

    title('Tasks');
    return html`<main id="main" tabindex="-1" data-region><${Slow} is_slow=${history.is_slow} />
        <h1>Tasks</h1>
        <${Filters} params=${params}
            applications=${(data?.applications ?? []).map((row) => row.application)} />
        <${Trouble} error=${history.error} again=${() => history.read(null)} />
        ${going.length > 0 && html`<section aria-label="Going on"><h2>Active ${going.filter((task) =>
            task.state === 'ACTIVE').length}${scheduled.length > 0 && ` \u00b7 scheduled ${
            scheduled.filter(is_wanted).length}`}</h2>
            ${going.map((task) => html`<${Active} key=${task.id} task=${task}
                open_watch=${open_watch} />`)}</section>`}
        <section aria-label="History"><h2>History</h2>
        ${ended.length > 0 ? html`<${Table} label="History" columns=${columns(open_watch)}
            rows=${ended} id=${(task) => task.id} /><${More} history=${history} />`
            : history.path && html`<${NoTask} params=${params} open_watch=${open_watch} />`}
        </section></main>`;
}

function NoTask({ params, open_watch }) {
    const range = RANGES.find(([key]) => key === (params.from ?? DEFAULT_FROM));

    return html`<${Empty} text=${range ? `No task has ended in the last ${range[1]}.`
        : 'No task has ended in this range.'}>
        ${params.from !== 'now-7d' && html`<button class="small"
            onClick=${() => set_params({ from: 'now-7d', to: null })}>Last 7 days</button>`}
        <${Act} small name="new-task" onClick=${() => open_watch({})}>Watch an interface<//><//>`;
}
