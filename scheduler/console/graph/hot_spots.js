/* SPDX-License-Identifier: Apache-2.0 */
/* hot_spots.js: where the time is, added up over the whole tree, and the legend of its colours.
 *
 *     new HotSpots(element, view);  new Legend(element, view);
 *
 * By function, class, file, module or line; by own time or all. Of several calls the lines are
 * those that the server counted, of all of them; of one call they are counted here, for any
 * range. */
import { column_ms, count, difference, module_name, safe_text, share, time } from '../formats.js';
import { look_of, palette_read } from './colours.js';
import { element_new } from './popups.js';
import { Rows, bar_new } from './rows.js';
import { hot_spots, line_spots } from './shape.js';
import { symbol_name, time_words } from './words.js';

const GROUPS = ['function', 'class', 'file', 'module', 'line'];

export class HotSpots {
    constructor(element, view) {
        this.view = view;
        this.element = element;
        this.by = 'function';
        this.tools = element_new('div', 'spots-tools');
        element.classList.add('graph');
        element.append(this.tools);
        this.rows = new Rows(element, { role: 'grid', label: 'Hot spots', columns: [],
            row_fill: (row, index) => this.row_fill(row, index) });
        this.footer = element_new('div', 'graph-footer');
        element.append(this.footer);
        this.end_view = view.on((what) => this.on_change(what));
        this.listen();
        this.tools_fill();
        this.refresh();
    }

    listen() {
        const { grid } = this.rows;

        grid.addEventListener('click', (event) => this.choose(this.rows.index_of(event)));
        grid.addEventListener('keydown', (event) => this.on_key(event));
        grid.addEventListener('pointermove', (event) => this.hover(this.rows.index_of(event)));
        grid.addEventListener('pointerleave', () => this.view.hover(-1));
    }

    destroy() {
        this.end_view();
        this.rows.destroy();
        this.element.replaceChildren();
    }

    on_change(what) {
        if (['tree', 'query', 'look'].some((name) => what.has(name))) this.refresh();
        else if (what.has('selected') || what.has('hovered')) this.mark();
    }

    tools_fill() {
        this.tools.setAttribute('role', 'group');
        this.tools.setAttribute('aria-label', 'Hot spots by');
        this.tools.replaceChildren(...GROUPS.map((by) => {
            const button = element_new('button', 'segment', by);

            button.type = 'button';
            button.setAttribute('aria-pressed', String(by === this.by));
            button.addEventListener('click', () => {
                this.by = by;
                this.tools_fill();
                this.refresh();
            });
            return button;
        }));
    }

    /* The words of a symbol's group; what has none says so. */
    group_of(symbol) {
        const of = this.view.analysis.symbols[symbol];

        if (this.by === 'class') return of.class || '(no class)';
        if (this.by === 'module') return of.module || '(no module)';
        return of.files.size ? [...of.files][0] : '(unknown file)';
    }

    spots() {
        const { view } = this;

        if (this.by === 'line') return line_spots(view);
        const rows = hot_spots(view.tree,
            this.by === 'function' ? (symbol) => symbol : (symbol) => this.group_of(symbol));
        return rows.map((row) => ({ ...row, symbol: this.by === 'function' ? row.key : -1 }));
    }

    refresh() {
        const { view } = this;
        const key = view.order === 'self' ? 'self' : 'time';
        const all = this.spots();

        this.spots_shown = (all ?? []).filter((row) => this.is_found(row))
            .sort((a, b) => weight(b, view.scale, key) - weight(a, view.scale, key) ||
                b.time - a.time);
        this.most = Math.max(1, weight(this.spots_shown[0] ?? {}, view.scale, key) || 0);
        this.head_fill(key);
        this.footer.textContent = all === null
            ? 'The lines of several calls are known of the whole only.'
            : `${count(this.spots_shown.length)} of ${count(all.length)}, ${view.whole_words}`;
        this.rows.show(this.spots_shown.length, -1);
        this.mark();
    }

    is_found(row) {
        const { matches } = this.view;

        if (!matches) return true;
        if (row.symbol >= 0) return matches[row.symbol] === 1;
        return this.view.analysis.symbols.some((_, i) =>
            matches[i] && this.group_of(i) === row.key);
    }

    head_fill(key) {
        const order = (words, of) => [`cell-number`, words,
            () => this.view.look({ order: of }), (of === 'self') === (key === 'self')];

        const name = ['cell-name', this.by[0].toUpperCase() + this.by.slice(1)];
        this.rows.head_fill(this.view.scale
            ? [name, ['cell-number', 'Base ms'], ['cell-number', 'Other ms'],
                ['cell-share', 'Difference']]
            : [name, order('Self ms', 'self'), order('Total ms', 'total'),
                ['cell-share', 'Share']]);
    }

    row_fill(row, index) {
        const { rows, view } = this;
        const spot = this.spots_shown[index];
        const key = view.order === 'self' ? 'self' : 'time';

        const columns = view.scale
            ? [['cell-number', column_ms(spot.base / 1e6)],
                ['cell-number', column_ms(spot.time / 1e6)],
                ['cell-share', difference((spot.time - spot.base) / 1e6)]]
            : [['cell-number', column_ms(spot.self / 1e6)],
                ['cell-number', column_ms(spot.time / 1e6)],
                ['cell-share', share(spot[key], view.tree.time[0])]];

        row.append(rows.cell('cell-name', bar_new([['', weight(spot, view.scale, key) / this.most]],
            'spot-bar'), element_new('span', 'cell-code', this.name_of(spot))),
        ...columns.map(([class_name, text]) => rows.cell(class_name, text)));
        row.title = this.name_of(spot);
        row.classList.toggle('is-alike', spot.symbol >= 0 && spot.symbol === view.hovered_symbol);
    }

    name_of(spot) {
        const characters = Math.max(12, Math.floor((this.rows.grid.clientWidth - 216) / 7.3));

        if (this.by === 'function')
            return symbol_name(this.view.analysis.symbols[spot.key], characters);
        return this.by === 'module' ? module_name(spot.key) : safe_text(spot.key);
    }

    /* The row of what is selected elsewhere. */
    mark() {
        const { view } = this;
        const at = view.selected_node;
        const symbol = at > 0 ? view.tree.symbol[at] : -1;
        const index = symbol < 0 ? -1
            : this.spots_shown.findIndex((spot) => spot.symbol === symbol);

        this.rows.show(this.spots_shown.length, index);
    }

    /* The heaviest frame of a spot. */
    choose(index) {
        const symbol = this.spots_shown[index]?.symbol ?? -1;
        const { tree } = this.view;
        let best = -1;

        if (symbol < 0) return;
        for (let i = 1; i < tree.count; i++)
            if (tree.symbol[i] === symbol && (best < 0 || tree.time[i] > tree.time[best])) best = i;
        if (best > 0) this.view.select(best);
    }

    hover(index) {
        const spot = this.spots_shown[index];
        this.view.hover(-1, spot?.symbol ?? -1);
    }

    on_key(event) {
        const steps = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1, Home: -Infinity, End: Infinity };
        const at = this.rows.current;

        if (event.key === 'Enter') this.view.zoom_to(Math.max(0, this.view.selected_node));
        else if (event.key in steps && !event.ctrlKey && !event.altKey) {
            const next = Math.min(Math.max(at + steps[event.key], 0), this.spots_shown.length - 1);
            this.choose(next);
            this.rows.current = next;
            this.rows.reveal(next);
        } else return;
        event.preventDefault();
        event.stopPropagation();
    }
}

/* What a spot is sorted by: its time, or in a comparison how much that differs. */
function weight(spot, scale, key) {
    return scale ? Math.abs(spot.time - spot.base) : spot[key];
}

export class Legend {
    constructor(element, view) {
        this.view = view;
        this.element = element;
        element.classList.add('legend');
        element.setAttribute('role', 'group');
        element.setAttribute('aria-label', 'Colours');
        this.end_view = view.on((what) => {
            if (what.has('tree') || what.has('look')) this.fill();
        });
        this.on_theme = () => this.fill();
        document.addEventListener('themechange', this.on_theme);
        this.fill();
    }

    destroy() {
        this.end_view();
        document.removeEventListener('themechange', this.on_theme);
        this.element.replaceChildren();
    }

    fill() {
        const { view } = this;
        const { kinds } = look_of(view, palette_read(this.element));

        if (view.scale) return this.fill_difference(kinds);
        const entries = kinds.map((kind, i) => ({ ...kind, i })).filter((kind) =>
            kind.frames > 0 && kind.name);
        this.element.replaceChildren(...entries.map((kind) => this.entry_new(kind)));
        if (view.colour === 'function') this.element.append(element_new('span', 'legend-note',
            'one colour of eight for each function; system libraries grey'));
    }

    entry_new({ i, fill, edge, strong, name, time: ns }) {
        const swatch = element_new('span', 'legend-swatch');
        const button = element_new('button', 'legend-entry', swatch, element_new('span', '', name),
            element_new('span', 'legend-time', time_words(this.view, ns)));

        swatch.style.background = strong ?? fill;
        swatch.style.borderColor = edge;
        button.type = 'button';
        button.setAttribute('aria-pressed', String(this.view.dimmed === i));
        button.addEventListener('click', () =>
            this.view.look({ dimmed: this.view.dimmed === i ? null : i }));
        return button;
    }

    fill_difference(kinds) {
        const { scale } = this.view;
        const floor = scale.by === 'share' ? `${(scale.floor * 100).toFixed(1)} pt`
            : time(scale.floor / 1e6);
        const swatches = kinds.map((kind) => {
            const words = kind.step === 0 ? `within ${floor}` : kind.name;
            const swatch = element_new('span', 'legend-step', words);
            swatch.style.background = kind.fill;
            swatch.style.color = kind.text;
            return swatch;
        });

        this.element.replaceChildren(element_new('span', '', 'less in other'), ...swatches,
            element_new('span', '', 'more in other'));
    }
}
