/* SPDX-License-Identifier: Apache-2.0 */
/* flame.js: the flame graph: one canvas of boxes and text, one above it for what the pointer does.
 *
 *     const flame = new Flame(element, view);   fills the element, whose height is the page's
 *     flame.destroy();
 *
 * Drawing happens in requestAnimationFrame alone, and only after a change: `stale` says of what.
 * The element scrolls by itself; the canvases stick to its view and show the rows that are in it.
 * A row is a depth of the tree, but that the frames before the first fork are one row (the stem).
 *
 * What the hand does is in hand.js, what a screen reader meets in mirror.js. */
import { count, share } from '../formats.js';
import { look_of, palette_read, theme_watch } from './colours.js';
import { box_at } from './compare.js';
import { Hand } from './hand.js';
import { Mirror } from './mirror.js';
import { FOOT_HEIGHT, Pixels, is_off, rows_paint, rows_stretch } from './paint.js';
import { element_new } from './popups.js';
import { STEM_MIN } from './view.js';
import { difference_words, node_name, time_words } from './words.js';

const PITCH = 18;
const PITCH_COARSE = 24;
const MAP_HEIGHT = 28;
const TEXT_FROM = 30;
const TEXT_INSET = 7;
const TIME_FROM = 60;
const FONT_SIZE = 11;
const ZOOM_MS = 160;
const HIT_SLACK = 3;
const WORDS_AFTER_MS = 120;

const is_still = matchMedia('(prefers-reduced-motion: reduce)');
const is_coarse = matchMedia('(pointer: coarse)');

export class Flame {
    constructor(element, view) {
        this.view = view;
        this.element = element;
        this.labels = new Map();
        this.build();
        this.pixels = new Pixels();
        this.feet = new Pixels();
        this.shown = view.window();
        this.stale = { boxes: true, above: true, map: true };
        this.hand = new Hand(this, view);
        this.mirror = new Mirror(this, view);
        this.listen();
        this.on_theme();
    }

    build() {
        this.map = element_new('canvas', 'graph-map');
        this.boxes = element_new('canvas', 'graph-boxes');
        this.above = element_new('canvas', 'graph-above');
        this.stage = element_new('div', 'graph-stage', this.boxes, this.above);
        this.spacer = element_new('div', 'graph-spacer', this.stage);
        this.scroller = element_new('div', 'graph-scroller', this.spacer);
        this.footer = element_new('div', 'graph-footer');
        this.map.classList.add('is-empty');
        for (const canvas of [this.map, this.boxes, this.above])
            canvas.setAttribute('aria-hidden', 'true');
        this.element.classList.add('graph');
        this.element.append(this.map, this.scroller, this.footer);
        this.context = this.boxes.getContext('2d', { alpha: false });
    }

    listen() {
        const again = () => this.draw_soon('boxes');

        this.end_view = this.view.on((what) => this.on_change(what));
        this.observer = new ResizeObserver(again);
        this.observer.observe(this.scroller);
        this.end = new AbortController();
        const { signal } = this.end;
        this.scroller.addEventListener('scroll', again, { signal, passive: true });
        theme_watch(() => this.on_theme(), signal);
        this.watch_ratio();
    }

    /* A window moved to another screen has another number of pixels. */
    watch_ratio() {
        matchMedia(`(resolution: ${devicePixelRatio}dppx)`).addEventListener('change', () => {
            this.draw_soon('boxes');
            this.watch_ratio();
        }, { signal: this.end.signal, once: true });
    }

    destroy() {
        cancelAnimationFrame(this.asked);
        clearTimeout(this.later);
        this.asked = -1; /* nothing is asked for any more */
        this.end_view();
        this.end.abort();
        this.observer.disconnect();
        this.hand.destroy();
        this.mirror.destroy();
        this.element.replaceChildren();
    }

    on_theme() {
        this.palette = palette_read(this.element);
        this.look = null;
        this.draw_soon('boxes');
    }

    on_change(what) {
        if (what.has('tree') || what.has('look')) this.look = null;
        if (what.has('tree') || what.has('zoom') || what.has('look')) this.aim(what.has('tree'));
        if (what.has('selected')) this.show_node(this.view.selected_node);
        if (what.has('tree') || this.was_flame !== this.view.is_flame) this.is_at_root = false;
        const is_light = [...what].every((name) =>
            ['hovered', 'selected', 'snapshot'].includes(name));
        this.draw_soon(is_light ? 'above' : 'boxes');
    }

    draw_soon(part) {
        this.stale[part] = true;
        if (part === 'boxes') this.stale.above = this.stale.map = true;
        this.asked ??= requestAnimationFrame((now) => {
            this.asked = null;
            this.draw(now);
        });
    }

    /* Goes to the view's window: at once where a hand moves it or nothing may move. */
    aim(is_new_tree) {
        const target = this.view.window();

        if (is_new_tree || is_still.matches || this.hand.is_moving) {
            this.shown = target;
            this.flight = null;
        } else if (target.some((x, i) => x !== this.shown[i])) {
            this.flight = { from: this.shown, to: target, began: null };
        }
    }

    fly(now) {
        const { flight } = this;

        if (!flight) return;
        flight.began ??= now;
        const share_of = Math.min(1, (now - flight.began) / ZOOM_MS);
        const eased = 1 - (1 - share_of) ** 3;
        this.shown = flight.from.map((x, i) => x + (flight.to[i] - x) * eased);
        if (share_of === 1) this.shown = flight.to;
        if (share_of === 1) this.flight = null;
        this.draw_soon('boxes');
    }

    /* ---- geometry ---- */

    measure() {
        const ratio = devicePixelRatio || 1;
        const { clientWidth, clientHeight } = this.scroller;
        const pitch = Math.round((is_coarse.matches ? PITCH_COARSE : PITCH) * ratio);
        const rows = this.row_count;

        this.spacer.style.height = `${Math.ceil((rows * pitch) / ratio)}px`;
        this.stage.style.height = `${clientHeight}px`;
        if (!this.is_at_root && clientHeight > 0) this.scroll_to_root();
        this.size = { ratio, pitch, rows, width: Math.round(clientWidth * ratio),
            height: Math.round(clientHeight * ratio),
            top: Math.round(this.scroller.scrollTop * ratio) };
        for (const canvas of [this.boxes, this.above]) {
            if (canvas.width === this.size.width && canvas.height === this.size.height) continue;
            canvas.width = this.size.width;
            canvas.height = this.size.height;
            canvas.style.width = `${clientWidth}px`;
            canvas.style.height = `${clientHeight}px`;
        }
    }

    get row_count() {
        return this.view.tree.depth_max + 1 - this.view.stem;
    }

    depth_of(row) {
        return row + this.view.stem;
    }

    row_of(node) {
        return Math.max(0, this.view.tree.depth[node] - this.view.stem);
    }

    /* Where a row begins on the canvas, in device pixels. */
    row_top(row) {
        const { pitch, top, rows, height } = this.size;

        if (!this.view.is_flame) return row * pitch - top;
        return Math.max(rows * pitch, height) - (row + 1) * pitch - top;
    }

    /* A flame's root is at the bottom, and that is where one begins to look. */
    scroll_to_root() {
        this.is_at_root = true;
        this.was_flame = this.view.is_flame;
        this.scroller.scrollTop = this.view.is_flame ? this.spacer.scrollHeight : 0;
    }

    rows_in_view() {
        const { pitch, top, rows, height } = this.size;
        const begin = this.view.is_flame ? Math.max(rows * pitch, height) - top - height : top;
        const first = Math.max(0, Math.floor(begin / pitch));

        return [Math.min(first, rows), Math.min(rows, Math.ceil((begin + height) / pitch))];
    }

    /* A node's box on the canvas, in device pixels; null where it is not in the window. */
    box_of(node) {
        const { left, right } = this.view.layout;
        const [from, until] = this.shown;
        const scale = this.size.width / (until - from);

        if (node < 0 || right[node] < from || left[node] > until) return null;
        const begin = Math.max(0, Math.round((left[node] - from) * scale));
        const end = Math.min(this.size.width, Math.round((right[node] - from) * scale));
        return { x: begin, y: this.row_top(this.row_of(node)), width: Math.max(end - begin, 2),
            height: this.size.pitch - Math.max(1, Math.round(this.size.ratio)) };
    }

    /* What is at a place of the window: {node}, {run}, or null. */
    hit(x, y) {
        const box = this.boxes.getBoundingClientRect();
        const { ratio, pitch, rows, width, height, top } = this.size ?? {};

        if (!this.painted || x < box.left || x >= box.right) return null;
        const at_y = (y - box.top) * ratio + top;
        const depth = this.view.is_flame ? Math.max(rows * pitch, height) - at_y : at_y;
        const row = Math.floor(depth / pitch);
        if (row < 0 || row >= rows) return null;

        const at_x = (x - box.left) * ratio;
        const run = this.painted.runs.find((one) => one.row + this.painted.first === row &&
            at_x >= one.left && at_x < one.right);
        if (run) return { run };
        const [from, until] = this.shown;
        const scale = (until - from) / width;
        const node = box_at(this.view.tree, this.view.layout, this.depth_of(row),
            from + at_x * scale, HIT_SLACK * ratio * scale);
        return node < 0 ? null : { node };
    }

    /* Scrolls a node's row into view. */
    show_node(node) {
        if (node < 0 || !this.size) return;
        const { pitch, ratio, height } = this.size;
        const y = this.row_top(this.row_of(node));

        if (y < 0) this.scroller.scrollTop += y / ratio;
        else if (y + pitch > height) this.scroller.scrollTop += (y + pitch - height) / ratio;
    }

    /* ---- drawing ---- */

    draw(now) {
        this.fly(now);
        this.measure();
        if (this.size.width === 0 || this.size.height === 0) return;
        if (this.stale.boxes) this.draw_boxes();
        if (this.stale.above) this.draw_above();
        if (this.stale.map) this.draw_map();
        this.stale = {};
        this.say();
    }

    graph() {
        const { view } = this;

        this.look ??= look_of(view, this.palette);
        return { tree: view.tree, layout: view.layout, of: this.look.of, kinds: this.look.kinds,
            palette: this.palette, matches: view.matches, dimmed: view.dimmed,
            zoomed: this.zoomed };
    }

    draw_boxes() {
        const { context, size, view } = this;
        const [first, last] = this.rows_in_view();
        const graph = this.graph();
        const frame = { width: size.width, ratio: size.ratio, from: this.shown[0],
            until: this.shown[1], depth_of: (row) => this.depth_of(row) };

        this.painted = { first, ...rows_paint(this.pixels, this.feet, graph, frame, first, last) };
        context.fillStyle = this.palette.surface;
        context.fillRect(0, 0, size.width, size.height);
        rows_stretch(context, this.pixels, this.feet, { count: last - first,
            top: this.row_top(first), pitch: size.pitch, ratio: size.ratio, is_flame: view.is_flame,
            ground: this.palette.surface, has_feet: this.painted.has_feet });
        this.draw_texts(graph, first);
        this.is_unsaid = true;
    }

    /* Words follow when the picture stands still: a changed text costs a layout of the page. */
    say() {
        if (this.flight || this.hand.is_moving) {
            clearTimeout(this.later);
            this.later = setTimeout(() => this.draw_soon('above'), WORDS_AFTER_MS);
            return;
        }
        this.mirror.update();
        if (this.is_unsaid) this.footer_fill();
        this.is_unsaid = false;
    }

    draw_texts(graph, first) {
        const { context, size, painted } = this;
        const { ratio } = size;

        context.font = `${FONT_SIZE * ratio}px ${this.palette.code}`;
        context.textBaseline = 'middle';
        this.advance = context.measureText('0').width / ratio;
        const from = TEXT_FROM * ratio;
        const foot = painted.has_feet ? FOOT_HEIGHT * ratio : 0;
        let colour = null;
        for (let i = 0; i < painted.boxes.length; i += 4) {
            const left = painted.boxes[i + 2];
            const right = painted.boxes[i + 3];
            if (right - left < from) continue;

            const node = painted.boxes[i];
            const row = painted.boxes[i + 1];
            const text_colour = this.text_colour(graph, node);
            if (text_colour !== colour) context.fillStyle = colour = text_colour;
            const room = (right - left) / ratio - 2 * TEXT_INSET + 3;
            const text = this.label(node, row + first, Math.floor(room / this.advance), room);
            const y = this.row_top(row + first) + (size.pitch - ratio - foot) / 2;
            context.fillText(text, left + TEXT_INSET * ratio, y);
            if (node > 0 && this.view.symbol(node).is_marker) this.draw_dashes(node);
        }
    }

    /* A marker stands for frames that are not here. */
    draw_dashes(node) {
        this.context.setLineDash([3 * this.size.ratio, 3 * this.size.ratio]);
        outline(this.context, this.box_of(node), this.palette.edge, this.size.ratio, 0);
        this.context.setLineDash([]);
    }

    text_colour(graph, node) {
        return is_off(graph, node) ? graph.palette.faint : graph.kinds[graph.of[node]].text;
    }

    /* What stands in a box: the name, and the time where there is room for it. */
    label(node, row, characters, room) {
        const { view } = this;
        const key = `${node} ${characters} ${row === 0 ? view.stem : 0}`;
        if (this.labels_of !== view.layout) {
            this.labels.clear();
            this.labels_of = view.layout;
        }
        let text = this.labels.get(key);

        if (text === undefined) {
            text = this.label_new(node, row, characters, room);
            this.labels.set(key, text);
        }
        return text;
    }

    label_new(node, row, characters, room) {
        const { view } = this;
        const prefix = row === 0 && view.stem >= STEM_MIN ? `${view.stem} common frames \u2026 `
            : '';
        const figure = view.scale ? difference_words(view, node)
            : time_words(view, view.tree.time[node]);
        const space = view.scale ? figure.length + 2 : 0;
        const name = node_name(view, node, Math.max(2, characters - prefix.length - space));
        const text = fit(this.context, prefix + name, room * this.size.ratio);
        const left = characters - text.length;
        const is_roomy = left >= figure.length + 2 &&
            (view.scale !== null || left * this.advance >= TIME_FROM);

        return is_roomy ? `${text}  ${figure}` : text;
    }

    draw_above() {
        const { above, view, palette } = this;
        const context = above.getContext('2d');
        const { ratio } = this.size;

        context.clearRect(0, 0, above.width, above.height);
        this.draw_alike(context);
        const hovered = this.box_of(view.hovered);
        if (hovered && view.hovered > 0) outline(context, hovered, palette.text, ratio, 0);
        const selected = this.box_of(view.selected_node);
        if (selected) {
            outline(context, selected, palette.text, 2 * ratio, 0);
            outline(context, selected, palette.surface, ratio, 2 * ratio);
        }
    }

    /* The hovered function wherever else it is. */
    draw_alike(context) {
        const { view, painted, palette } = this;
        const { ratio } = this.size;

        if (view.hovered_symbol < 0 || !painted) return;
        context.setLineDash([ratio, ratio]);
        for (let i = 0; i < painted.boxes.length; i += 4) {
            const node = painted.boxes[i];
            if (view.tree.symbol[node] === view.hovered_symbol && node !== view.hovered)
                outline(context, this.box_of(node), palette.text, ratio, 0);
        }
        context.setLineDash([]);
    }

    /* The whole graph small, drawn once: only the window in it moves. */
    map_picture() {
        const { view } = this;
        const { ratio, width, rows } = this.size;
        const height = Math.round(MAP_HEIGHT * ratio);
        const graph = { ...this.graph(), zoomed: -1 };
        const key = [view.layout, view.matches, width, view.dimmed, view.is_flame,
            this.look];

        if (this.map_key?.every((one, i) => one === key[i])) return this.map_kept;
        const pixels = new Pixels();
        rows_paint(pixels, new Pixels(), graph, { width, ratio, from: 0, until: view.layout.whole,
            depth_of: (row) => this.depth_of(row) }, 0, rows);

        this.map_kept ??= document.createElement('canvas');
        Object.assign(this.map_kept, { width, height });
        const context = this.map_kept.getContext('2d');
        context.imageSmoothingEnabled = rows > height;
        if (view.is_flame) context.setTransform(1, 0, 0, -1, 0, height);
        context.drawImage(pixels.canvas, 0, 0, width, rows, 0, 0, width,
            Math.min(height, rows * 3 * ratio));
        this.map_key = key;
        return this.map_kept;
    }

    /* The whole graph small, once zoomed, and where we are in it. Its place is kept free before,
     * so that nothing moves under the pointer. */
    draw_map() {
        const { view, map, palette } = this;
        const { whole } = view.layout;
        const is_zoomed = this.shown[0] > 0 || this.shown[1] < whole;

        map.classList.toggle('is-empty', !is_zoomed);
        if (!is_zoomed) return;
        const { ratio, width } = this.size;
        const context = map.getContext('2d', { alpha: false });
        const picture = this.map_picture();

        map.width = width;
        map.height = Math.round(MAP_HEIGHT * ratio);
        context.fillStyle = palette.surface;
        context.fillRect(0, 0, width, map.height);
        context.drawImage(picture, 0, 0);
        const [left, right] = this.shown.map((x) => Math.round((x / whole) * width));
        context.globalAlpha = 0.6;
        context.fillStyle = palette.sunken;
        context.fillRect(0, 0, left, map.height);
        context.fillRect(right, 0, width - right, map.height);
        context.globalAlpha = 1;
        outline(context, { x: left, y: 0, width: Math.max(right - left, 3 * ratio),
            height: map.height }, palette.text, ratio, 0);
    }

    /* What is drawn and what is not: parts add up to the whole. */
    footer_fill() {
        const { view, painted } = this;
        const all = view.tree.count - 1;
        const narrow = painted.narrow_count;
        const folded = view.stem >= STEM_MIN ? view.stem : 0;
        const is_first_drawn = painted.first === 0 && painted.boxes.length > 0;
        const drawn = painted.boxes.length / 4 - (is_first_drawn && (folded || !view.stem) ? 1 : 0);
        const outside = all - folded - drawn - narrow;
        const parts = [`${count(drawn)} drawn`];

        if (narrow > 0)
            parts.push(`${count(narrow)} narrower than a pixel (` +
                `${time_words(view, painted.narrow_time)}, ` +
                `${share(painted.narrow_time, view.tree.time[0])})`);
        if (outside > 0) parts.push(`${count(outside)} out of view`);
        if (folded > 0) parts.push(`${count(folded)} folded`);
        this.footer.textContent = `${count(all)} frames: ${parts.join(', ')}` +
            `; ${count(view.shaped.hidden)} hidden` +
            (view.recursion ? `, ${count(view.shaped.folded)} recursive ones folded` : '');
    }

    get zoomed() {
        return this.view.zoom?.of === undefined ? -1 : this.view.place(this.view.zoom.of);
    }
}

/* A text as far as it fits; only what is beyond ASCII has to be measured. */
function fit(context, text, width) {
    if (/^[\x20-\x7e\u2026\u2013\u00a0]*$/.test(text)) return text;

    let parts = [...text];
    while (parts.length > 1 && context.measureText(parts.join('')).width > width)
        parts = parts.slice(0, Math.floor(parts.length * 0.9));
    return parts.length < [...text].length ? parts.join('') + '\u2026' : text;
}

function outline(context, { x, y, width, height }, colour, thickness, inset) {
    context.strokeStyle = colour;
    context.lineWidth = thickness;
    const away = inset + thickness / 2;
    if (width > 2 * away && height > 2 * away)
        context.strokeRect(x + away, y + away, width - 2 * away, height - 2 * away);
}
