/* SPDX-License-Identifier: Apache-2.0 */
/* view.js: what an analysis page shows: which part, shaped how, what is selected, found, coloured.
 *
 *     const view = new View(json);
 *     const end = view.on((what) => { if (what.has("tree")) ... });
 *     view.select(node); view.zoom_to(node); view.hide_function(node); view.search("lock");
 *     history.pushState(...view.address()); view.restore(address);
 *
 * All components of a page share one view; each draws what the view has and tells it what the
 * hand did. So one selection is in all of them, and a link is the view's address.
 *
 * INVARIANTS
 *
 * (1) A frame that is kept (selection, focus, zoom) is kept as a node of the analysis' draft, which
 *     no range and no hiding changes; place() says where it is now shown, or -1.
 * (2) tree, layout, matches are derived, made again when asked for after a change, never set.
 * (3) Listeners are called once per change, after it is whole, with the set of what changed:
 *     "tree", "zoom", "selected", "hovered", "query", "look", "snapshot". `what.pushes` says that
 *     the change is a step of Back. */
import { comparison_scale, tree_lay_out, widths_of } from './compare.js';
import { Analysis, path_find, path_hashes, path_name } from './model.js';
import { query_read, search_sum, symbols_match } from './search.js';
import { stem_length, tree_shape } from './shape.js';

const ABSENT = -1;
const COLOURS = ['module', 'function', 'state'];
export const STEM_MIN = 3; /* fewer common frames are not worth a click */
const PAST_MAX = 200;
const STEP_KEYS = ['range', 'focus', 'hide', 'module', 'rec', 'zoom', 'sandwich', 'stem'];
const LIST_MAX = 40; /* of hidden functions in an address of 2,000 characters */

/* What is replaced in an address may have changed since the step. */
function steps_are_equal(one, other) {
    return STEP_KEYS.every((key) => (one[key] ?? '') === (other[key] ?? ''));
}

export class View {
    constructor(json) {
        this.analysis = json instanceof Analysis ? json : new Analysis(json);
        this.hashes = path_hashes(this.analysis.draft, this.analysis.symbols);
        this.listeners = new Set();
        this.past = [];
        this.hovered = ABSENT; /* a node of `tree` */
        this.hovered_symbol = ABSENT;
        this.query = { text: '', problem: null };
        this.matches = null; /* by symbol; null: nothing is searched for */
        this.dimmed = null; /* an entry of the legend: all else is dimmed */
        Object.assign(this, this.start());
        this.derived = {};
    }

    start() {
        return { range: null, focus: 0, hidden: [], modules: [], recursion: false, zoom: null,
            pivot: ABSENT, stem_open: false, selected: ABSENT, snapshot: ABSENT, colour: 'module',
            is_flame: false, by: 'time', order: 'self' };
    }

    on(listener) {
        this.listeners.add(listener);
        return () => this.listeners.delete(listener);
    }

    /* Tells what changed; a change of the tree takes what was derived from it along. */
    tell(...what) {
        const changed = new Set(what);

        changed.pushes = this.is_pushing === true;
        this.is_pushing = false;
        if (changed.has('tree')) {
            this.derived = {};
            this.hovered = ABSENT;
        }
        for (const listener of [...this.listeners]) listener(changed);
    }

    /* ---- what is shown ---- */

    derive(key, make) {
        this.derived[key] ??= make();
        return this.derived[key];
    }

    /* The part of the call, before anything is hidden. */
    get source() {
        return this.derive('source', () => (this.range ? this.analysis.range(...this.range)
                                                       : this.analysis.whole()));
    }

    get shaped() {
        return this.derive('shaped', () => {
            const { symbols, rank } = this.analysis;
            const is_hidden = new Uint8Array(symbols.length);

            for (const symbol of this.hidden) is_hidden[symbol] = 1;
            symbols.forEach((symbol, i) => {
                if (this.modules.includes(symbol.module)) is_hidden[i] = 1;
            });
            const focus = this.focus > 0 ? Math.max(this.source.of[this.focus], 0) : 0;
            const changes = focus > 0 || this.recursion || is_hidden.includes(1);
            return changes ? tree_shape(this.source,
                { focus, is_hidden, folds_recursion: this.recursion }, rank)
                           : { tree: this.source, of: null, hidden: 0, folded: 0, outside: 0 };
        });
    }

    get tree() {
        return this.shaped.tree;
    }

    /* How both sides of a comparison are held against each other; null of anything else. */
    get scale() {
        const { analysis } = this;

        return analysis.is_comparison
            ? this.derive('scale', () => comparison_scale(analysis, this.source, this.by)) : null;
    }

    get layout() {
        return this.derive('layout', () => tree_lay_out(this.tree,
            widths_of(this.tree, this.scale)));
    }

    /* How many rows the frames before the first fork are folded from; 0: they are not. */
    get stem() {
        const length = this.derive('stem', () => ({ length: stem_length(this.tree) })).length;

        const is_all = length === this.tree.count - 1; /* folded, nothing would be left */

        return this.stem_open || is_all || length < STEM_MIN ? 0 : length;
    }

    /* {frames, time}: what the search finds. */
    get matched() {
        return this.matches ? this.derive('matched', () => search_sum(this.tree, this.matches))
            : null;
    }

    /* Where a node of the draft is shown, or -1. */
    place(draft_node) {
        if (draft_node < 0) return ABSENT;
        const at = this.source.of[draft_node];
        return at < 0 || !this.shaped.of ? at : this.shaped.of[at];
    }

    /* A node of the draft that is shown at a node of the tree: of what merged there, the first.
     * That is the same function, because what is hidden stands behind its caller in the draft. */
    origin(node) {
        const origins = this.derive('origins', () => {
            const found = new Int32Array(this.tree.count).fill(ABSENT);

            found[0] = 0;
            for (let i = 1; i < this.source.of.length; i++) {
                const at = this.place(i);
                if (at > 0 && found[at] < 0) found[at] = i;
            }
            return found;
        });
        return node < 0 ? ABSENT : origins[node];
    }

    /* The selected node of the tree that is shown, or -1. */
    get selected_node() {
        return this.place(this.selected);
    }

    symbol(node) {
        return this.analysis.symbols[this.tree.symbol[node]];
    }

    frame(node) {
        return this.analysis.frames[this.tree.frame[node]];
    }

    /* What the times of the tree are a part of, in words. */
    get whole_words() {
        if (this.scale) return 'of other';
        if (this.focus > 0) return 'of the view';
        if (!this.range) return this.analysis.json.samples > 1 ? 'of the calls' : 'of the call';
        const [from, until] = this.range_times();
        return `of ${Math.round(from / 1e6)}\u2013${Math.round(until / 1e6)} ms`;
    }

    /* When the range begins and ends, in ns of the call. */
    range_times() {
        const { at, until, count } = this.analysis.snapshots;
        const [from, to] = this.range ?? [0, count];

        return count ? [at[from], until[to - 1]] : [0, 0];
    }

    /* The visible part of the layout. */
    window() {
        const { left, right, whole } = this.layout;

        if (this.zoom?.of !== undefined) {
            const node = this.place(this.zoom.of);
            if (node >= 0 && right[node] > left[node]) return [left[node], right[node]];
        }
        if (this.zoom?.part) return this.zoom.part.map((share) => share * whole);
        return [0, whole];
    }

    /* ---- what the hand does: each of these is one step of Back ---- */

    push(change, ...what) {
        this.past.push(this.address());
        if (this.past.length > PAST_MAX) this.past.shift();
        Object.assign(this, change);
        this.is_pushing = true;
        this.tell(...what);
    }

    zoom_to(node) {
        if (node > 0) this.push({ zoom: { of: this.origin(node) } }, 'zoom');
        else if (this.zoom) this.push({ zoom: null }, 'zoom');
    }

    /* A free window, in parts of the whole; while a hand moves it is no step of Back. */
    zoom_window(from, until, is_moving = false) {
        const width = Math.min(1, until - from);
        const begin = Math.min(Math.max(0, from), 1 - width);
        const zoom = width >= 1 ? null : { part: [begin, begin + width] };

        if (!is_moving) return this.push({ zoom }, 'zoom');
        this.zoom = zoom;
        return this.tell('zoom');
    }

    focus_on(node) {
        if (node > 0) this.push({ focus: this.origin(node), zoom: null }, 'tree', 'zoom');
    }

    hide_function(node) {
        const symbol = this.tree.symbol[node];

        if (node > 0 && !this.hidden.includes(symbol))
            this.push({ hidden: [...this.hidden, symbol], zoom: null }, 'tree', 'zoom');
    }

    hide_module(node) {
        const module = node > 0 ? this.symbol(node).module : '';

        if (module && !this.modules.includes(module))
            this.push({ modules: [...this.modules, module], zoom: null }, 'tree', 'zoom');
    }

    fold_recursion(recursion = !this.recursion) {
        this.push({ recursion }, 'tree');
    }

    set_range(range) {
        if (range?.join() !== this.range?.join())
            this.push({ range, zoom: null }, 'tree', 'zoom');
    }

    set_pivot(symbol) {
        this.push({ pivot: symbol }, 'look');
    }

    open_stem(stem_open = !this.stem_open) {
        this.push({ stem_open }, 'look');
    }

    /* Takes back one of chips(). */
    remove(chip) {
        this.push(chip.without, 'tree', 'zoom');
    }

    /* Everything at once; false where there was nothing. */
    back() {
        if (this.past.length === 0) return false;
        if (this.step_back) this.step_back();
        else this.restore(this.past.at(-1));
        return true;
    }

    /* ---- and these replace where we are ---- */

    select(node) {
        this.set({ selected: this.origin(node) }, 'selected');
    }

    hover(node, symbol = node > 0 ? this.tree.symbol[node] : ABSENT) {
        if (node === this.hovered && symbol === this.hovered_symbol) return;
        this.set({ hovered: node, hovered_symbol: symbol }, 'hovered');
    }

    show_snapshot(snapshot) {
        const selected = snapshot < 0 ? this.selected : this.analysis.snapshots.leaf[snapshot];

        this.set({ snapshot, selected }, 'snapshot', 'selected');
    }

    look(change) {
        this.set(change, ...('by' in change ? ['tree', 'look'] : ['look']));
    }

    set(change, ...what) {
        Object.assign(this, change);
        this.tell(...what);
    }

    /* A bad expression says so and keeps the last result. */
    search(text) {
        const read = query_read(text);

        this.query = { text, problem: read.problem ?? null };
        if (read.terms)
            this.matches = read.terms.length ? symbols_match(read, this.analysis.symbols) : null;
        delete this.derived.matched;
        this.tell('query');
    }

    /* The matching frame before or after the selected one, in the order of the picture. */
    next_match(step) {
        const { count, symbol } = this.tree;

        if (!this.matches) return;
        for (let i = 1, at = Math.max(this.selected_node, 0); i < count; i++) {
            at = ((at - 1 + step + count - 1) % (count - 1)) + 1;
            if (this.matches[symbol[at]]) return this.select(at);
        }
    }

    /* What shapes the tree, each with its words and what the view is without it. */
    chips() {
        const { symbols } = this.analysis;
        const chips = [];

        if (this.range) {
            const [from, until] = this.range_times().map((ns) => Math.round(ns / 1e6));
            chips.push({ words: 'range', name: `${from}\u2013${until} ms`,
                without: { range: null } });
        }
        if (this.focus > 0)
            chips.push({ words: 'focus', name: symbols[this.analysis.draft.symbol[this.focus]].name,
                without: { focus: 0 } });
        for (const symbol of this.hidden)
            chips.push({ words: 'hidden', name: symbols[symbol].name,
                without: { hidden: this.hidden.filter((other) => other !== symbol) } });
        for (const module of this.modules)
            chips.push({ words: 'hidden', name: module.slice(module.lastIndexOf('/') + 1),
                without: { modules: this.modules.filter((other) => other !== module) } });
        if (this.recursion)
            chips.push({ words: 'recursion', name: 'folded', without: { recursion: false } });
        return chips;
    }

    /* ---- addresses ---- */

    symbol_name(symbol) {
        const { low, high } = this.analysis.symbols[symbol];
        return [high, low].map((half) => half.toString(16).padStart(8, '0')).join('');
    }

    /* The keys of CONSOLE.md section 8 that differ from their defaults, as texts. */
    address() {
        const address = {};
        const put = (key, value) => { if (value) address[key] = value; };
        const frame = (node) => (node > 0 ? path_name(this.hashes, node) : '');

        put('range', this.range && this.range_times().map((ns) =>
            +(ns / 1e6).toFixed(3)).join('-'));
        put('focus', frame(this.focus));
        put('hide', this.hidden.slice(0, LIST_MAX).map((s) => this.symbol_name(s)).join(','));
        put('module', this.modules.slice(0, LIST_MAX).join(','));
        put('rec', this.recursion && '1');
        put('zoom', this.zoom?.part ? this.zoom.part.map((share) => share.toFixed(6)).join('-')
                                    : frame(this.zoom?.of ?? ABSENT));
        put('sandwich', this.pivot >= 0 && this.symbol_name(this.pivot));
        put('stem', this.stem_open && '1');
        put('at', frame(this.selected));
        put('snap', this.snapshot >= 0 && String(this.snapshot + 1));
        put('q', this.query.text);
        put('colour', this.colour !== 'module' && this.colour);
        put('dir', this.is_flame && 'flame');
        put('by', this.by !== 'time' && this.by);
        put('order', this.order !== 'self' && this.order);
        return address;
    }

    range_read(text) {
        const { at, until, count } = this.analysis.snapshots;
        const times = /^(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)$/.exec(text ?? '');

        if (!times) return null;
        const [begin, end] = [+times[1] * 1e6 - 1000, +times[2] * 1e6 + 1000];
        let from = 0;
        let to = count;
        while (from < count && at[from] < begin) from++;
        while (to > from && until[to - 1] > end) to--;
        return from < to && to - from < count ? [from, to] : null;
    }

    zoom_read(text) {
        const part = /^(0\.\d+)-([01]\.\d+)$/.exec(text ?? '');

        if (part && +part[1] < +part[2] && +part[2] <= 1) return { part: [+part[1], +part[2]] };
        const of = path_find(this.hashes, text);
        return of > 0 ? { of } : null;
    }

    symbols_read(text) {
        const names = new Map(this.analysis.symbols.map((_, i) => [this.symbol_name(i), i]));

        return (text ?? '').split(',').map((name) => names.get(name)).filter((s) => s !==
            undefined);
    }

    /* Shows what an address says; unknown keys and values are as if they were not there. Returns
     * the keys whose frames are not in this analysis, for the page to say so. */
    restore(address) {
        const modules = new Set(this.analysis.symbols.map((symbol) => symbol.module));
        const frame = (key) => path_find(this.hashes, address[key]);

        if (this.past.length > 0 && steps_are_equal(this.past.at(-1), address)) this.past.pop();
        Object.assign(this, this.start(), {
            range: this.range_read(address.range),
            focus: Math.max(frame('focus'), 0),
            hidden: this.symbols_read(address.hide),
            modules: (address.module ?? '').split(',').filter((module) => module &&
                modules.has(module)),
            recursion: address.rec === '1',
            zoom: this.zoom_read(address.zoom),
            pivot: this.symbols_read(address.sandwich)[0] ?? ABSENT,
            stem_open: address.stem === '1',
            selected: frame('at'),
            snapshot: this.snapshot_read(address.snap),
            colour: COLOURS.includes(address.colour) ? address.colour : 'module',
            is_flame: address.dir === 'flame',
            by: address.by === 'share' ? 'share' : 'time',
            order: address.order === 'total' ? 'total' : 'self',
        });
        this.derived = {};
        this.search(address.q ?? '');
        this.tell('tree', 'zoom', 'selected', 'snapshot', 'look');
        return ['at', 'focus', 'zoom'].filter((key) =>
            /^[0-9a-f]{16}$/.test(address[key] ?? '') && frame(key) < 0);
    }

    snapshot_read(text) {
        const number = Number.parseInt(text ?? '', 10);

        return number >= 1 && number <= this.analysis.snapshots.count ? number - 1 : ABSENT;
    }
}
