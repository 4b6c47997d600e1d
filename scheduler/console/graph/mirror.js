/* SPDX-License-Identifier: Apache-2.0 */
/* mirror.js: the flame graph for those who do not see it.
 *
 * The scroller is a focusable `tree`; the canvases in it are hidden from assistive technology, and
 * beside them stand `treeitem`s that nobody sees: the current frame, its callers, its callees, and
 * up to 20 neighbours to each side, with level, place, size of the set and a name in words. The
 * tree's aria-activedescendant is the current frame, so the keys of the graph walk it. One
 * `status` speaks of search and zoom. */
import { element_new } from './popups.js';
import { search_words, share_words, spoken } from './words.js';

const NEIGHBOURS = 20;

let mirrors = 0;

export class Mirror {
    constructor(flame, view) {
        this.view = view;
        this.tree = flame.scroller;
        this.items = element_new('div', 'graph-unseen');
        this.status = element_new('div', 'graph-unseen');
        this.id = `graph-${++mirrors}`;
        this.tree.tabIndex = 0;
        this.tree.setAttribute('role', 'tree');
        this.tree.setAttribute('aria-label', 'Flame graph');
        this.status.setAttribute('role', 'status');
        this.items.setAttribute('role', 'group');
        flame.spacer.setAttribute('role', 'presentation');
        flame.stage.setAttribute('role', 'presentation');
        this.tree.append(this.items);
        flame.element.append(this.status);
        this.end_view = view.on((what) => this.on_change(what));
        this.is_stale = true;
    }

    destroy() {
        this.end_view();
    }

    on_change(what) {
        if (['tree', 'selected', 'look'].some((name) => what.has(name))) this.is_stale = true;
        if (what.has('query')) this.status.textContent = search_words(this.view);
        if (what.has('zoom')) this.is_zoom_unsaid = true;
    }

    zoom_words() {
        const [from, until] = this.view.window();
        const { whole } = this.view.layout;
        const time = ((until - from) / whole) * this.view.tree.time[0];

        return from === 0 && until === whole ? 'The whole'
            : `Zoomed to ${share_words(this.view, time)}`;
    }

    /* The frames near the current one; called when the picture stands still. */
    update() {
        if (this.is_zoom_unsaid) this.status.textContent = this.zoom_words();
        this.is_zoom_unsaid = false;
        if (!this.is_stale) return;
        this.is_stale = false;
        const { tree, selected_node } = this.view;
        const current = Math.max(0, selected_node);
        const wanted = new Set([0, ...tree.path(current), ...tree.children(current)
            .slice(0, 2 * NEIGHBOURS), ...this.neighbours(current)]);

        this.items.replaceChildren(...[...wanted].sort((a, b) => a - b)
            .map((node) => this.item_new(node, node === current)));
        this.tree.setAttribute('aria-activedescendant', `${this.id}-${current}`);
    }

    neighbours(node) {
        if (node === 0) return [];
        const siblings = this.view.tree.children(this.view.tree.parent[node]);
        const at = siblings.indexOf(node);

        return siblings.slice(Math.max(0, at - NEIGHBOURS), at + NEIGHBOURS + 1);
    }

    item_new(node, is_current) {
        const { tree } = this.view;
        const item = element_new('div', '');
        const siblings = node > 0 ? tree.children(tree.parent[node]) : [0];
        const put = (name, value) => item.setAttribute(name, String(value));

        item.id = `${this.id}-${node}`;
        put('role', 'treeitem');
        put('aria-level', tree.depth[node] + 1);
        put('aria-posinset', siblings.indexOf(node) + 1);
        put('aria-setsize', siblings.length);
        put('aria-selected', is_current);
        if (tree.end[node] > node + 1) put('aria-expanded', true);
        put('aria-label', spoken(this.view, node));
        return item;
    }
}
