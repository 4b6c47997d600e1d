/* SPDX-License-Identifier: Apache-2.0 */
/* watch.js: the panel that makes a task, over any page. What the threshold would have caught is
 * shown before; a refusal stands under its field in the API's words, and nothing that was typed is
 * lost, also by a reload. Nothing is sent without the button. */
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from './vendor/htm-preact.js';
import { order, use_answer } from './api.js';
import * as formats from './formats.js';
import { use_keys } from './keys.js';
import { choice, choose, draft, keep_draft } from './memory.js';
import { Act, Name, Segments, calls_beyond, go, matches, toast } from './parts.js';

const THRESHOLD_MS = { min: 50, max: 30000 };
const FIELDS = ['application', 'interface', 'duration_min', 'threshold_ms', 'frequency_ms',
    'sample_cap', 'instances', 'start', 'lookback', 'note'];

const first_values = () => ({ application: '', interface: '', duration_min: choice('duration_min'),
    threshold_ms: '', frequency_ms: String(choice('frequency_ms')),
    sample_cap: String(choice('sample_cap')), instances: '', start: '', lookback: false, note: '' });

/* What the panel opens with: what is given, over what was left half-filled. */
export function panel_values(given) {
    const named = Object.fromEntries(FIELDS.filter((name) => given[name] !== undefined)
        .map((name) => [name, typeof given[name] === 'number' && name !== 'duration_min'
            ? String(given[name]) : given[name]]));
    const kept = draft('new');
    const base = given.interface === undefined ? kept : {};
    const duration = Number(named.duration_min ?? base.duration_min);

    return { ...first_values(), ...base, ...named,
        ...([5, 10, 15].includes(duration) ? { duration_min: duration } : {}) };
}

/* The order as the API takes it; what cannot be read as a number goes as it is, to be refused there
 * in the API's words. */
function order_of(values) {
    const ms = (text) => {
        const parsed = formats.parse_ms(text);

        return parsed !== null && Number.isInteger(parsed) ? parsed : text;
    };
    const whole = (text) => (/^\d+$/.test(text.trim()) ? Number(text) : text);
    const names = values.instances.split(',').map((name) => name.trim()).filter(Boolean);
    const start = values.start ? new Date(values.start) : null;

    return { application: values.application, interface: values.interface,
        duration_min: values.duration_min,
        threshold_ms: /^p\d+$/.test(values.threshold_ms) ? values.threshold_ms
            : ms(values.threshold_ms),
        frequency_ms: ms(values.frequency_ms), sample_cap: whole(values.sample_cap),
        ...(names.length ? { instances: names } : {}),
        ...(start && !Number.isNaN(start.getTime()) ? { start: start.toISOString() } : {}),
        ...(values.lookback ? { lookback: true } : {}),
        ...(values.note ? { note: values.note } : {}) };
}

/* ------------------------------------------------------------------ fields */

function Field({ name, label, hint, refusal, children }) {
    const bad = refusal?.field === name || refusal?.field?.startsWith(`${name}[`);

    return html`<div class=${bad ? 'field bad' : 'field'}>
        <label for=${`new-${name}`}>${label}</label>${children}
        ${hint && html`<p class="hint" id=${`hint-${name}`}>${hint}</p>`}
        ${bad && html`<p class="refusal" role="alert" id=${`refusal-${name}`}>${refusal.message}${
            refusal.href && html` <a href=${refusal.href}>The task in the way</a>`}</p>`}</div>`;
}

/* A field with a list of known values under it; any text may be typed. */
function Combo({ name, value, set, options, bad, free }) {
    const [open, set_open] = useState(false);
    const [at, set_at] = useState(-1);
    const found = options.filter((option) => matches(option.text, value)).slice(0, 8);
    const take = (option) => {
        set(option.text);
        set_open(false);
        set_at(-1);
    };
    const on_key = (event) => {
        if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
            const step = event.key === 'ArrowDown' ? 1 : -1;

            set_open(true);
            set_at((old) => found.length === 0 ? -1
                : (old + step + found.length + (old < 0 && step < 0 ? 1 : 0)) % found.length);
        } else if (event.key === 'Enter' && !event.ctrlKey && open && found[at]) {
            take(found[at]);
        } else if (event.key === 'Escape' && open) {
            set_open(false);
        } else {
            return;
        }
        event.preventDefault();
    };
    const is_open = open && found.length > 0;

    return html`<div class="combo">
        <input id=${`new-${name}`} role="combobox" autocomplete="off" spellcheck=${false}
            aria-expanded=${is_open ? 'true' : 'false'} aria-controls=${`list-${name}`}
            aria-autocomplete="list" aria-invalid=${bad ? 'true' : undefined}
            aria-describedby=${bad ? `refusal-${name}` : undefined}
            aria-activedescendant=${is_open && at >= 0 ? `option-${name}-${at}` : undefined}
            value=${value} onKeyDown=${on_key} onFocus=${(event) => event.target.select()}
            onInput=${(event) => {
                set(event.target.value);
                set_open(true);
                set_at(-1);
            }} onClick=${() => set_open(true)} onBlur=${() => set_open(false)} />
        <ul id=${`list-${name}`} role="listbox" aria-label=${`Known names of ${name}`}
            class="options" hidden=${!is_open}>${found.map((option, i) => html`
            <li key=${option.text} id=${`option-${name}-${i}`} role="option"
                aria-selected=${i === at ? 'true' : 'false'} onMouseDown=${(event) => {
                    event.preventDefault();
                    take(option);
                }}><${Name} text=${option.text} max=${80} /><span class="hint">${option.hint}</span>
            </li>`)}</ul>
        ${free && html`<p class="hint">${free}</p>`}</div>`;
}

/* ------------------------------------------------------------------ the threshold */

/* The interfaces that the name means: one, or all with the prefix. */
function meant(values, interfaces) {
    const name = values.interface;
    const of_application = interfaces.filter((row) => row.application === values.application);

    if (!name) return [];
    return of_application.filter((row) => (name.endsWith('*')
        ? row.interface.startsWith(name.slice(0, -1)) : row.interface === name));
}

function consequence(rows, ms, cap) {
    const beyond = rows.reduce((total, row) => total + calls_beyond(row, ms), 0);
    const calls = rows.reduce((total, row) => total + row.windows[2].calls, 0);
    const slowest = Math.max(...rows.map((row) => row.windows[2].max_ms ?? 0));

    if (rows.length === 0) return '';
    if (calls === 0) return 'It had no calls in the last 15 minutes.';
    if (beyond < 0.5)
        return `None of the ${formats.count(calls)} calls of the last 15 minutes took that long; ` +
            `the slowest took ${formats.time(slowest)}.`;
    const per_minute = beyond / 15;
    const rate = per_minute >= 1 ? `About ${formats.counted(Math.round(per_minute), 'call')} a minute`
        : `About ${formats.counted(Math.max(1, Math.round(beyond)), 'call')} in all`;
    const last = formats.time((cap * 60000) / per_minute);

    return `${rate} would have crossed this in the last 15 minutes. ` +
        `${formats.counted(cap, 'sample')} would take about ${last}.`;
}

const BAR = { width: 21, height: 56 };

/* How long calls took, with the threshold in it: dragged, or moved by arrows. */
function Distribution({ rows, ms, set_ms }) {
    const box = useRef(null);
    const buckets = rows[0].buckets.map((bucket, i) => ({ ...bucket,
        calls: rows.reduce((total, row) => total + row.buckets[i].calls, 0) }));
    const most = Math.max(1, ...buckets.map((bucket) => Math.log1p(bucket.calls)));
    const base = buckets[0].to_ms / 2;
    const x_of = (value) => Math.min(Math.max(Math.log2(value / base), 0), buckets.length) * BAR.width;
    const drag = (event) => {
        const at = (event.clientX - box.current.getBoundingClientRect().left) / box.current.clientWidth;
        const value = base * 2 ** (Math.min(Math.max(at, 0), 1) * buckets.length);
        const step = value < 1000 ? 10 : 100;

        set_ms(Math.min(Math.max(Math.round(value / step) * step, THRESHOLD_MS.min),
            THRESHOLD_MS.max));
    };
    const on_key = (event) => {
        const steps = { ArrowLeft: -10, ArrowDown: -10, ArrowRight: 10, ArrowUp: 10 };

        if (!steps[event.key]) return;
        event.preventDefault();
        set_ms(Math.min(Math.max(ms + steps[event.key] * (event.shiftKey ? 10 : 1),
            THRESHOLD_MS.min), THRESHOLD_MS.max));
    };
    const ticks = [1, 10, 100, 1000, 10000].filter((tick) => x_of(tick) > 0);

    return html`<div class="distribution" ref=${box} role="slider" tabindex="0"
        aria-label="Trigger threshold" aria-valuemin=${THRESHOLD_MS.min}
        aria-valuemax=${THRESHOLD_MS.max} aria-valuenow=${ms} aria-valuetext=${formats.time(ms)}
        onKeyDown=${on_key} onPointerDown=${(event) => {
            event.currentTarget.setPointerCapture(event.pointerId);
            drag(event);
        }} onPointerMove=${(event) => event.buttons === 1 && drag(event)}>
        <svg aria-hidden="true" viewBox=${`0 0 ${buckets.length * BAR.width} 74`}>
            ${buckets.map((bucket, i) => {
                const height = Math.round((BAR.height * Math.log1p(bucket.calls)) / most);

                return height > 0 && html`<rect key=${i} x=${i * BAR.width} y=${BAR.height - height}
                    width=${BAR.width - 2} height=${height}
                    class=${bucket.from_ms >= ms ? 'beyond' : ''} />`;
            })}
            ${ticks.map((tick) => html`<text key=${tick} x=${x_of(tick)} y="71">${
                formats.time(tick).replace('.00', '').replace('.0', '')}</text>`)}
            <path class="line" d=${`M${x_of(ms)} 0V60`} /></svg></div>`;
}

function Threshold({ values, set, rows, refusal }) {
    const is_prefix = values.interface.endsWith('*');
    const window = rows.length === 1 && !is_prefix ? rows[0].windows[2] : null;
    const is_percentile = /^p\d+$/.test(values.threshold_ms);
    const ms = is_percentile ? window?.[`${values.threshold_ms}_ms`]
        : formats.parse_ms(values.threshold_ms);
    const cap = Number(values.sample_cap) || 10;
    const why = (value) => {
        if (is_prefix) return 'A percentile needs one interface, not a prefix.';
        if (value === null || value === undefined) return 'No calls in the last 15 minutes.';
        if (value < THRESHOLD_MS.min) return `${formats.time(value)} is below 50 ms.`;
        return value > THRESHOLD_MS.max ? `${formats.time(value)} is above 30 s.` : null;
    };
    const on_arrow = (event) => {
        const step = { ArrowUp: 10, ArrowDown: -10 }[event.key];

        if (!step || typeof ms !== 'number') return;
        event.preventDefault();
        set('threshold_ms', String(Math.max(0, Math.round(ms) + step * (event.shiftKey ? 10 : 1))));
    };
    const understood = typeof ms === 'number' && values.threshold_ms.trim() !== '' ? formats.time(ms) : '';

    return html`<${Field} name="threshold_ms" label="Trigger threshold" refusal=${refusal}>
        <div class="line">
            <input id="new-threshold_ms" class="short" value=${values.threshold_ms} autocomplete="off"
                aria-describedby="consequence" onKeyDown=${on_arrow}
                aria-invalid=${refusal?.field === 'threshold_ms' ? 'true' : undefined}
                onInput=${(event) => set('threshold_ms', event.target.value)} />
            <span class="hint understood">${understood}</span>
            ${['p50', 'p90', 'p99'].map((name) => {
                const value = window?.[`${name}_ms`], reason = why(value);

                return html`<button type="button" key=${name} class="small"
                    aria-pressed=${values.threshold_ms === name ? 'true' : 'false'}
                    aria-disabled=${reason ? 'true' : undefined} title=${reason ?? `${name} of the last
                        15 minutes`} onClick=${() => (reason ? toast(reason)
                        : set('threshold_ms', name))}>${name}${value !== null && value !== undefined
                        ? ` ${formats.time(value)}` : ''}</button>`;
            })}</div>
        ${rows.length > 0 && typeof ms === 'number' && ms > 0 && html`<${Distribution} rows=${rows}
            ms=${Math.round(ms)} set_ms=${(value) => set('threshold_ms', String(value))} />`}
        <p id="consequence" class="consequence" aria-live="polite">${
            typeof ms === 'number' && ms > 0 ? consequence(rows, ms, cap) : ''}</p><//>`;
}

/* ------------------------------------------------------------------ the panel */

function known_names(values, interfaces) {
    const applications = [...new Set(interfaces.map((row) => row.application))];
    const names = interfaces.filter((row) => row.application === values.application ||
        !values.application);

    return {
        applications: applications.map((text) => ({ text, hint: formats.counted(
            interfaces.filter((row) => row.application === text).length, 'interface') })),
        names: names.map((row) => ({ text: row.interface, hint: row.windows[2].calls > 0
            ? `p99 ${formats.time(row.windows[2].p99_ms)}, ${formats.count(row.windows[2].calls / 15)
            } a minute` : 'no calls' })),
    };
}

function about(values, rows) {
    if (!values.interface) return null;
    if (values.interface.endsWith('*'))
        return `${values.interface} matches ${formats.counted(rows.length, 'known interface')}.`;
    if (rows.length === 0) return 'As typed; no instance has reported it.';
    const { calls, p50_ms, p99_ms } = rows[0].windows[2];

    return calls === 0 ? 'No calls in the last 15 minutes.'
        : `${formats.counted(calls / 15, 'call')} a minute, p50 ${formats.time(p50_ms)}, p99 ${
            formats.time(p99_ms)}`;
}

/* p99, where it may be one. */
function proposed(values, rows) {
    const p99_ms = rows.length === 1 ? rows[0].windows[2].p99_ms : null;

    if (values.threshold_ms !== '' || p99_ms === null || values.interface.endsWith('*')) return null;
    return p99_ms >= THRESHOLD_MS.min && p99_ms <= THRESHOLD_MS.max ? 'p99' : null;
}

async function with_task_in_the_way(error) {
    const id = /\b[0-9a-f]{20}\b/.exec(error.message)?.[0];

    if (id) error.href = `/tasks/${id}`;
    return error;
}

function MoreFields({ values, set, refusal }) {
    const has_more = values.instances || values.start || values.lookback || values.note;
    const text = (name, extra) => html`<input id=${`new-${name}`} value=${values[name]} ...${extra}
        autocomplete="off" aria-invalid=${refusal?.field?.startsWith(name) ? 'true' : undefined}
        onInput=${(event) => set(name, event.target.value)} />`;

    return html`<details open=${has_more || ['instances', 'start', 'note'].some((name) =>
        refusal?.field?.startsWith(name))}><summary>More: instances, start, lookback, note</summary>
        <${Field} name="instances" label="Instances" refusal=${refusal}
            hint="Hosts or instance names, separated by commas; empty: all">${text('instances')}<//>
        <${Field} name="start" label="Start" refusal=${refusal} hint="Empty: now">
            ${text('start', { type: 'datetime-local' })}<//>
        <div class="field"><label class="check"><input id="new-lookback" type="checkbox"
            checked=${values.lookback} onChange=${(event) => set('lookback', event.target.checked)} />
            Lookback: also sparse snapshots from before the threshold</label></div>
        <${Field} name="note" label="Note" refusal=${refusal}>${text('note', { maxlength: 500 })}<//>
        </details>`;
}

/* Where the focus goes when the panel opens: to what is still to be filled in, else to the
 * threshold; and back to where it was when the panel closes. At once: who types fast must not type
 * elsewhere. */
function use_focus(panel, values) {
    useLayoutEffect(() => {
        const before = document.activeElement;
        const name = !values.application ? 'application' : !values.interface ? 'interface'
            : 'threshold_ms';

        panel.current?.querySelector(`#new-${name}`)?.focus();
        return () => {
            if (before?.isConnected) before.focus();
            else document.getElementById('main')?.focus();
        };
    }, []);
}

export function Watch({ given, close }) {
    const panel = useRef(null);
    const [values, set_values] = useState(() => panel_values(given));
    const [refusal, set_refusal] = useState(null);
    const [is_sent, set_sent] = useState(false);
    const { data } = use_answer('/interfaces', { every_s: 10 });
    const interfaces = data?.interfaces ?? [];
    const rows = useMemo(() => meant(values, interfaces), [values.application, values.interface, data]);
    const names = useMemo(() => known_names(values, interfaces), [values.application, data]);
    const set = (name, value) => {
        set_values((old) => ({ ...old, [name]: value }));
        if (refusal?.field === name) set_refusal(null);
    };

    use_focus(panel, values);
    useEffect(() => keep_draft('new', values), [values]);
    useLayoutEffect(() => { /* who has begun to type keeps what is typed */
        set_values((old) => ({ ...old, threshold_ms: proposed(old, rows) ?? old.threshold_ms }));
    }, [rows]);
    useLayoutEffect(() => {
        if (refusal?.field)
            panel.current?.querySelector(`#new-${refusal.field.replace(/\[.*/, '')}`)?.focus();
    }, [refusal]);

    const send = async () => {
        if (is_sent) return;
        set_sent(true);
        try {
            const task = await order('POST', '/tasks', order_of(values));

            choose('duration_min', values.duration_min);
            choose('frequency_ms', task.frequency_ms);
            choose('sample_cap', task.sample_cap);
            close();
            keep_draft('new', null);
            go(`/tasks/${task.id}`);
        } catch (error) {
            set_refusal(await with_task_in_the_way(error));
            set_sent(false);
        }
    };

    use_keys({ send, close: (event) => {
        if (event.target.matches?.('[role=combobox][aria-expanded=true]')) return false;
        close();
        return true;
    } });
    const is_general = refusal && !FIELDS.includes(refusal.field?.replace(/\[.*/, ''));
    const number = (name) => html`<input id=${`new-${name}`} class="short" inputmode="numeric"
        autocomplete="off" value=${values[name]} aria-invalid=${refusal?.field === name ? 'true'
            : undefined} onInput=${(event) => set(name, event.target.value)} />`;

    return html`<div class="panel" ref=${panel} role="dialog" aria-labelledby="watch-title" data-region
        tabindex="-1"><form onSubmit=${(event) => {
            event.preventDefault();
            send();
        }}>
        <div class="head"><h2 id="watch-title">Watch an interface</h2>
            <button type="button" class="plain small" onClick=${close}>Close <kbd>Esc</kbd></button>
        </div>
        <${Field} name="application" label="Application" refusal=${refusal}>
            <${Combo} name="application" value=${values.application} options=${names.applications}
                bad=${refusal?.field === 'application'} set=${(value) => set('application', value)} /><//>
        <${Field} name="interface" label="Interface" refusal=${refusal}>
            <${Combo} name="interface" value=${values.interface} options=${names.names}
                bad=${refusal?.field === 'interface'} free=${about(values, rows)}
                set=${(value) => set('interface', value)} /><//>
        <${Threshold} values=${values} set=${set} rows=${rows} refusal=${refusal} />
        <div class="fields">
            <div class="field" id="new-duration_min" tabindex="-1"><span class="label">Duration</span>
                <${Segments} label="Duration" value=${values.duration_min}
                    set=${(value) => set('duration_min', value)}
                    options=${[[5, '5 min'], [10, '10 min'], [15, '15 min']]} />
                ${refusal?.field === 'duration_min' && html`<p class="refusal" role="alert">${
                    refusal.message}</p>`}</div>
            <${Field} name="frequency_ms" label="Frequency" refusal=${refusal}
                hint="a look every so often">${number('frequency_ms')}<//>
            <${Field} name="sample_cap" label="Sample cap" refusal=${refusal}>${
                number('sample_cap')}<//></div>
        <${MoreFields} values=${values} set=${set} refusal=${refusal} />
        ${is_general && html`<p class="refusal" role="alert">${refusal.message}${refusal.href &&
            html` <a href=${refusal.href}>The task in the way</a>`}</p>`}
        <div class="foot"><${Act} primary onClick=${send} disabled=${is_sent}>${`Watch for ${
            values.duration_min} min`} <kbd>Ctrl Enter</kbd><//></div></form></div>`;
}
