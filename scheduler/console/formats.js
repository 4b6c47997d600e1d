/* SPDX-License-Identifier: Apache-2.0 */
/* formats.js: how figures, moments and names are written, in one place.
 *
 * Pure functions of values; nothing here knows of the page. Unknown values (null, undefined) are an
 * en dash everywhere. A figure and its unit are held together by a no-break space. */

const UNKNOWN = '\u2013';
const JOIN = '\u00a0';
const MINUS = '\u2212';
const ELLIPSIS = '\u2026';

const is_unknown = (value) => value === null || value === undefined || Number.isNaN(value);

function grouped(number) {
    return String(number).replace(/\B(?=(\d{3})+$)/g, ',');
}

/* ------------------------------------------------------------------ times */

/* Three digits; null if they do not fit below 1000 of this unit. */
function three_digits(value) {
    const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
    const text = value.toFixed(digits);

    if (Number(text) >= 1000) return null;
    return Number(text) >= 10 ** (3 - digits) ? value.toFixed(digits - 1) : text;
}

function long_time(seconds) {
    const whole = Math.round(seconds);
    const hours = Math.floor(whole / 3600), minutes = Math.floor((whole % 3600) / 60);

    if (hours > 0)
        return `${hours}${JOIN}h` + (minutes > 0 ? ` ${minutes}${JOIN}min` : '');
    return `${minutes}${JOIN}min` + (whole % 60 > 0 ? ` ${whole % 60}${JOIN}s` : '');
}

/* "184 µs", "1.84 ms", "18.4 s", "1 min 12 s". `finest_ms`: what the measurement can tell. */
export function time(ms, { finest_ms = 0 } = {}) {
    if (is_unknown(ms)) return UNKNOWN;
    if (ms < 0) return MINUS + time(-ms, { finest_ms });
    if (ms > 0 && ms < finest_ms / 2) return `<${time(finest_ms, { finest_ms })}`;
    const exact = finest_ms > 0 ? Math.round(ms / finest_ms) * finest_ms : ms;
    const units = [[exact * 1000, 'µs'], [exact, 'ms'], [exact / 1000, 's']];

    if (exact === 0) return '0';
    for (const [value, unit] of units) {
        const whole = finest_ms >= 1 && unit === 'ms' ? String(Math.round(value)) : null;
        const text = value < 1000 ? whole ?? three_digits(value) : null;

        if (finest_ms >= 1 && unit === 'µs') continue;
        if (text !== null && (unit !== 's' || Number(text) < 60)) return text + JOIN + unit;
    }
    return long_time(exact / 1000);
}

/* For columns whose head names the unit: whole milliseconds. */
export function column_ms(ms) {
    if (is_unknown(ms)) return UNKNOWN;
    if (ms > 0 && ms < 0.5) return '<1';
    return grouped(Math.round(ms));
}

/* "+12 ms", "−1.90 s"; within the floor the sign says nothing and is still there. */
export function difference(ms) {
    if (is_unknown(ms)) return UNKNOWN;
    return ms > 0 ? `+${time(ms)}` : time(ms);
}

/* "4:12", "1:02:09"; never below zero. */
export function countdown(ms) {
    const whole = Math.max(0, Math.ceil(ms / 1000));
    const two = (number) => String(number).padStart(2, '0');
    const hours = Math.floor(whole / 3600), minutes = Math.floor((whole % 3600) / 60);

    return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/* What a person typed as a duration: "250", "250 ms", "0.25 s", "1 min". Null: it is none. */
export function parse_ms(text) {
    const found = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|sec|min|m)?\s*$/i.exec(text);
    const factors = { ms: 1, s: 1000, sec: 1000, min: 60000, m: 60000 };

    if (!found) return null;
    return Math.round(Number(found[1]) * factors[(found[2] ?? 'ms').toLowerCase()] * 1000) / 1000;
}

/* ------------------------------------------------------------------ counts and shares */

export function count(number) {
    if (is_unknown(number)) return UNKNOWN;
    if (number < 100000) return grouped(Math.round(number));
    if (number < 999500) return `${Math.round(number / 1000)}${JOIN}k`;
    if (number < 999.5e6) return `${three_digits(number / 1e6)}${JOIN}M`;
    return `${(number / 1e9).toPrecision(3)}${JOIN}G`;
}

export function exact_count(number) {
    return is_unknown(number) ? UNKNOWN : grouped(Math.round(number));
}

/* "1 call", "3 calls". */
export function counted(number, one, many = `${one}s`) {
    return `${count(number)} ${number === 1 ? one : many}`;
}

/* "78.7 %"; 100 % and 0 % only where they are exact. */
export function share(part, whole) {
    if (is_unknown(part) || is_unknown(whole) || whole <= 0) return UNKNOWN;
    const percent = (100 * part) / whole;

    if (part === 0) return `0${JOIN}%`;
    if (part === whole) return `100${JOIN}%`;
    if (percent < 0.1) return `<0.1${JOIN}%`;
    if (percent > 99.9 && percent < 100) return `>99.9${JOIN}%`;
    return `${percent.toFixed(1)}${JOIN}%`;
}

export function points(difference) {
    if (is_unknown(difference)) return UNKNOWN;
    const sign = difference > 0 ? '+' : difference < 0 ? MINUS : '';

    return `${sign}${Math.abs(difference).toFixed(1)}${JOIN}pt`;
}

export function bytes(size) {
    if (is_unknown(size)) return UNKNOWN;
    if (size < 1000) return `${size}${JOIN}B`;
    if (size < 999500) return `${three_digits(size / 1000)}${JOIN}KB`;
    return `${three_digits(size / 1e6) ?? (size / 1e6).toFixed(0)}${JOIN}MB`;
}

/* ------------------------------------------------------------------ moments */

const two = (number) => String(number).padStart(2, '0');

function parts_of(moment, utc) {
    const date = new Date(moment);

    return utc
        ? { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate(),
            hour: date.getUTCHours(), minute: date.getUTCMinutes(), second: date.getUTCSeconds(),
            ms: date.getUTCMilliseconds() }
        : { year: date.getFullYear(), month: date.getMonth() + 1, day: date.getDate(),
            hour: date.getHours(), minute: date.getMinutes(), second: date.getSeconds(),
            ms: date.getMilliseconds() };
}

export function day(moment, { utc = false, now = Date.now() } = {}) {
    const then = parts_of(moment, utc);
    const same = (other) => other.year === then.year && other.month === then.month &&
        other.day === then.day;

    if (same(parts_of(now, utc))) return 'today';
    if (same(parts_of(now - 86400000, utc))) return 'yesterday';
    return `${then.year}-${two(then.month)}-${two(then.day)}`;
}

/* "03:12:07", with `ms` "03:12:07.482". */
export function clock(moment, { utc = false, ms = false } = {}) {
    if (is_unknown(moment)) return UNKNOWN;
    const at = parts_of(moment, utc);
    const text = `${two(at.hour)}:${two(at.minute)}:${two(at.second)}`;

    return ms ? `${text}.${String(at.ms).padStart(3, '0')}` : text;
}

/* "today 02:40", "2026-11-21 17:02". */
export function moment(at, options = {}) {
    if (is_unknown(at)) return UNKNOWN;
    return `${day(at, options)} ${clock(at, options).slice(0, 5)}`;
}

export function ago(at, now = Date.now()) {
    const ms = Math.max(0, now - new Date(at).getTime());

    if (ms < 2000) return 'now';
    if (ms < 60000) return `${Math.round(ms / 1000)}${JOIN}s ago`;
    if (ms < 3600000) return `${Math.round(ms / 60000)}${JOIN}min ago`;
    return ms < 86400000 ? `${Math.round(ms / 3600000)}${JOIN}h ago`
        : `${Math.round(ms / 86400000)}${JOIN}d ago`;
}

export function clock_offset(ms) {
    if (is_unknown(ms)) return UNKNOWN;
    if (Math.abs(ms) < 1) return 'none';
    return `${time(Math.abs(ms))} ${ms > 0 ? 'ahead' : 'behind'}`;
}

/* "UTC+1", "UTC-3:30". */
export function zone(utc, now = new Date()) {
    const minutes = -now.getTimezoneOffset();
    const hours = Math.floor(Math.abs(minutes) / 60), rest = Math.abs(minutes) % 60;

    if (utc || minutes === 0) return 'UTC';
    return `UTC${minutes < 0 ? MINUS : '+'}${hours}${rest ? `:${two(rest)}` : ''}`;
}

/* ------------------------------------------------------------------ text from outside */

const CONTROL = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;
const segments = typeof Intl === 'object' && Intl.Segmenter ? new Intl.Segmenter() : null;

function visible(mark) {
    const code = mark.codePointAt(0);

    if (code < 0x20) return String.fromCodePoint(0x2400 + code);
    return code === 0x7f ? '\u2421' : `\u27e8${code.toString(16).toUpperCase()}\u27e9`;
}

/* What people read of a name that somebody else chose: control and direction marks are shown as
 * such, at most `max` characters, and no character is cut in two. */
export function safe_text(text, max = 200) {
    const cut = text.length > 12 * max ? text.slice(0, 12 * max) : text;
    const shown = cut.replace(CONTROL, visible);

    if (shown.length <= max && cut === text) return shown;
    const parts = segments ? [...segments.segment(shown)].map((part) => part.segment) : [...shown];

    return parts.length <= max && cut === text ? shown : parts.slice(0, max - 1).join('') + ELLIPSIS;
}

/* ------------------------------------------------------------------ names of C++ */

const OPERATOR = /\boperator\s*(?:\(\)|\[\]|->\*?|<=>|<<=|>>=|<<|>>|<=|>=|<|>|[-+*/%^&|~!=,]+)/g;

/* Signs that look like brackets and are none are put aside while brackets are counted: one private
 * character for each. */
function set_aside(text) {
    const kept = [];
    const keep = (found) => String.fromCodePoint(0xe000 + kept.push(found) - 1);
    const inside = text
        .replace(/\{lambda\([^{}]*\)#(\d+)\}/g, (_, number) => keep(`{lambda ${number}}`))
        .replace(/\(anonymous namespace\)/g, () => keep('(anon)'))
        .replace(OPERATOR, keep)
        .replace(/ </g, '<');

    return { inside, put_back: (part) => part.replace(/[\ue000-\uf8ff]/g, (sign) =>
        kept[sign.codePointAt(0) - 0xe000] ?? sign) };
}

/* Calls each(sign, index, depth) for what stands outside of all brackets, in order. */
function outside(text, each) {
    let depth = 0;

    for (let i = 0; i < text.length; i++) {
        const sign = text[i];

        if ('>)]}'.includes(sign)) depth = Math.max(0, depth - 1);
        if (depth === 0) each(sign, i);
        if ('<([{'.includes(sign)) depth++;
    }
}

/* From "(" to its end, and what is behind it; and what is before the last blank. */
function bare(text) {
    let open = -1, begin = 0;

    outside(text, (sign, index) => {
        if (sign === '(' && index > 0) open = index;
    });
    const head = open > 0 ? text.slice(0, open) : text;

    if (open < 0 && !text.includes('::')) return text;
    outside(head.trimEnd(), (sign, index) => {
        if (sign === ' ' && !/operator$/.test(head.slice(0, index))) begin = index + 1;
    });
    return head.slice(begin).trim() || text;
}

function without_templates(text) {
    let result = '', depth = 0;

    for (const sign of text) {
        if (sign === '<' && depth++ === 0) result += '<>';
        else if (sign === '>') depth = Math.max(0, depth - 1);
        else if (depth === 0) result += sign;
    }
    return result;
}

function parts_of_name(text) {
    const parts = [];
    let begin = 0;

    outside(text, (sign, index) => {
        if (sign !== ':' || text[index + 1] !== ':') return;
        parts.push(text.slice(begin, index));
        begin = index + 2;
    });
    parts.push(text.slice(begin));
    return parts;
}

const STRING = /std::(?:__cxx11::)?basic_string<char(?:, std::char_traits<char>, std::allocator<char> ?)?>/g;

/* Every way to write a name, from the longest to the shortest. */
function ways(full) {
    const [, name, clone] = /^(.*?)((?: \[clone [^\]]*\])*)$/s.exec(full);
    const { inside, put_back } = set_aside(name.replace(STRING, 'std::string'));
    const plain = bare(inside.replace(/std::__cxx11::/g, 'std::'));
    const simple = without_templates(plain);
    const parts = parts_of_name(simple);
    const last = parts[parts.length - 1];
    const mark = clone.replace(/ \[clone \.?([^\]]*)\]/g, ' [$1]');
    const all = [plain, simple, parts.slice(-2).join('::'), parts.length > 1
        ? `${ELLIPSIS}::${last}` : last];

    return all.map((way) => put_back(way) + mark);
}

/* The longest way to write a function's name in at most `max` characters. */
export function short_name(full, max = 60) {
    const safe = safe_text(full, Math.max(4 * max, 400));
    const all = ways(safe);
    const fits = all.find((way) => way.length <= max);

    if (fits) return fits;
    return safe_text(all[all.length - 1].replace(/^\u2026::/, ''), Math.max(2, max));
}

/* "src/…/inventory.cc:214": file and line whole, the middle elided. */
export function short_path(file, line, max = 40) {
    const end = line ? `:${line}` : '';
    const parts = safe_text(file, 400).split('/');
    const name = parts[parts.length - 1] + end;
    const first = parts[0] === '' ? `/${parts[1] ?? ''}` : parts[0];

    if (file.length + end.length <= max || parts.length < 3) return safe_text(file, 400) + end;
    const elided = `${first}/${ELLIPSIS}/${name}`;

    return elided.length <= max ? elided : `${ELLIPSIS}/${name}`;
}

export function module_name(path) {
    return safe_text(path.slice(path.lastIndexOf('/') + 1));
}

/* Identifiers: the first four and the last four. */
export function short_id(id) {
    return id.length > 12 ? `${id.slice(0, 4)}..${id.slice(-4)}` : id;
}
