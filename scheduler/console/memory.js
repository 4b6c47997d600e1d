/* SPDX-License-Identifier: Apache-2.0 */
/* memory.js: what the browser remembers between visits: choices, never data, never a token.
 *
 *     choice('utc')                   what was chosen, or its default
 *     choose('theme', 'dark')         stored; everybody who uses the choice is drawn again
 *
 * One key of localStorage, with a version; what is strange there is dropped value by value. Where
 * storing is forbidden, choices last as long as the page. theme.js reads the same key. */
import { useEffect, useState } from './vendor/htm-preact.js';

const KEY = 'stakeout';
const VERSION = 1;

const is_one_of = (...words) => (value) => words.includes(value);
const is_number = (low, high) => (value) => Number.isInteger(value) && value >= low && value <= high;
const is_texts = (value) => Array.isArray(value) && value.length <= 10 &&
    value.every((text) => typeof text === 'string' && text.length <= 2000);

const choices = {
    theme: { first: 'system', is_fine: is_one_of('system', 'light', 'dark') },
    utc: { first: false, is_fine: is_one_of(true, false) },
    dense: { first: false, is_fine: is_one_of(true, false) },
    single_keys: { first: true, is_fine: is_one_of(true, false) },
    window_min: { first: 5, is_fine: is_number(1, 15) },
    duration_min: { first: 5, is_fine: is_one_of(5, 10, 15) },
    frequency_ms: { first: 100, is_fine: is_number(5, 1000) },
    sample_cap: { first: 10, is_fine: is_number(1, 100) },
    recent: { first: [], is_fine: is_texts },
};

function read() {
    let stored = null;
    const values = {};

    try {
        stored = JSON.parse(localStorage.getItem(KEY));
    } catch {
        stored = null; /* storing is forbidden, or somebody else wrote there */
    }
    for (const [name, { first, is_fine }] of Object.entries(choices)) {
        const value = stored?.version === VERSION ? stored[name] : undefined;

        values[name] = is_fine(value) ? value : first;
    }
    return values;
}

let values = read();
const listeners = new Set();

export const choice = (name) => values[name];

export function choose(name, value) {
    if (!choices[name].is_fine(value)) return;
    values = { ...read(), [name]: value };
    try {
        localStorage.setItem(KEY, JSON.stringify({ ...values, version: VERSION }));
    } catch {
        /* it lasts as long as the page */
    }
    if (name === 'theme') document.dispatchEvent(new Event('themechosen'));
    for (const listener of listeners) listener();
}

/* In a component: the value, and to be drawn again when it changes, in another tab as well. */
export function use_choice(name) {
    const [value, set_value] = useState(values[name]);

    useEffect(() => {
        const listener = () => set_value(values[name]);

        listeners.add(listener);
        return () => listeners.delete(listener);
    }, [name]);
    return value;
}

addEventListener('storage', (event) => {
    if (event.key !== KEY) return;
    values = read();
    for (const listener of listeners) listener();
});

/* A half-filled form, for this tab alone. */
export function draft(name) {
    try {
        return JSON.parse(sessionStorage.getItem(`${KEY}.${name}`)) ?? {};
    } catch {
        return {};
    }
}

export function keep_draft(name, value) {
    try {
        if (value === null) sessionStorage.removeItem(`${KEY}.${name}`);
        else sessionStorage.setItem(`${KEY}.${name}`, JSON.stringify(value));
    } catch {
        /* then it is lost on reload, and only then */
    }
}
