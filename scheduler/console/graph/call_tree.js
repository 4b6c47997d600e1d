/* SPDX-License-Identifier: Apache-2.0 */
/* call_tree.js: the tree as a table: the full equivalent of the flame graph, in numbers.
 *
 *     const tree = new CallTree(element, view);
 *
 * A row per node that is open. What is open is kept as nodes of the analysis' draft, so that a
 * range or a hidden function closes nothing. A search leaves what matches and the way to it. */
import { column_ms, count, share } from '../formats.js';
import { difference_words, node_name, place_words } from './words.js';
import { FLAME_KEYS, menu_items } from './hand.js';
import { Menu, element_new } from './popups.js';
import { Rows, bar_new } from './rows.js';
import { hot_path } from './shape.js';
import { BASE, STRIDE } from './model.js';

const INDENT = 14;
const OPEN_MAX = 20000;
const NAME_MAX = 120;

/* key, words, what it does with the table. */
export const TREE_KEYS = [
    ['ArrowUp', 'row above', (table) => table.go(-1)],
    ['ArrowDown', 'row below', (table) => table.go(1)],
    ['PageUp', 'page up', (table) => table.go(-table.rows.page_size)],
    ['PageDown', 'page down', (table) => table.go(table.rows.page_size)],
    ['Home', 'first row', (table) => table.go(-Infinity)],
    ['End', 'last row', (table) => table.go(Infinity)],
    ['ArrowRight', 'open, or to the first callee', (table, node) => table.open_or_enter(node)],
    ['ArrowLeft', 'close, or to the caller', (table, node) => table.close_or_leave(node)],
    ['*', 'open all below', (table, node) => table.open_below(node)],
    ['h', 'hot path', (table) => table.open_hot_path()],
];

export class CallTree {
    constructor(element, view) {
        this.view = view;
        this.element = element;
        this.open = new Set([0]);
        this.rows = new Rows(element, { role: 'treegrid', label: 'Call tree',
            columns: this.columns(),
            row_fill: (row, index) => this.row_fill(row, index) });
        this.footer = element_new('div', 'graph-footer');
        this.menu = new Menu(element);
        element.classList.add('graph');
        element.append(this.footer);
        this.end_view = view.on((what) => this.on_change(what));
        this.listen();
        for (const node of hot_path(view.tree)) this.open.add(view.origin(node));
        this.refresh();
    }

    listen() {
        const { grid } = this.rows;

        grid.addEventListener('click', (event) => this.on_click(event));
        grid.addEventListener('dblclick', (event) => this.zoom_at(event));
        grid.addEventListener('keydown', (event) => this.on_key(event));
        grid.addEventListener('contextmenu', (event) => this.on_menu(event));
        grid.addEventListener('pointermove', (event) => {
            const node = this.nodes[this.rows.index_of(event)] ?? -1;
            this.view.hover(node);
        });
        grid.addEventListener('pointerleave', () => this.view.hover(-1));
    }

    destroy() {
        this.end_view();
        this.rows.destroy();
        this.element.replaceChildren();
    }

    columns() {
        if (this.view.scale)
            return [['cell-name', 'Function'], ['cell-number', 'Base ms'],
                ['cell-number', 'Other ms'], ['cell-wide', 'Difference'],
                ['cell-place', 'File']];
        return [['cell-name', 'Function'], ['cell-number', 'Total ms'], ['cell-share', 'Share'],
            ['cell-number', 'Self ms'], ['cell-bar', 'On a CPU, queued, waiting'],
            ['cell-number', 'Count'], ['cell-place', 'File']];
    }

    on_change(what) {
        if (what.has('look')) this.rows.head_fill(this.columns());
        if (['tree', 'query', 'look'].some((name) => what.has(name))) this.refresh();
        else if (what.has('selected')) this.show_selected();
    }

    /* The nodes that have rows. */
    refresh() {
        const { tree, matches } = this.view;
        const wanted = matches ? this.wanted(tree, matches) : null;
        const nodes = [];
        const is_open = new Uint8Array(tree.count);

        for (const node of this.open) {
            const at = this.view.place(node);
            if (at >= 0) is_open[at] = 1;
        }
        for (let i = 1; i < tree.count;) {
            if (wanted && !wanted[i]) i = tree.end[i];
            else {
                nodes.push(i);
                i = is_open[i] || wanted?.[i] === 2 ? i + 1 : tree.end[i];
            }
        }
        this.is_open = is_open;
        this.wanted_flags = wanted;
        this.nodes = nodes;
        this.footer.textContent = `${count(nodes.length)} of ${count(tree.count - 1)} frames` +
            `${wanted ? ' match or lead to a match' : ' are open'}`;
        this.rows.show(nodes.length, nodes.indexOf(this.view.selected_node));
    }

    /* 1: matches, 2: leads to what matches. */
    wanted(tree, matches) {
        const wanted = new Uint8Array(tree.count);

        for (let i = tree.count - 1; i > 0; i--) {
            if (wanted[i] === 0 && matches[tree.symbol[i]]) wanted[i] = 1;
            if (wanted[i]) wanted[tree.parent[i]] = 2;
        }
        return wanted;
    }

    /* Opens the way to the selected frame, which may have been chosen elsewhere. */
    show_selected() {
        const { tree, selected_node } = this.view;
        const before = this.open.size;

        if (selected_node > 0)
            for (const node of tree.path(tree.parent[selected_node]))
                this.open.add(this.view.origin(node));
        if (this.open.size !== before) this.refresh();
        const index = this.nodes.indexOf(selected_node);
        this.rows.show(this.nodes.length, index);
        if (index >= 0) this.rows.reveal(index);
    }

    row_fill(row, index) {
        const { view, rows } = this;
        const { tree } = view;
        const node = this.nodes[index];
        const has_callees = tree.end[node] > node + 1;
        const is_open = this.is_open[node] === 1 || this.wanted_flags?.[node] === 2;
        const name = rows.cell('cell-name', element_new('span', 'cell-open',
            has_callees ? (is_open ? '\u25be' : '\u25b8') : ''),
        element_new('span', 'cell-code', node_name(view, node, NAME_MAX)));

        name.style.paddingLeft = `${Math.min(tree.depth[node] - 1, 40) * INDENT}px`;
        name.title = node_name(view, node, NAME_MAX);
        row.setAttribute('aria-level', String(tree.depth[node]));
        if (has_callees) row.setAttribute('aria-expanded', String(is_open));
        if (view.matches?.[tree.symbol[node]]) row.classList.add('is-match');
        row.append(name, ...(view.scale ? this.compared_cells(node) : this.cells(node)),
            rows.cell('cell-place', place_words(view.frame(node), true)));
    }

    cells(node) {
        const { rows } = this;
        const { tree } = this.view;
        const parts = tree.total.subarray(node * STRIDE, node * STRIDE + BASE);
        const whole = tree.time[0] || 1;
        const waiting = parts[2] + parts[3] + parts[4] + parts[5] + parts[6];

        return [rows.cell('cell-number', column_ms(tree.time[node] / 1e6)),
            rows.cell('cell-share', share(tree.time[node], tree.time[0])),
            rows.cell('cell-number', column_ms(tree.own[node] / 1e6)),
            rows.cell('cell-bar', bar_new([['bar-running', parts[0] / whole],
                ['bar-queued', parts[1] / whole], ['bar-waiting', waiting / whole]]),
            element_new('span', 'graph-unseen', `${column_ms(parts[0] / 1e6)}, ` +
                `${column_ms(parts[1] / 1e6)}, ${column_ms(waiting / 1e6)} ms`)),
            rows.cell('cell-number', count(tree.met[node]))];
    }

    compared_cells(node) {
        const { rows, view } = this;

        return [rows.cell('cell-number', column_ms(view.tree.base(node) / 1e6)),
            rows.cell('cell-number', column_ms(view.tree.time[node] / 1e6)),
            rows.cell('cell-wide', difference_words(view, node))];
    }

    /* ---- the hand ---- */

    on_click(event) {
        const node = this.nodes[this.rows.index_of(event)];

        if (node === undefined) return;
        this.view.select(node);
        if (event.target.closest('.cell-open')) this.toggle(node);
    }

    zoom_at(event) {
        const node = this.nodes[this.rows.index_of(event)];
        if (node !== undefined && !event.target.closest('.cell-open')) this.view.zoom_to(node);
    }

    on_menu(event) {
        const node = this.nodes[this.rows.index_of(event)];

        if (node === undefined) return;
        event.preventDefault();
        this.view.select(node);
        this.menu.open(event.clientX, event.clientY, menu_items(this.view, node,
            (text) => navigator.clipboard?.writeText(text).catch(() => {})));
    }

    /* Its own keys, then those of the graph that mean a frame rather than a place on a canvas. */
    on_key(event) {
        const { view } = this;
        const node = view.selected_node;
        const key = (event.ctrlKey || event.metaKey ? 'Ctrl+' : '') + event.key;
        const own = TREE_KEYS.find(([one]) => one === key);
        const common = FLAME_KEYS.find(([one]) => one === key &&
            /^(?:[0sfxXru,.]|Enter|Backspace)$/.test(one));

        if ((!own && !common) || event.altKey || event.target !== this.rows.grid) return;
        if (view.keys_are_off && /^[a-zX]$/.test(key)) return;
        if (own) own[2](this, node);
        else common[2]({ view }, node);
        event.preventDefault();
        event.stopPropagation();
    }

    go(by) {
        const at = this.nodes.indexOf(this.view.selected_node);
        const next = Math.min(Math.max(at + by, 0), this.nodes.length - 1);

        if (next >= 0) this.view.select(this.nodes[next]);
    }

    toggle(node, is_open = !this.is_open[node]) {
        const origin = this.view.origin(node);

        if (is_open) this.open.add(origin);
        else this.open.delete(origin);
        this.refresh();
    }

    open_or_enter(node) {
        if (node <= 0 || this.view.tree.end[node] === node + 1) return;
        if (!this.is_open[node]) this.toggle(node, true);
        else this.view.select(node + 1);
    }

    close_or_leave(node) {
        if (node <= 0) return;
        if (this.is_open[node] && this.view.tree.end[node] > node + 1) this.toggle(node, false);
        else if (this.view.tree.parent[node] > 0) this.view.select(this.view.tree.parent[node]);
    }

    open_below(node) {
        const { tree } = this.view;
        const from = Math.max(node, 0);

        for (let i = from; i < Math.min(tree.end[from], from + OPEN_MAX); i++)
            this.open.add(this.view.origin(i));
        this.refresh();
    }

    open_hot_path() {
        const path = hot_path(this.view.tree, Math.max(this.view.selected_node, 0));

        for (const node of path) this.open.add(this.view.origin(node));
        this.refresh();
        if (path.length > 0) this.view.select(path.at(-1));
    }
}
