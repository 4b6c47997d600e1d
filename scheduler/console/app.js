/* SPDX-License-Identifier: Apache-2.0 */
/* app.js: the frame: who one is, which page the address names, the header over it, the finder, the
 * list of keys. Starts everything.
 *
 * The tasks that go on are known here and handed to the pages: read once, then told by the stream. */
import { html, render, useCallback, useEffect, useMemo, useRef, useState } from
    './vendor/htm-preact.js';
import { Diff, Sample, TaskAnalysis, Trace } from './analysis.js';
import { log_in, log_out, may_operate, query, read_session, session, start_news, stop_news, try_now,
    use_answer, use_link, use_news, when_logged_out } from './api.js';
import { Applications } from './applications.js';
import * as formats from './formats.js';
import { TREE_KEYS } from './graph/call_tree.js';
import { FLAME_KEYS } from './graph/hand.js';
import { TIMELINE_KEYS } from './graph/timeline.js';
import { key_of, table, use_keys } from './keys.js';
import { choice, choose, use_choice } from './memory.js';
import { Act, Toasts, copy_link, go, on_link_click, set_params, title, toast, use_address, use_now } from
    './parts.js';
import { Task } from './task.js';
import { Tasks } from './tasks.js';
import { Watch } from './watch.js';

/* ------------------------------------------------------------------ pages by address */

/* console.c has the same list. */
const PAGES = [
    [/^\/(?:applications)?$/, Applications],
    [/^\/tasks$/, Tasks],
    [/^\/tasks\/([^/]+)$/, Task],
    [/^\/tasks\/([^/]+)\/analysis$/, TaskAnalysis],
    [/^\/samples\/([^/]+)$/, Sample],
    [/^\/traces\/([^/]+)$/, Trace],
    [/^\/diff$/, Diff],
];

function Page({ path, ...rest }) {
    for (const [pattern, Body] of PAGES) {
        const found = pattern.exec(path);

        if (found) return html`<${Body} key=${path} id=${found[1]} ...${rest} />`;
    }
    return html`<main id="main" tabindex="-1"><h1>Nothing is here</h1>
        <p><a href="/">Applications</a></p></main>`;
}

/* ------------------------------------------------------------------ tasks that go on */

function use_going(state) {
    const { data, set_data } = use_answer(`/tasks${query({ state, limit: 1000 })}`);

    use_news((type, task) => {
        if (type !== 'task') return;
        set_data((old) => {
            const others = old.tasks.filter(({ id }) => id !== task.id);
            const is_new = others.length === old.tasks.length;

            if (task.state !== state) return { ...old, tasks: others };
            return { ...old, tasks: is_new ? [task, ...others]
                : old.tasks.map((one) => (one.id === task.id ? task : one)) };
        });
    });
    return data?.tasks ?? [];
}

/* ------------------------------------------------------------------ dialogs */

/* Modal: the browser keeps the focus inside, closes at Escape, and gives the focus back. */
function Dialog({ label, close, children, kind }) {
    const dialog = useRef(null);

    useEffect(() => {
        dialog.current.showModal();
    }, []);
    return html`<dialog ref=${dialog} class=${kind} aria-label=${label} onClose=${close}
        onClick=${(event) => event.target === dialog.current && dialog.current.close()}>${
            children}</dialog>`;
}

/* The graphs bind their own keys, each while it has the focus. */
const GRAPH_KEYS = [['Flame graph', FLAME_KEYS], ['Call tree', TREE_KEYS], ['Timeline', TIMELINE_KEYS]]
    .flatMap(([where, rows]) => rows.map(([key, says]) => ({ where, name: where + key, keys: [key],
        says })));

function Keys({ close }) {
    const single = use_choice('single_keys');
    const all = [...table, ...GRAPH_KEYS];
    const places = [...new Set(all.map((row) => row.where))];

    return html`<${Dialog} label="Keys" close=${close} kind="keys">
        <div class="head"><h2>Keys</h2><button class="small plain" onClick=${close}>Close <kbd>Esc</kbd></button>
        </div>
        ${places.map((where) => html`<section key=${where}><h3>${where}</h3><dl>${all.filter((row) =>
            row.where === where).map((row) => html`<div key=${row.name}><dt>${row.keys.map((key) => html`
                <kbd>${key === ' ' ? 'Space' : key.replace('Ctrl k', 'Ctrl K')}</kbd> `)}</dt>
                <dd>${row.says}</dd></div>`)}</dl></section>`)}
        <label class="check"><input type="checkbox" checked=${single} onChange=${(event) =>
            choose('single_keys', event.target.checked)} /> Keys of one sign act outside of
            fields</label><//>`;
}

/* ------------------------------------------------------------------ the finder */

/* How well `text` has the signs of `typed`, in order; 0: not at all. Beginnings of words, and signs
 * side by side, count more. */
export function likeness(text, typed) {
    const low = text.toLowerCase(), wanted = typed.toLowerCase().replace(/\s+/g, '');
    let at = -1, score = 1;

    for (const sign of wanted) {
        const next = low.indexOf(sign, at + 1);

        if (next < 0) return 0;
        score += next === at + 1 ? 3 : 1;
        if (next === 0 || /[^a-z0-9]/.test(low[next - 1])) score += 2;
        at = next;
    }
    return score / (1 + low.length / 100);
}

function commands(acts) {
    const theme = (name) => ({ text: `Theme: ${name}`, act: () => choose('theme', name) });

    return [
        { text: 'Applications', key: 'go-applications', act: () => go('/applications') },
        { text: 'Tasks', key: 'go-tasks', act: () => go('/tasks') },
        { text: 'Watch an interface', key: 'new-task', act: () => acts.open_watch({}) },
        { text: 'Keys', key: 'keys', act: acts.open_keys },
        { text: 'Copy link', key: 'copy-link', act: copy_link },
        theme('light'), theme('dark'), theme('system'),
        { text: choice('utc') ? 'Times: of this browser' : 'Times: UTC',
            act: () => choose('utc', !choice('utc')) },
        { text: choice('single_keys') ? 'Turn single keys off' : 'Turn single keys on',
            act: () => choose('single_keys', !choice('single_keys')) },
        ...(session.value?.session ? [{ text: 'Log out', act: acts.leave }] : []),
    ];
}

/* What an identifier that was pasted may be. */
function identified(typed) {
    const id = typed.trim().toLowerCase();

    if (/^[0-9a-f]{20}$/.test(id)) return [{ text: `Task ${id}`, act: () => go(`/tasks/${id}`) }];
    if (!/^[0-9a-f]{32}$/.test(id)) return [];
    return [{ text: `Trace ${id}`, act: () => go(`/traces/${id}`) },
        { text: `Sample ${id}`, act: () => go(`/samples/${id}`) }];
}

function Finder({ close, acts }) {
    const [typed, set_typed] = useState('');
    const [at, set_at] = useState(0);
    const interfaces = use_answer('/interfaces').data?.interfaces ?? [];
    const tasks = use_answer('/tasks?limit=100').data?.tasks ?? [];
    const all = useMemo(() => [
        ...interfaces.map((row) => ({ text: row.interface, hint: `${row.application} \u00b7 p99 ${
            formats.time(row.windows[2].p99_ms)}`, act: () => go(`/tasks${query({
            app: row.application, interface: row.interface })}`), watch: row })),
        ...tasks.map((task) => ({ text: task.interface, hint: `task, ${task.state}, ${
            task.samples} of ${task.sample_cap}`, act: () => go(`/tasks/${task.id}`) })),
        ...commands(acts),
    ], [interfaces, tasks]);
    const recent = choice('recent');
    const found = typed.trim() === ''
        ? [...all].sort((a, b) => (recent.includes(b.text) ? 1 : 0) - (recent.includes(a.text) ? 1 : 0))
        : [...identified(typed), ...all.map((one) => [likeness(`${one.text} ${one.hint ?? ''}`, typed),
            one]).filter(([score]) => score > 0).sort(([a], [b]) => b - a).map(([, one]) => one)];
    const shown = found.slice(0, 8);
    const run = (one, watch) => {
        if (!one) return;
        close();
        choose('recent', [one.text, ...recent.filter((text) => text !== one.text)].slice(0, 10));
        if (watch && one.watch) acts.open_watch(one.watch);
        else one.act();
    };
    const on_key = (event) => {
        const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];

        if (step && shown.length > 0) set_at((at + step + shown.length) % shown.length);
        else if (event.key === 'Enter') run(shown[at], event.ctrlKey || event.metaKey);
        else return;
        event.preventDefault();
    };

    return html`<${Dialog} label="Find" close=${close} kind="finder">
        <input role="combobox" aria-label="Find an interface, task, trace or command" autofocus
            aria-expanded="true" aria-controls="found" aria-autocomplete="list" spellcheck=${false}
            aria-activedescendant=${shown[at] ? `found-${at}` : undefined} value=${typed}
            onKeyDown=${on_key} onInput=${(event) => {
                set_typed(event.target.value);
                set_at(0);
            }} />
        <ul id="found" role="listbox" aria-label="Found">${shown.map((one, i) => html`<li key=${i}
            id=${`found-${i}`} role="option" aria-selected=${i === at ? 'true' : 'false'}
            onClick=${() => run(one, false)}><bdi dir="ltr">${formats.safe_text(one.text, 80)}</bdi>
            <span class="hint">${formats.safe_text(one.hint ?? '', 80)}${one.key &&
                html`<kbd>${key_of(one.key)}</kbd>`}</span></li>`)}</ul>
        ${shown.length === 0 && html`<p class="empty">Nothing matches.</p>`}
        <p class="hint">Enter opens; Ctrl Enter on an interface watches it.</p><//>`;
}

/* ------------------------------------------------------------------ the header */

function Connection() {
    const { state, retry_at, since } = use_link();
    const left = Math.max(0, Math.ceil((retry_at - session.clock_offset_ms - use_now()) / 1000 +
        (2 * session.clock_offset_ms) / 1000));

    if (state === 'live') return html`<span class="link ok" role="status">Live</span>`;
    if (state === 'connecting') return html`<span class="link" role="status">Connecting</span>`;
    return html`<span class="link err"><span role="status">Disconnected</span> since ${
        formats.clock(since)}, trying again ${left > 0 ? `in ${left} s` : 'now'}
        <button class="small plain" onClick=${try_now}>now</button></span>`;
}

function Header({ path, acts }) {
    const utc = use_choice('utc');
    const link = (href, text, is_here) => html`<a href=${href} aria-current=${is_here ? 'page'
        : undefined}>${text}</a>`;

    return html`<header class="top" data-region tabindex="-1" aria-label="stakeout">
        <a class="skip" href="#main">To the page</a>
        <a class="brand" href="/" aria-label="stakeout, applications">stakeout</a>
        <nav class="places" aria-label="Places">
            ${link('/applications', 'Applications', path === '/' || path === '/applications')}
            ${link('/tasks', 'Tasks', path.startsWith('/tasks'))}
            <span class="phone"><${Act} small primary onClick=${() => acts.open_watch({})}>Watch<//></span>
        </nav>
        <button class="find" onClick=${acts.open_finder}><span>Find an interface, task, trace or
            command</span> <kbd>Ctrl K</kbd></button>
        <${Connection} />
        <button class="small plain zone" title="Times of this browser, or UTC"
            aria-label=${`Times are ${formats.zone(utc)}`}
            onClick=${() => choose('utc', !utc)}>${formats.zone(utc)}</button>
        <button class="small plain" title="Keys (?)" aria-label="Keys" onClick=${acts.open_keys}>?</button>
        <span class="desk"><${Act} primary name="new-task" onClick=${() => acts.open_watch({})}>Watch
            <kbd>n</kbd><//></span></header>`;
}

/* ------------------------------------------------------------------ who one is */

function Login({ when_in, server }) {
    const [error, set_error] = useState(null);
    const [is_sent, set_sent] = useState(false);
    const field = useRef(null);
    const send = async (event) => {
        event.preventDefault();
        set_sent(true);
        try {
            await log_in(field.current.value.trim());
            when_in();
        } catch (refusal) {
            set_error(refusal);
            set_sent(false);
            field.current.focus();
        }
    };

    title('Log in');
    useEffect(() => field.current.focus(), []);
    return html`<main class="login" id="main"><form onSubmit=${send}><h1>stakeout at ${server}</h1>
        <div class=${error ? 'field bad' : 'field'}><label for="token">Token</label>
        <input id="token" ref=${field} type="password" autocomplete="current-password"
            aria-invalid=${error ? 'true' : undefined} aria-describedby="token-hint" />
        <p class="hint" id="token-hint">A viewer\u2019s or an operator\u2019s; whoever runs the scheduler
            makes one: stakeoutd token create operator NAME</p>
        ${error && html`<p class="refusal" role="alert">${error.message}</p>`}</div>
        <button class="primary" disabled=${is_sent}>Log in</button></form></main>`;
}

const first_given = () => {
    const params = new URLSearchParams(location.search);

    return params.get('new') === '1' ? Object.fromEntries(params) : null;
};

function next_region() {
    const regions = [...document.querySelectorAll('[data-region]')];
    const at = regions.findIndex((region) => region.contains(document.activeElement));

    regions[(at + 1) % regions.length]?.focus();
}

function use_frame_keys(acts, is_open) {
    use_keys({
        keys: acts.open_keys,
        find: acts.open_finder,
        'new-task': () => (may_operate() ? acts.open_watch({})
            : toast('Your token is a viewer\u2019s: it may look and not change.')),
        'go-applications': () => go('/applications'),
        'go-tasks': () => go('/tasks'),
        'copy-link': copy_link,
        region: next_region,
        close: (event) => {
            if (is_open) return false;
            if (event.target.matches?.('input, textarea, select')) {
                event.target.blur();
                document.getElementById('main')?.focus();
                return true;
            }
            return false;
        },
    });
}

function Inside({ leave }) {
    const { path, params } = use_address();
    const [watched, set_watched] = useState(first_given);
    const [dialog, set_dialog] = useState(null);
    const active = use_going('ACTIVE'), scheduled = use_going('SCHEDULED');
    const opened = useRef(0);
    const open_watch = useCallback((given) => {
        opened.current++;
        set_watched({ ...given });
    }, []);
    const close_watch = useCallback(() => {
        set_watched(null);
        if (first_given()) set_params({ new: null, application: null, interface: null,
            threshold_ms: null, duration_min: null, frequency_ms: null, sample_cap: null,
            instances: null, start: null, lookback: null, note: null }, { replace: true });
    }, []);
    const acts = { open_watch, leave, open_keys: () => set_dialog('keys'),
        open_finder: () => set_dialog('finder') };
    const close = () => set_dialog(null);

    use_frame_keys(acts, dialog !== null || watched !== null);
    useEffect(() => {
        if (!dialog) scrollTo(0, 0);
    }, [path]);
    return html`<${Header} path=${path} acts=${acts} />
        <div class="body"><${Page} path=${path} params=${params} active=${active}
            scheduled=${scheduled} open_watch=${open_watch} />
        ${watched && html`<${Watch} key=${opened.current} given=${watched} close=${close_watch} />`}</div>
        ${dialog === 'keys' && html`<${Keys} close=${close} />`}
        ${dialog === 'finder' && html`<${Finder} close=${close} acts=${acts} />`}`;
}

function App() {
    const [who, set_who] = useState(undefined); /* undefined: not known yet; null: nobody */
    const [error, set_error] = useState(null);
    const look = useCallback(() => read_session().then((value) => {
        set_who(value);
        set_error(null);
    }, set_error), []);

    useEffect(() => {
        when_logged_out(() => set_who(null));
        look();
    }, []);
    useEffect(() => {
        if (who) start_news();
        else stop_news();
    }, [who]);
    const leave = () => log_out().catch((refusal) => toast(refusal.message, { is_error: true }));

    return html`<div onClick=${on_link_click}>
        ${who === null && html`<${Login} server=${location.host} when_in=${look} />`}
        ${who === undefined && error && html`<main id="main"><h1>stakeout</h1><div class="trouble"
            role="alert"><p>${error.message}</p><button onClick=${look}>Try again</button></div></main>`}
        ${who && html`<${Inside} leave=${leave} />`}
        <${Toasts} /><p id="voice" class="unseen" role="status"></p></div>`;
}

render(html`<${App} />`, document.getElementById('app'));
