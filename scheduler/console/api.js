/* SPDX-License-Identifier: Apache-2.0 */
/* api.js: how the console speaks with the scheduler: questions, orders, and news as they come.
 *
 *     await ask('/tasks?limit=20')                          the answer, or a Refusal is thrown
 *     await order('POST', '/tasks', { ... })
 *     const { data, error } = use_answer('/applications', { every_s: 10 })
 *     on_news((type, value) => ...)                         "task", "sample", and "fresh"
 *
 * No script holds a token: logging in trades it for a cookie that only the browser sees. The one
 * stream of events is closed while its tab is hidden, because a browser has six connections per
 * host; each time that it opens there is the news "fresh", upon which everybody reads again what
 * he shows: the stream says nothing of what happened while it was closed. */
import { useCallback, useEffect, useRef, useState } from './vendor/htm-preact.js';

const ROOT = '/api/v1';
const RECONNECT_S = [1, 2, 4, 8, 15];
const HIDDEN_S = 10;

/* What the API, or the way to it, refused. `detail` is the API's own sentence. */
export class Refusal extends Error {
    constructor(problem, status) {
        super(problem.detail || problem.title || `The scheduler answered ${status}.`);
        this.status = status;
        this.type = problem.type;
        this.field = problem.field;
    }
}

const unreachable = () => new Refusal({ type: 'unreachable', detail:
    'The scheduler does not answer.' }, 0);

let on_logged_out = () => {};

async function answer_of(response) {
    const type = response.headers.get('Content-Type') ?? '';
    const body = type.includes('json') ? await response.json() : {};

    if (response.ok) return body;
    if (response.status === 401) on_logged_out();
    throw new Refusal(body, response.status);
}

export async function order(method, path, body, signal) {
    let response;

    try {
        response = await fetch(ROOT + path, {
            method,
            signal,
            headers: body === undefined ? {} : { 'Content-Type': 'application/json' },
            body: body === undefined ? undefined : JSON.stringify(body),
        });
    } catch (error) {
        if (error.name === 'AbortError') throw error;
        throw unreachable();
    }
    return answer_of(response);
}

export const ask = (path, signal) => order('GET', path, undefined, signal);

/* "?a=1&b=2" of what is given; what is empty is left out. */
export function query(values) {
    const given = Object.entries(values).filter(([, value]) => value !== undefined &&
        value !== null && value !== '');

    return given.length ? `?${new URLSearchParams(given)}` : '';
}

/* ------------------------------------------------------------------ the session */

export const session = { value: null, clock_offset_ms: 0 };

/* By the scheduler's clock, for countdowns: never by the browser's. */
export const now = () => Date.now() + session.clock_offset_ms;

function keep_session(value, asked_at) {
    const half_way = (Date.now() - asked_at) / 2;

    session.value = value;
    session.clock_offset_ms = new Date(value.time).getTime() + half_way - Date.now();
    return value;
}

/* Who one is; null: nobody yet, a token is needed. */
export async function read_session() {
    const asked_at = Date.now();

    try {
        return keep_session(await ask('/session'), asked_at);
    } catch (refusal) {
        if (refusal.status !== 401) throw refusal;
        session.value = null;
        return null;
    }
}

export async function log_in(token) {
    const asked_at = Date.now();

    return keep_session(await order('POST', '/session', { token }), asked_at);
}

export async function log_out() {
    await order('DELETE', '/session');
    session.value = null;
    on_logged_out();
}

export function when_logged_out(listener) {
    on_logged_out = listener;
}

export const may_operate = () => session.value?.role === 'operator';

/* ------------------------------------------------------------------ news */

const listeners = new Set();
const watchers = new Set();
let stream = null, retry = null, hide = null, failures = 0, is_wanted = false;

/* "connecting", "live", or "lost" with the moment of the next try; and since when. */
export const link = { state: 'connecting', retry_at: 0, since: Date.now() };

function set_link(state, retry_at = 0) {
    if (state !== link.state) link.since = Date.now();
    Object.assign(link, { state, retry_at });
    for (const watcher of watchers) watcher();
}

function tell(type, value) {
    for (const listener of [...listeners]) listener(type, value);
}

function close_stream() {
    clearTimeout(retry);
    retry = null;
    stream?.close();
    stream = null;
}

function on_lost() {
    const wait_s = RECONNECT_S[Math.min(failures++, RECONNECT_S.length - 1)];

    close_stream();
    set_link('lost', Date.now() + wait_s * 1000);
    retry = setTimeout(open_stream, wait_s * 1000);
    if (failures % 3 === 1) read_session().catch(() => {}); /* has the session ended? */
}

function open_stream() {
    close_stream();
    if (!is_wanted) return;
    stream = new EventSource(`${ROOT}/events`);
    stream.onopen = () => {
        failures = 0;
        set_link('live');
        read_session().catch(() => {});
        tell('fresh', null);
    };
    stream.onerror = on_lost;
    for (const type of ['task', 'sample']) {
        stream.addEventListener(type, (event) => tell(type, JSON.parse(event.data)));
    }
}

export function start_news() {
    if (is_wanted) return;
    is_wanted = true;
    failures = 0;
    set_link('connecting');
    open_stream();
}

export function stop_news() {
    is_wanted = false;
    close_stream();
}

export function try_now() {
    if (is_wanted && link.state !== 'live') open_stream();
}

document.addEventListener('visibilitychange', () => {
    clearTimeout(hide);
    if (document.hidden) hide = setTimeout(close_stream, HIDDEN_S * 1000);
    else if (is_wanted && !stream && !retry) open_stream();
});
addEventListener('pagehide', close_stream);
addEventListener('pageshow', (event) => {
    if (event.persisted && is_wanted) open_stream();
});

export function on_news(listener) {
    listeners.add(listener);
    return () => listeners.delete(listener);
}

/* In a component: the connection as it is, drawn again when it changes. */
export function use_link() {
    const [, draw] = useState(0);

    useEffect(() => {
        const watcher = () => draw((times) => times + 1);

        watchers.add(watcher);
        return () => watchers.delete(watcher);
    }, []);
    return link;
}

/* ------------------------------------------------------------------ in components */

/* What a path answers: read at once, when the stream opens anew, and every so often. What was there
 * stays until the new answer is, also if there is none: then `error` says why, and `at` how old the
 * data are. A path of null asks nothing. */
export function use_answer(path, { every_s = 0 } = {}) {
    const [answer, set_answer] = useState({ data: null, error: null, at: 0, path: null });
    const [is_slow, set_slow] = useState(false);
    const asked = useRef(null);

    const read = useCallback(async () => {
        const mine = new AbortController();
        const slow = setTimeout(() => set_slow(true), 150);

        asked.current?.abort();
        asked.current = mine;
        try {
            const data = await ask(path, mine.signal);

            if (asked.current === mine) set_answer({ data, error: null, at: Date.now(), path });
        } catch (error) {
            if (asked.current === mine)
                set_answer((last) => last.path === path ? { ...last, error }
                    : { data: null, error, at: 0, path });
        } finally {
            clearTimeout(slow);
            if (asked.current === mine) set_slow(false);
        }
    }, [path]);

    useEffect(() => {
        if (path === null) return undefined;
        const timer = every_s > 0 ? setInterval(() => {
            if (!document.hidden) read();
        }, every_s * 1000) : null;
        const stop = on_news((type) => {
            if (type === 'fresh') read();
        });

        read();
        return () => {
            clearInterval(timer);
            stop();
            asked.current?.abort();
            asked.current = null;
        };
    }, [path, read, every_s]);

    const set_data = useCallback((change) => set_answer((last) => last.data === null ? last
        : { ...last, data: change(last.data) }), []);

    return { ...answer, is_slow, is_current: answer.path === path, read, set_data };
}

/* Runs `listener` on each piece of news while the component is there. */
export function use_news(listener) {
    const latest = useRef(listener);

    latest.current = listener;
    useEffect(() => on_news((type, value) => latest.current(type, value)), []);
}
