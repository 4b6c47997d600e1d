/* SPDX-License-Identifier: Apache-2.0 */
/* sandwich.js: a function between all its callers, which grow up from it, and all its callees.
 *
 *     new Sandwich(element, view);     of view.pivot
 *
 * Both halves are flame graphs of their own: a Half is a view that has a tree of its own and
 * follows the page's view in all else. What is selected in a half is selected on the page, too. */
import { count } from '../formats.js';
import { Flame } from './flame.js';
import { element_new } from './popups.js';
import { sandwich } from './shape.js';
import { View } from './view.js';
import { symbol_name, time_words } from './words.js';

/* One half: `which` is "callers" or "callees". Its nodes are those of its own tree. */
class Half extends View {
    constructor(view, which) {
        super(view.analysis);
        this.page = view;
        this.which = which;
        this.is_flame = which === 'callers';
        this.follow();
    }

    get shaped() {
        return this.derive('shaped', () => {
            const { tree, analysis, pivot } = this.page;
            const made = this.page.derive(`sandwich ${pivot}`, () =>
                sandwich(tree, pivot, analysis.rank));
            return { tree: made[this.which], of: null, hidden: 0, folded: 0, outside: 0 };
        });
    }

    get source() {
        return this.shaped.tree;
    }

    /* The first row is the function itself; the root above it would say nothing. */
    get stem() {
        return 1;
    }

    get whole_words() {
        return 'of the function';
    }

    place(node) {
        return node < this.tree.count ? node : -1;
    }

    origin(node) {
        return node;
    }

    /* What the page shows is what both halves show. */
    follow() {
        for (const key of ['colour', 'query', 'matches', 'by', 'dimmed', 'keys_are_off'])
            this[key] = this.page[key];
    }

    select(node) {
        super.select(node);
        const { tree } = this.page;
        const found = node > 0 ? tree.symbol.indexOf(this.tree.symbol[node]) : -1;
        if (found > 0) this.page.select(found);
    }

    set_pivot(symbol) {
        this.page.set_pivot(symbol);
    }

    /* A frame of a half is no place of the page's tree. */
    focus_on() {}

    hide_function(node) {
        this.page.hide_function(this.page.tree.symbol.indexOf(this.tree.symbol[node]));
    }

    hide_module(node) {
        this.page.hide_module(this.page.tree.symbol.indexOf(this.tree.symbol[node]));
    }
}

export class Sandwich {
    constructor(element, view) {
        this.view = view;
        this.element = element;
        this.halves = [];
        element.classList.add('sandwich');
        this.middle = element_new('div', 'sandwich-middle');
        this.above = element_new('div', 'sandwich-half');
        this.below = element_new('div', 'sandwich-half');
        element.append(this.above, this.middle, this.below);
        this.end_view = view.on((what) => this.on_change(what));
        this.refresh();
    }

    destroy() {
        this.end_view();
        for (const flame of this.flames ?? []) flame.destroy();
        this.element.replaceChildren();
    }

    on_change(what) {
        if (this.pivot !== this.view.pivot || !this.flames) return this.refresh();
        if (!['tree', 'query', 'look'].some((name) => what.has(name))) return;
        for (const half of this.halves) {
            half.follow();
            half.tell('tree', 'query', 'look');
        }
        this.words_fill();
    }

    refresh() {
        this.pivot = this.view.pivot;
        for (const flame of this.flames ?? []) flame.destroy();
        this.flames = null;
        this.halves = [];
        this.words_fill();
        if (this.pivot < 0) return;
        this.halves = [new Half(this.view, 'callers'), new Half(this.view, 'callees')];
        this.flames = [new Flame(this.above, this.halves[0]),
            new Flame(this.below, this.halves[1])];
    }

    words_fill() {
        const { view } = this;

        if (view.pivot < 0) {
            this.middle.textContent = 'Choose a function and press s: its callers stand here ' +
                'above it, its callees below.';
            return;
        }
        const { places, time } = view.derive(`sandwich ${view.pivot}`,
            () => sandwich(view.tree, view.pivot, view.analysis.rank));
        this.middle.replaceChildren(
            element_new('span', 'cell-code', symbol_name(view.analysis.symbols[view.pivot], 100)),
            element_new('span', 'sandwich-words',
                ` in ${count(places)} ${places === 1 ? 'place' : 'places'}, ` +
                `${time_words(view, time)}${places === 1 ? '' : ' together'}`));
    }
}
