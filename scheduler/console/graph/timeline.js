/* SPDX-License-Identifier: Apache-2.0 */
/* timeline.js: a call over its real time: a ruler, a lane of states, stacks, a tick per snapshot.
 *
 *     const timeline = new Timeline(element, view);    of one call; of several there is none
 *
 * x is elapsed time from 0. The head up to the first snapshot is hatched: it was not observed. A
 * snapshot reaches to the next; in the lane its time is split by its states, one above the other;
 * equal frames of neighbours under equal callers are one box. That is a reading, so every snapshot
 * keeps its tick. Dragging chooses a range, which the whole page then is about; it begins and ends
 * where snapshots do, because nothing finer was measured. Keys step through the snapshots; the lane
 * is a slider whose value is the snapshot in words. */
import { count as counted, time } from '../formats.js';
import { PURE_SHARE, STATE_LETTERS, STATE_WORDS, look_of, palette_read, theme_watch }
    from './colours.js';
import { BASE, PARTS, STRIDE } from './model.js';
import { Tooltip, element_new } from './popups.js';
import { JOIN, place_words, symbol_name, time_words } from './words.js';

const RULER = 20;
const LANE = 14;
const ROW = 16;
const TICKS = 8;
const ROWS_MAX = 12;
const WORD_FROM = 44;
const LETTER_FROM = 14;
const TEXT_FROM = 30;
const DRAG_FROM = 5;
const HATCH = 6;
const TIP_FRAMES = 12;
const STEPS_MS = [1, 2, 5];

/* key, words, what it does with the timeline. */
export const TIMELINE_KEYS = [
    ['ArrowLeft', 'snapshot before', (line) => line.step(-1)],
    ['ArrowRight', 'snapshot after', (line) => line.step(1)],
    ['Home', 'first snapshot', (line) => line.show(0)],
    ['End', 'last snapshot', (line) => line.show(line.snapshots.count - 1)],
    ['Shift+ArrowLeft', 'range to the left', (line) => line.stretch(-1)],
    ['Shift+ArrowRight', 'range to the right', (line) => line.stretch(1)],
    ['Enter', 'use the range', (line) => line.use_range()],
    ['Escape', 'clear the range', (line) => line.clear_range()],
];

/* The snapshot that holds a time, or the nearest one; the times are in order. */
export function snapshot_at(snapshots, ns) {
    let low = 0;
    let high = snapshots.count - 1;

    while (low < high) {
        const middle = (low + high + 1) >> 1;

        if (snapshots.at[middle] <= ns) low = middle;
        else high = middle - 1;
    }
    return low;
}

/* Neighbours that are alike at a depth are one box: [first, last, draft node] each, left to right.
 * `path_of(i)` are the draft nodes of snapshot i from the outermost in. */
export function boxes_of_depth(count, path_of, depth) {
    const boxes = [];

    for (let i = 0; i < count; i++) {
        const node = path_of(i)[depth] ?? -1;
        const before = boxes.at(-1);

        if (node < 0) continue;
        if (before && before[1] === i - 1 && before[2] === node) before[1] = i;
        else boxes.push([i, i, node]);
    }
    return boxes;
}

export class Timeline {
    constructor(element, view) {
        this.view = view;
        this.element = element;
        this.snapshots = view.analysis.snapshots;
        this.chosen = null; /* a range that is being drawn */
        this.paths = this.paths_read();
        this.canvas = element_new('canvas', 'strip-canvas');
        this.lane = element_new('div', 'strip-lane', this.canvas);
        this.element.classList.add('strip');
        this.footer = element_new('div', 'graph-footer');
        this.element.append(this.lane, this.footer);
        this.tip = new Tooltip(element);
        this.end = new AbortController();
        element.hidden = this.snapshots.count === 0;
        this.listen();
        this.describe();
        this.footer_fill();
        this.on_theme();
    }

    /* Of each snapshot its draft nodes, without the frames that all have in common. */
    paths_read() {
        const { parent } = this.view.analysis.draft;
        const paths = [];

        for (let i = 0; i < this.snapshots.count; i++) {
            const path = [];
            for (let at = this.snapshots.leaf[i]; at > 0; at = parent[at]) path.push(at);
            paths.push(path.reverse());
        }
        const first = paths[0] ?? [];
        let common = 0;
        while (common < first.length - 1 && paths.every((path) => path[common] === first[common]))
            common++;
        this.common = common;
        return paths.map((path) => path.slice(common));
    }

    listen() {
        const { signal } = this.end;
        const on = (name, method) =>
            this.lane.addEventListener(name, (event) => this[method](event), { signal });

        for (const [name, method] of [['pointerdown', 'on_down'], ['pointermove', 'on_move'],
            ['pointerup', 'on_up'], ['pointercancel', 'on_leave'], ['pointerleave', 'on_leave'],
            ['keydown', 'on_key']])
            on(name, method);
        this.end_view = this.view.on((what) => this.on_change(what));
        this.observer = new ResizeObserver(() => this.draw_soon());
        this.observer.observe(this.lane);
        theme_watch(() => this.on_theme(), signal);
    }

    destroy() {
        this.end_view();
        this.end.abort();
        this.observer.disconnect();
        cancelAnimationFrame(this.asked);
        this.asked = -1;
        this.element.replaceChildren();
    }

    on_theme() {
        this.palette = palette_read(this.element);
        this.draw_soon();
    }

    on_change(what) {
        if (what.has('snapshot')) this.describe();
        if (what.has('tree')) this.footer_fill();
        this.draw_soon();
    }

    draw_soon() {
        this.asked ??= requestAnimationFrame(() => {
            this.asked = null;
            this.draw();
        });
    }

    /* What the call's time is made of, and what of its stacks is not drawn. */
    footer_fill() {
        const { analysis } = this.view;
        const { parts, count } = this.snapshots;
        const sums = PARTS.map((_, part) => {
            let sum = 0;
            for (let i = 0; i < count; i++) sum += parts[i * STRIDE + part];
            return sum;
        });
        const rest = analysis.elapsed - sums.reduce((all, one) => all + one, 0);
        const words = PARTS.map((state, part) =>
            [STATE_WORDS[state], sums[part]]).filter(([, ns]) => ns > 0)
            .map(([name, ns]) => `${name} ${time_words(this.view, ns)}`);
        const deeper = Math.max(0, ...this.paths.map((path) => path.length)) - this.row_count;

        if (rest > 0) words.unshift(`not observed ${time_words(this.view, rest)}`);
        const elapsed = time_words(this.view, analysis.elapsed);

        const { frequency_ms, interval_ms } = analysis.json;

        this.footer.textContent = `${words.join(JOIN)} = ${elapsed}` +
            (interval_ms > frequency_ms ? `${JOIN}a snapshot every ${time(frequency_ms)}, ` +
                `at widest ${time(interval_ms)}` : '') +
            (this.common > 0 ? `${JOIN}${counted(this.common)} common frames above` : '') +
            (deeper > 0 ? `${JOIN}${counted(deeper)} deeper rows below` : '');
    }

    /* ---- geometry, in CSS pixels ---- */

    get duration() {
        const { until, count } = this.snapshots;
        return Math.max(this.view.analysis.elapsed, count ? until[count - 1] : 0, 1);
    }

    x_of(ns) {
        return (ns / this.duration) * this.width;
    }

    ns_of(x) {
        return (x / this.width) * this.duration;
    }

    get row_count() {
        return Math.min(ROWS_MAX, this.paths.reduce((most, path) => Math.max(most, path.length),
            0));
    }

    get height() {
        return RULER + LANE + 2 + this.row_count * ROW + TICKS;
    }

    /* ---- drawing ---- */

    draw() {
        const ratio = devicePixelRatio || 1;
        const { canvas, palette } = this;

        this.width = this.lane.clientWidth;
        if (this.width === 0) return;
        canvas.width = Math.round(this.width * ratio);
        canvas.height = Math.round(this.height * ratio);
        canvas.style.width = `${this.width}px`;
        canvas.style.height = `${this.height}px`;
        const context = this.context = canvas.getContext('2d', { alpha: false });
        context.scale(ratio, ratio);
        context.fillStyle = palette.surface;
        context.fillRect(0, 0, this.width, this.height);
        context.textBaseline = 'middle';
        this.draw_ruler(context);
        this.draw_head(context);
        this.draw_lane(context);
        this.draw_stacks(context);
        this.draw_ticks(context);
        this.draw_range(context);
        this.draw_hairline(context);
    }

    draw_ruler(context) {
        const room = Math.max(2, Math.floor(this.width / 110));
        const least = this.duration / 1e6 / room;
        const power = 10 ** Math.floor(Math.log10(least));
        const step = power * (STEPS_MS.find((one) => one * power >= least) ?? 10);

        context.font = '11px system-ui, sans-serif';
        for (let ms = 0; ms * 1e6 <= this.duration; ms += step) {
            const x = Math.round(this.x_of(ms * 1e6));

            context.fillStyle = this.palette.line;
            context.fillRect(x, 0, 1, RULER);
            context.fillStyle = this.palette.faint;
            context.fillText(time(Math.round(ms * 1000) / 1000), x + 4, RULER / 2);
        }
    }

    /* The head that nobody saw. */
    draw_head(context) {
        const end = this.snapshots.count ? this.x_of(this.snapshots.at[0]) : this.width;

        if (end < 1) return;
        context.save();
        context.beginPath();
        context.rect(0, RULER, end, this.height - RULER - TICKS);
        context.clip();
        context.strokeStyle = this.palette.edge;
        context.lineWidth = 1;
        context.beginPath();
        for (let x = -this.height; x < end; x += HATCH * Math.SQRT2) {
            context.moveTo(x, this.height);
            context.lineTo(x + this.height, 0);
        }
        context.stroke();
        context.strokeRect(0.5, RULER + 0.5, end - 1, this.height - RULER - TICKS - 1);
        context.restore();
    }

    /* States one above the other within each snapshot's time, the first at the bottom. */
    draw_lane(context) {
        const { at, until, parts, count } = this.snapshots;

        for (let i = 0; i < count; i++) {
            const left = Math.round(this.x_of(at[i]));
            const width = Math.max(1, Math.round(this.x_of(until[i])) - left);
            const whole = until[i] - at[i];
            let bottom = RULER + LANE;

            for (let part = 0; part < BASE; part++) {
                if (parts[i * STRIDE + part] === 0 || whole === 0) continue;
                const height = (LANE * parts[i * STRIDE + part]) / whole;
                context.fillStyle = this.palette.states[part].strong;
                context.fillRect(left, bottom - height, width, height);
                bottom -= height;
            }
        }
        this.draw_lane_words(context);
    }

    /* The part that most of a snapshot's time was spent in. */
    main_part(i) {
        const { parts } = this.snapshots;
        let best = 0;

        for (let part = 1; part < BASE; part++)
            if (parts[i * STRIDE + part] > parts[i * STRIDE + best]) best = part;
        return best;
    }

    draw_lane_words(context) {
        const { at, until, parts, count } = this.snapshots;

        context.font = '11px system-ui, sans-serif';
        for (let i = 0; i < count;) {
            const part = this.main_part(i);
            const begin = i;
            let [own, all] = [0, 0];

            for (; i < count && this.main_part(i) === part; i++) {
                own += parts[i * STRIDE + part];
                all += until[i] - at[i];
            }
            const left = this.x_of(at[begin]);
            const width = this.x_of(until[i - 1]) - left;
            const letter = width >= LETTER_FROM ? STATE_LETTERS[PARTS[part]] : '';
            const words = width >= WORD_FROM ? STATE_WORDS[PARTS[part]].split(',')[0] : letter;
            if (!words || own < 0.6 * all || context.measureText(words).width > width - 4) continue;
            context.fillStyle = this.palette.states[part].strong_text;
            context.fillText(words, left + 4, RULER + LANE / 2);
        }
    }

    draw_stacks(context) {
        const { view, palette } = this;
        const look = look_of(view, palette);
        const advance = this.advance(context);

        for (let depth = 0; depth < this.row_count; depth++)
            for (const [first, last, node] of this.boxes(depth)) {
                const left = Math.round(this.x_of(this.snapshots.at[first]));
                const right = Math.round(this.x_of(this.snapshots.until[last]));
                const y = RULER + LANE + 2 + depth * ROW;
                const at = view.place(node);
                const kind = this.kind_of(look, at, first, last);

                context.fillStyle = at > 0 ? kind.fill : palette.sunken;
                context.fillRect(left, y, Math.max(1, right - left - (right - left > 3 ? 1 : 0)),
                    ROW - 1);
                if (right - left >= 6) {
                    context.fillStyle = kind.edge;
                    context.fillRect(left, y, 2, ROW - 1);
                }
                if (right - left >= TEXT_FROM)
                    this.draw_name(context, { node, at, left, right, y, advance, kind });
                if (node === view.selected) this.draw_outline(context, left, y, right - left);
            }
    }

    /* By state a box has the colour of its own snapshots, not of all that its frame was met in. */
    kind_of(look, at, first, last) {
        const { parts, at: begins, until } = this.snapshots;

        if (at <= 0) return this.palette.system;
        if (this.view.colour !== 'state' || this.view.scale) return look.kinds[look.of[at]];
        for (let part = 0; part < BASE; part++) {
            let sum = 0;
            for (let i = first; i <= last; i++) sum += parts[i * STRIDE + part];
            if (sum >= PURE_SHARE * (until[last] - begins[first])) return this.palette.states[part];
        }
        return this.palette.system;
    }

    boxes(depth) {
        this.box_cache ??= new Map();
        if (!this.box_cache.has(depth))
            this.box_cache.set(depth,
                boxes_of_depth(this.snapshots.count, (i) => this.paths[i], depth));
        return this.box_cache.get(depth);
    }

    advance(context) {
        context.font = `11px ${this.palette.code}`;
        return context.measureText('0').width;
    }

    draw_name(context, { node, at, left, right, y, advance, kind }) {
        const { symbol } = this.view.analysis.draft;
        const name = symbol_name(this.view.analysis.symbols[symbol[node]],
            Math.max(1, Math.floor((right - left - 10) / advance)));

        context.fillStyle = at > 0 ? kind.text : this.palette.faint;
        context.fillText(name, left + 6, y + ROW / 2);
    }

    draw_outline(context, x, y, width) {
        context.strokeStyle = this.palette.text;
        context.lineWidth = 2;
        context.strokeRect(x + 1, y + 1, Math.max(2, width - 2), ROW - 3);
    }

    draw_ticks(context) {
        const top = this.height - TICKS + 2;

        context.fillStyle = this.palette.edge;
        for (let i = 0; i < this.snapshots.count; i++)
            context.fillRect(Math.round(this.x_of(this.snapshots.at[i])), top, 1, TICKS - 3);
    }

    /* What is outside of the range steps back. */
    draw_range(context) {
        const range = this.chosen ?? this.view.range;

        if (!range) return;
        const left = this.x_of(this.snapshots.at[range[0]]);
        const right = this.x_of(this.snapshots.until[range[1] - 1]);
        context.globalAlpha = 0.65;
        context.fillStyle = this.palette.surface;
        context.fillRect(0, RULER, left, this.height - RULER);
        context.fillRect(right, RULER, this.width - right, this.height - RULER);
        context.globalAlpha = 1;
        context.fillStyle = this.palette.accent;
        context.fillRect(Math.round(left), 0, 2, this.height);
        context.fillRect(Math.round(right) - 2, 0, 2, this.height);
    }

    draw_hairline(context) {
        const { snapshot } = this.view;
        const x = this.hair ?? (snapshot >= 0 ? this.x_of(this.snapshots.at[snapshot]) : -1);

        if (x < 0) return;
        context.fillStyle = this.palette.text;
        context.fillRect(Math.round(x), 0, 1, this.height);
    }

    /* ---- the hand ---- */

    local_x(event) {
        return event.clientX - this.canvas.getBoundingClientRect().left;
    }

    on_down(event) {
        if (event.button !== 0 || this.snapshots.count === 0) return;
        this.began = this.local_x(event);
        this.lane.setPointerCapture(event.pointerId);
    }

    on_move(event) {
        const x = this.local_x(event);

        this.hair = x;
        if (this.began !== undefined && Math.abs(x - this.began) > DRAG_FROM) {
            const [from, to] = [this.began, x].sort((a, b) => a - b)
                .map((one) => snapshot_at(this.snapshots, this.ns_of(one)));
            this.chosen = [from, to + 1];
        }
        this.show_tip(event, snapshot_at(this.snapshots, this.ns_of(x)));
        this.draw_soon();
    }

    on_up(event) {
        const { chosen } = this;

        this.began = undefined;
        this.chosen = null;
        if (chosen) return this.view.set_range(chosen);
        this.click(this.local_x(event), event.clientY - this.canvas.getBoundingClientRect().top);
    }

    /* A click chooses the snapshot, and in the stacks the frame that was hit. */
    click(x, y) {
        const snapshot = snapshot_at(this.snapshots, this.ns_of(x));
        const node = this.paths[snapshot]?.[Math.floor((y - RULER - LANE - 2) / ROW)];

        if (this.snapshots.count === 0) return;
        this.view.show_snapshot(snapshot);
        if (node !== undefined) this.view.set({ selected: node }, 'selected');
    }

    on_leave() {
        this.hair = undefined;
        this.tip.hide();
        if (this.began === undefined) this.chosen = null;
        this.draw_soon();
    }

    show_tip(event, snapshot) {
        if (this.snapshots.count === 0 || this.hair < this.x_of(this.snapshots.at[0]))
            return this.tip.show(event.clientX, event.clientY,
                [['graph-tip-name', 'not observed']]);
        this.tip.show(event.clientX, event.clientY, this.tip_rows(snapshot));
    }

    tip_rows(snapshot) {
        const { analysis } = this.view;
        const { at, until, rows } = this.snapshots;
        const row = rows[snapshot];
        const lines = [['graph-tip-name', `${time(at[snapshot] / 1e6)}, for ${
            time_words(this.view, until[snapshot] - at[snapshot])}`],
        ['graph-tip-place', this.state_words(snapshot)]];

        if (row.waiting_for) lines.push(['graph-tip-place', row.waiting_for]);
        for (const frame of row.stack.slice(0, TIP_FRAMES)) {
            const symbol = analysis.symbols[analysis.symbol_of[frame]];
            lines.push(['graph-tip-frame', symbol_name(symbol, 50)]);
        }
        if (row.stack.length > TIP_FRAMES)
            lines.push(['graph-tip-place', `and ${row.stack.length - TIP_FRAMES} callers`]);
        return lines;
    }

    state_words(snapshot) {
        const { parts } = this.snapshots;

        return PARTS.map((state, part) => [state, parts[snapshot * STRIDE + part]])
            .filter(([, ns]) => ns > 0).sort((a, b) => b[1] - a[1])
            .map(([state, ns]) => `${STATE_WORDS[state]} ${time_words(this.view, ns)}`).join(', ');
    }

    on_key(event) {
        const key = (event.shiftKey ? 'Shift+' : '') + event.key;
        const row = TIMELINE_KEYS.find(([one]) => one === key);

        if (!row || event.ctrlKey || event.altKey || this.snapshots.count === 0) return;
        if (row[2](this) === false) return;
        event.preventDefault();
        event.stopPropagation();
    }

    show(snapshot) {
        if (snapshot >= 0 && snapshot < this.snapshots.count) this.view.show_snapshot(snapshot);
    }

    step(by) {
        this.show(this.view.snapshot < 0 ? 0 : this.view.snapshot + by);
    }

    /* A range by keyboard: from the snapshot where it began to the current one. */
    stretch(by) {
        const at = Math.max(this.view.snapshot, 0);
        const next = Math.min(Math.max(at + by, 0), this.snapshots.count - 1);

        this.anchor ??= at;
        this.show(next);
        this.chosen = [Math.min(this.anchor, next), Math.max(this.anchor, next) + 1];
        this.draw_soon();
    }

    use_range() {
        if (this.chosen) this.view.set_range(this.chosen);
        this.anchor = undefined;
        this.chosen = null;
    }

    clear_range() {
        if (!this.chosen && !this.view.range) return false;
        this.anchor = undefined;
        if (!this.chosen) this.view.set_range(null);
        this.chosen = null;
        this.draw_soon();
        return true;
    }

    /* The slider in words. */
    describe() {
        const { snapshot } = this.view;
        const { at, count } = this.snapshots;
        const put = (name, value) => this.lane.setAttribute(name, String(value));

        this.lane.tabIndex = 0;
        put('role', 'slider');
        put('aria-label', 'Snapshots of the call');
        put('aria-valuemin', count ? 1 : 0);
        put('aria-valuemax', count);
        put('aria-valuenow', Math.max(snapshot + 1, count ? 1 : 0));
        put('aria-valuetext', this.words_of(snapshot < 0 ? 0 : snapshot, count, at));
    }

    words_of(snapshot, count, at) {
        if (count === 0) return 'no snapshot';
        const { symbols, symbol_of, frames } = this.view.analysis;
        const [frame] = this.snapshots.rows[snapshot].stack;
        const name = frame === undefined ? 'no stack' : symbol_name(symbols[symbol_of[frame]], 80);
        const place = place_words(frames[frame], true);

        return `${snapshot + 1} of ${count}, at ${time(at[snapshot] / 1e6)}: ${name}, ` +
            `${this.state_words(snapshot)}${place ? `, ${place}` : ''}`;
    }
}
