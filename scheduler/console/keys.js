/* SPDX-License-Identifier: Apache-2.0 */
/* keys.js: every key of the console in one table: it binds them, and the `?` page lists them.
 *
 *     use_keys({ 'new-task': open_panel })     in a component, as long as it is there
 *
 * Of several components that bind the same row the youngest gets the key: a panel before the page
 * below it. Keys of one sign act outside of fields only, and can be turned off (WCAG 2.1.4); those
 * with Ctrl, Escape and F6 always act. */
import { useEffect, useRef } from './vendor/htm-preact.js';
import { choice } from './memory.js';

/* where, name, keys (any of them; "g a": one after the other), what it does */
export const table = [
    ['Everywhere', 'keys', ['?'], 'this list'],
    ['Everywhere', 'find', ['Ctrl k'], 'find an interface, task, trace or command'],
    ['Everywhere', 'search', ['/'], 'search this page'],
    ['Everywhere', 'new-task', ['n'], 'watch an interface'],
    ['Everywhere', 'go-applications', ['g a'], 'applications'],
    ['Everywhere', 'go-tasks', ['g t'], 'tasks'],
    ['Everywhere', 'copy-link', ['y'], 'copy a link to this view'],
    ['Everywhere', 'close', ['Escape'], 'leave a field, close what is on top, step back'],
    ['Everywhere', 'region', ['F6'], 'next region of the page'],
    ['Everywhere', 'send', ['Ctrl Enter'], 'send the form'],
    ['Lists', 'down', ['j', 'ArrowDown'], 'next row'],
    ['Lists', 'up', ['k', 'ArrowUp'], 'row before'],
    ['Lists', 'first', ['Home'], 'first row'],
    ['Lists', 'last', ['End'], 'last row'],
    ['Lists', 'pick', [' '], 'pick the row'],
    ['Lists', 'watch', ['w'], 'watch the interface of the row'],
    ['Lists', 'compare', ['c'], 'compare the two that are picked'],
    ['Task', 'tab-samples', ['1'], 'samples'],
    ['Task', 'tab-task', ['2'], 'all settings'],
    ['Task', 'tab-log', ['3'], 'log'],
    ['Task', 'tab-ledger', ['4'], 'ledger'],
    ['Task', 'analyse', ['a'], 'analyse all samples together'],
    ['Analysis', 'view-flame', ['1'], 'flame graph'],
    ['Analysis', 'view-tree', ['2'], 'call tree'],
    ['Analysis', 'view-both', ['3'], 'both'],
    ['Analysis', 'view-sandwich', ['4'], 'sandwich: callers and callees of one function'],
    ['Analysis', 'view-raw', ['5'], 'raw snapshots'],
    ['Analysis', 'direction', ['i'], 'icicle or flame'],
    ['Analysis', 'colouring', ['m'], 'next colouring'],
    ['Analysis', 'match-next', ['.'], 'next match of the search'],
    ['Analysis', 'match-before', [','], 'match before'],
    ['Analysis', 'previous', ['['], 'previous sample'],
    ['Analysis', 'next', [']'], 'next sample'],
    ['Analysis', 'export', ['e'], 'export'],
].map(([where, name, keys, says]) => ({ where, name, keys, says }));

/* For a control's tooltip: "Watch (n)". */
export function key_of(name) {
    const row = table.find((row) => row.name === name);

    return row.keys[0] === ' ' ? 'Space' : row.keys[0].replace('Ctrl k', 'Ctrl K');
}

const bindings = []; /* { name, act }, the youngest last */
let prefix = '';

function is_field(element) {
    return element instanceof HTMLElement &&
        (element.isContentEditable || element.matches('input:not([type=checkbox]), textarea, select'));
}

function stroke_of(event) {
    const control = event.ctrlKey || event.metaKey;
    const key = control && event.key.length === 1 ? event.key.toLowerCase() : event.key;

    return (control ? 'Ctrl ' : '') + key;
}

function bound(stroke) {
    const rows = table.filter((row) => row.keys.includes(stroke));

    return bindings.filter((binding) => rows.some((row) => row.name === binding.name)).reverse();
}

/* May this stroke act here? */
function may_act(stroke, event) {
    if (event.altKey || event.isComposing) return false;
    if (stroke.startsWith('Ctrl ') || stroke === 'Escape' || stroke === 'F6') return true;
    if (is_field(event.target)) return false;
    if (stroke.length > 1 && !stroke.includes(' ')) return true; /* arrows, Home, End */
    return stroke === ' ' || choice('single_keys');
}

function on_key(event) {
    const single = stroke_of(event);
    const stroke = prefix + single;

    prefix = '';
    if (event.defaultPrevented || !may_act(single, event)) return;
    for (const { act } of bound(stroke)) {
        if (act(event) === false) continue; /* it was not for this one */
        event.preventDefault();
        return;
    }
    if (stroke === single && !is_field(event.target) &&
        table.some((row) => row.keys.some((keys) => keys.startsWith(`${single} `))))
        prefix = `${single} `;
}

document.addEventListener('keydown', on_key);

/* A handler that answers false leaves the key to the next. */
export function use_keys(handlers) {
    const latest = useRef(handlers);

    latest.current = handlers;
    useEffect(() => {
        const mine = Object.keys(latest.current).map((name) => ({
            name,
            act: (event) => latest.current[name]?.(event),
        }));

        bindings.push(...mine);
        return () => {
            for (const binding of mine) bindings.splice(bindings.indexOf(binding), 1);
        };
    }, []);
}
