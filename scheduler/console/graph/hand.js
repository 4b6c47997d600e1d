/* SPDX-License-Identifier: Apache-2.0 */
/* hand.js: what mouse, touch and keyboard do to a flame graph.
 *
 * A click zooms, a drag of more than 5 px pans, the wheel with Ctrl and two fingers zoom where they
 * are; panning and zooming by wheel lock each other out until it has rested two frames. With touch
 * a tap selects and a second one zooms, a long press is the menu. All of it is also on a key;
 * FLAME_KEYS is the list, for the page of keys as well. */
import { Menu, Tooltip } from './popups.js';
import { module_name, short_name } from '../formats.js';
import { place_words, run_rows, stack_text, tip_rows } from './words.js';

const DRAG_FROM = 5;
const LONG_PRESS_MS = 500;
const KEY_ZOOM = 1.5;
const KEY_PAN = 0.2;
const WHEEL_ZOOM = 0.0025;
const SPAN_MIN_NS = 1000;
const NARROWEST = 3;

/* key, words, what it does with (hand, node). Arrows go up and down as the picture does. */
export const FLAME_KEYS = [
    ['ArrowUp', 'caller', (hand) => hand.go_vertically(-1)],
    ['ArrowDown', 'heaviest callee', (hand) => hand.go_vertically(1)],
    ['ArrowLeft', 'neighbour before', (hand) => hand.go_sideways(-1)],
    ['ArrowRight', 'neighbour after', (hand) => hand.go_sideways(1)],
    ['Enter', 'zoom', (hand, node) => hand.view.zoom_to(node)],
    ['Backspace', 'one step back', (hand) => hand.view.back()],
    ['Escape', 'one step back', (hand) => hand.escape()],
    ['0', 'the whole', (hand) => hand.view.zoom_to(0)],
    ['+', 'zoom in', (hand) => hand.zoom_by(1 / KEY_ZOOM)],
    ['-', 'zoom out', (hand) => hand.zoom_by(KEY_ZOOM)],
    ['Shift+ArrowLeft', 'pan left', (hand) => hand.pan_by(-KEY_PAN)],
    ['Shift+ArrowRight', 'pan right', (hand) => hand.pan_by(KEY_PAN)],
    ['Shift+ArrowUp', 'pan up', (hand) => hand.scroll_by(-1)],
    ['Shift+ArrowDown', 'pan down', (hand) => hand.scroll_by(1)],
    ['s', 'sandwich', (hand, node) => node > 0 && hand.view.set_pivot(hand.view.tree.symbol[node])],
    ['f', 'focus', (hand, node) => hand.view.focus_on(node)],
    ['x', 'hide function', (hand, node) => hand.view.hide_function(node)],
    ['X', 'hide module', (hand, node) => hand.view.hide_module(node)],
    ['r', 'fold recursion', (hand) => hand.view.fold_recursion()],
    ['u', 'common frames', (hand) => hand.view.open_stem()],
    [',', 'match before', (hand) => hand.view.next_match(-1)],
    ['.', 'match after', (hand) => hand.view.next_match(1)],
    ['Ctrl+c', 'copy the name', (hand, node) =>
        hand.copy(node > 0 ? hand.view.symbol(node).name : '')],
    ['Shift+F10', 'menu', (hand, node) => hand.open_menu_at(node)],
];

export class Hand {
    constructor(flame, view) {
        this.flame = flame;
        this.view = view;
        this.pointers = new Map();
        this.is_moving = false;
        this.tip = new Tooltip(flame.element);
        this.menu = new Menu(flame.element);
        this.end = new AbortController();
        const { signal } = this.end;
        const { scroller, map } = flame;
        const on = (element, name, method, options) =>
            element.addEventListener(name, (event) => this[method](event), { signal, ...options });

        on(scroller, 'pointerdown', 'on_down');
        on(scroller, 'pointermove', 'on_move');
        on(scroller, 'pointerup', 'on_up');
        on(scroller, 'pointercancel', 'on_cancel');
        on(scroller, 'pointerleave', 'on_leave');
        on(scroller, 'wheel', 'on_wheel', { passive: false });
        on(scroller, 'contextmenu', 'on_menu');
        on(scroller, 'keydown', 'on_key');
        on(map, 'wheel', 'on_wheel', { passive: false });
        on(map, 'pointerdown', 'on_map');
        on(map, 'pointermove', 'on_map');
    }

    destroy() {
        this.end.abort();
        clearTimeout(this.press);
    }

    /* ---- pointer ---- */

    on_down(event) {
        const is_bar = event.offsetX >= this.flame.scroller.clientWidth;

        if (event.button !== 0 || (event.target === this.flame.scroller && is_bar)) return;
        this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY,
            began: { x: event.clientX, y: event.clientY }, is_drag: false });
        clearTimeout(this.press);
        if (event.pointerType === 'touch')
            this.press = setTimeout(() => this.on_long_press(event), LONG_PRESS_MS);
    }

    on_long_press(event) {
        this.pointers.clear();
        this.open_menu(event.clientX, event.clientY);
    }

    on_move(event) {
        const pointer = this.pointers.get(event.pointerId);

        if (!pointer) return this.hover_at(event);
        if (this.pointers.size === 2) return this.pinch(event, pointer);
        const away = Math.hypot(event.clientX - pointer.began.x, event.clientY - pointer.began.y);
        if (!pointer.is_drag && away <= DRAG_FROM) return;
        if (!pointer.is_drag) this.begin_drag(event, pointer);
        this.pan(pointer.x - event.clientX);
        if (event.pointerType === 'mouse')
            this.flame.scroller.scrollTop += pointer.y - event.clientY;
        Object.assign(pointer, { x: event.clientX, y: event.clientY });
    }

    begin_drag(event, pointer) {
        pointer.is_drag = true;
        clearTimeout(this.press);
        this.tip.hide();
        this.flame.scroller.setPointerCapture(event.pointerId);
    }

    pinch(event, pointer) {
        const [other] = [...this.pointers.values()].filter((one) => one !== pointer);
        const before = Math.hypot(pointer.x - other.x, pointer.y - other.y);

        clearTimeout(this.press);
        Object.assign(pointer, { x: event.clientX, y: event.clientY, is_drag: true });
        other.is_drag = true;
        const after = Math.hypot(pointer.x - other.x, pointer.y - other.y);
        if (after > 0) this.zoom_at((pointer.x + other.x) / 2, before / after);
    }

    on_up(event) {
        const pointer = this.pointers.get(event.pointerId);

        clearTimeout(this.press);
        this.pointers.delete(event.pointerId);
        if (this.pointers.size === 0) this.is_moving = false;
        if (pointer && !pointer.is_drag) this.click(event);
    }

    on_cancel(event) {
        clearTimeout(this.press);
        this.pointers.delete(event.pointerId);
        this.is_moving = false;
    }

    click(event) {
        const { view } = this;
        const hit = this.flame.hit(event.clientX, event.clientY);

        this.flame.scroller.focus({ preventScroll: true });
        if (!hit) return;
        if (hit.run) return this.zoom_run(hit.run);
        const is_first_tap = event.pointerType === 'touch' && view.selected_node !== hit.node;
        view.select(hit.node);
        if (is_first_tap) return;
        if (view.stem > 0 && this.flame.row_of(hit.node) === 0) view.open_stem(true);
        else if (view.place(view.zoom?.of ?? -1) !== hit.node) view.zoom_to(hit.node);
    }

    zoom_run(run) {
        const { left, right, whole } = this.view.layout;
        const margin = (right[run.last] - left[run.first]) * 0.05;

        this.view.zoom_window(Math.max(0, left[run.first] - margin) / whole,
            Math.min(whole, right[run.last] + margin) / whole);
    }

    hover_at(event) {
        const hit = this.flame.hit(event.clientX, event.clientY);

        this.view.hover(hit?.node ?? -1);
        this.flame.scroller.style.cursor = hit ? 'pointer' : '';
        if (!hit) return this.tip.hide();
        this.tip.show(event.clientX, event.clientY,
            hit.run ? run_rows(this.view, hit.run) : tip_rows(this.view, hit.node));
    }

    on_leave() {
        this.tip.hide();
        this.view.hover(-1);
    }

    /* ---- wheel: one thing at a time ---- */

    on_wheel(event) {
        const is_zoom = event.ctrlKey || event.metaKey;
        const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
        const is_pan = event.shiftKey || Math.abs(sideways) > Math.abs(event.deltaY);
        const wanted = is_zoom ? 'zoom' : is_pan ? 'pan' : 'scroll';

        this.tip.hide();
        if (wanted !== 'scroll' || this.wheel) event.preventDefault();
        if (wanted === 'scroll' && !this.wheel) return;
        if (this.wheel && this.wheel !== wanted) return;
        this.rest_after(wanted);
        if (wanted === 'zoom') this.zoom_at(event.clientX, Math.exp(event.deltaY * WHEEL_ZOOM));
        else if (wanted === 'pan') this.pan(sideways);
    }

    /* The wheel has rested when two frames passed without it. */
    rest_after(wanted) {
        this.wheel = wanted;
        this.frames = 0;
        const rest = () => {
            if (++this.frames <= 2) {
                this.resting = requestAnimationFrame(rest);
                return;
            }
            this.wheel = null;
            this.is_moving = this.pointers.size > 0;
        };
        cancelAnimationFrame(this.resting);
        this.resting = requestAnimationFrame(rest);
    }

    /* ---- moving the window ---- */

    /* The least that is shown: 1 µs, or three times the narrowest box. */
    span_min() {
        const { view } = this;

        if (this.span_of !== view.layout) {
            const { left, right } = view.layout;
            this.narrowest = Infinity;
            for (let i = 1; i < left.length; i++)
                if (right[i] > left[i])
                    this.narrowest = Math.min(this.narrowest, right[i] - left[i]);
            this.span_of = view.layout;
        }
        const floor = view.scale?.by === 'share' ? 1e-9 : SPAN_MIN_NS;
        return Math.min(view.layout.whole, Math.max(floor, NARROWEST * this.narrowest));
    }

    /* Narrows or widens the window by a factor around a place of the screen. */
    zoom_at(x, factor) {
        const box = this.flame.boxes.getBoundingClientRect();
        const [from, until] = this.flame.shown;
        const at = Math.min(1, Math.max(0, (x - box.left) / box.width));
        const { whole } = this.view.layout;
        const span = Math.min(whole, Math.max(this.span_min(), (until - from) * factor));
        const begin = from + (until - from) * at - span * at;

        this.move_to(begin, begin + span);
    }

    /* Moves the window by pixels of the screen. */
    pan(pixels) {
        const [from, until] = this.flame.shown;
        const by = (pixels / this.flame.boxes.clientWidth) * (until - from);

        this.move_to(from + by, until + by);
    }

    /* The first of a row of moves is a step of Back, what follows is part of it. */
    move_to(from, until) {
        const { whole } = this.view.layout;
        const width = Math.min(until - from, whole);
        const begin = Math.min(Math.max(from, 0), whole - width);
        const is_first = !this.is_moving;

        this.is_moving = true;
        this.view.zoom_window(begin / whole, (begin + width) / whole, !is_first);
    }

    zoom_by(factor) {
        const box = this.flame.boxes.getBoundingClientRect();
        const at = this.flame.box_of(this.view.selected_node);
        const ratio = this.flame.size.ratio;

        this.zoom_at(at ? box.left + (at.x + at.width / 2) / ratio : box.left + box.width / 2,
            factor);
        this.is_moving = false;
    }

    pan_by(share) {
        this.pan(share * this.flame.boxes.clientWidth);
        this.is_moving = false;
    }

    scroll_by(direction) {
        this.flame.scroller.scrollTop += direction * this.flame.scroller.clientHeight * 0.5;
    }

    /* The minimap: its window is where the pointer is. */
    on_map(event) {
        const box = this.flame.map.getBoundingClientRect();
        const { whole } = this.view.layout;
        const [from, until] = this.flame.shown;

        if (event.type === 'pointerdown') this.flame.map.setPointerCapture(event.pointerId);
        if (!(event.buttons & 1)) {
            this.is_moving = false;
            return;
        }
        const middle = ((event.clientX - box.left) / box.width) * whole;
        this.move_to(middle - (until - from) / 2, middle + (until - from) / 2);
    }

    /* ---- keyboard ---- */

    on_key(event) {
        const held = `${event.ctrlKey || event.metaKey ? 'Ctrl+' : ''}` +
            `${event.shiftKey && event.key.length > 1 ? 'Shift+' : ''}`;
        const row = FLAME_KEYS.find(([key]) => key === held + event.key ||
            (key === '+' && held + event.key === '='));

        if (!row || event.altKey || event.target !== this.flame.scroller) return;
        if (this.view.keys_are_off && row[0].length === 1 && !/[0+,.-]/.test(row[0])) return;
        if (row[2](this, this.view.selected_node) === false) return;
        event.preventDefault();
        event.stopPropagation();
    }

    /* False where there is nothing to go back from: the page may close something instead. */
    escape() {
        this.tip.hide();
        return this.view.back();
    }

    /* In a flame the callers are below. */
    go_vertically(step) {
        const { view } = this;
        const { tree } = view;
        const at = view.selected_node;

        if (at < 0) return view.select(Math.min(1, tree.count - 1));
        const is_outwards = step * (view.is_flame ? -1 : 1) < 0;
        const children = is_outwards ? [] : tree.children(at);
        if (is_outwards && tree.parent[at] > 0) view.select(tree.parent[at]);
        if (children.length > 0)
            view.select(children.reduce((best, c) => (tree.time[c] > tree.time[best] ? c : best)));
    }

    go_sideways(step) {
        const { view } = this;
        const { starts, nodes } = view.tree.rows();
        const at = view.selected_node;

        if (at < 0) return view.select(Math.min(1, view.tree.count - 1));
        const depth = view.tree.depth[at];
        const place = nodes.subarray(starts[depth], starts[depth + 1]).indexOf(at) + step;
        if (place >= 0 && place < starts[depth + 1] - starts[depth])
            view.select(nodes[starts[depth] + place]);
    }

    /* ---- menu ---- */

    on_menu(event) {
        event.preventDefault();
        this.open_menu(event.clientX, event.clientY);
    }

    open_menu(x, y) {
        const hit = this.flame.hit(x, y);

        if (hit?.node > 0) this.view.select(hit.node);
        this.show_menu(x, y, hit?.node ?? -1);
    }

    open_menu_at(node) {
        const box = this.flame.boxes.getBoundingClientRect();
        const at = this.flame.box_of(node) ?? { x: 0, y: 0 };
        const { ratio } = this.flame.size;

        this.show_menu(box.left + at.x / ratio + 20, box.top + at.y / ratio + 20, node);
    }

    show_menu(x, y, node) {
        this.tip.hide();
        if (node > 0) this.menu.open(x, y, menu_items(this.view, node, (text) => this.copy(text)));
    }

    copy(text) {
        if (text) navigator.clipboard?.writeText(text).catch(() => {});
        return text !== '';
    }
}

/* What can be done with a frame; for the menus of the graph, the tree and the hot spots. */
export function menu_items(view, node, copy) {
    const symbol = view.symbol(node);
    const place = place_words(view.frame(node));
    const can_hide = !symbol.is_marker;

    return [
        { words: 'Zoom', key: 'Enter', act: () => view.zoom_to(node) },
        { words: 'Focus', key: 'f', act: () => view.focus_on(node) },
        { words: 'Sandwich', key: 's', act: () => view.set_pivot(view.tree.symbol[node]) },
        { words: 'Hide function', key: 'x', act: () => view.hide_function(node),
            is_off: !can_hide },
        { words: `Hide module ${module_name(symbol.module)}`, key: 'X',
            act: () => view.hide_module(node), is_off: !symbol.module },
        { words: view.recursion ? 'Unfold recursion' : 'Collapse recursion', key: 'r',
            act: () => view.fold_recursion() },
        null,
        { words: 'Search for this', key: '', act: () =>
            view.search(`"${short_name(symbol.name, 80)}"`) },
        null,
        { words: 'Copy name', key: 'Ctrl C', act: () => copy(short_name(symbol.name, 200)) },
        { words: 'Copy full name', key: '', act: () => copy(symbol.name) },
        { words: 'Copy stack', key: '', act: () => copy(stack_text(view, node)) },
        { words: 'Copy file:line', key: '', act: () => copy(place), is_off: !place },
    ];
}
