/* SPDX-License-Identifier: Apache-2.0 */
/* shape.js: one tree made of another: focused, with functions hidden, with recursion folded; a
 * function between its callers and callees; and what is hot by function, class or file.
 *
 *     const shaped = tree_shape(tree, { focus: 17, is_hidden: flags, folds_recursion: true });
 *     shaped.tree, shaped.of[node], shaped.hidden, shaped.folded, shaped.outside
 *
 * Nothing is lost in silence: what is hidden gives its own time to its caller, and how many
 * nodes that were is counted. Trees that were given are never changed. */
import { BASE, Draft, STRIDE, tree_finish } from './model.js';

/* Options: `focus` makes a node the outermost (0: none), `is_hidden` is by symbol (null: none).
 * Hidden and folded nodes merge into their callers. `of` says where each node went, or -1. */
export function tree_shape(tree, { focus = 0, is_hidden = null, folds_recursion = false }, rank) {
    const draft = new Draft();
    const image = new Int32Array(tree.count).fill(-1);
    const end = focus > 0 ? tree.end[focus] : tree.count;
    const counts = { hidden: 0, folded: 0, outside: tree.count - 1 - (end - Math.max(focus, 1)) };

    image[0] = 0;
    for (let i = Math.max(focus, 1); i < end; i++) {
        const symbol = tree.symbol[i];
        const above = i === focus ? 0 : image[tree.parent[i]];

        image[i] = above;
        if (is_hidden?.[symbol]) counts.hidden++;
        else if (folds_recursion && draft.symbol[above] === symbol) counts.folded++;
        else image[i] = draft.child(above, symbol, tree.frame[i]);
    }
    const { self, self_met } = own_moved(tree, image, draft.count, Math.max(focus, 0), end);
    const finished = tree_finish(draft, self, self_met, rank);

    return { tree: finished, of: image.map((at) => (at < 0 ? at : finished.of[at])), ...counts };
}

/* The own times of tree's nodes `from` to `end`, where their images are. */
function own_moved(tree, image, count, from, end) {
    const self = new Float64Array(count * STRIDE);
    const self_met = new Float64Array(count);

    for (let i = from; i < end; i++) {
        for (let part = 0; part < STRIDE; part++)
            self[image[i] * STRIDE + part] += tree.self[i * STRIDE + part];
        self_met[image[i]] += tree.self_met[i];
    }
    return { self, self_met };
}

/* The outermost nodes of a symbol: those that are not below another one of it. */
export function outermost(tree, is_wanted) {
    const found = [];

    for (let i = 1; i < tree.count; i++) {
        if (!is_wanted(tree.symbol[i])) continue;
        found.push(i);
        i = tree.end[i] - 1;
    }
    return found;
}

function parts_add(to, at, from, i) {
    for (let part = 0; part < STRIDE; part++) to[at * STRIDE + part] += from[i * STRIDE + part];
}

/* A function with all its callees below it, wherever it was called from; time of recursion once. */
function callees_of(tree, places, rank) {
    const draft = new Draft();
    const image = new Int32Array(tree.count).fill(-1);

    for (const place of places)
        for (let i = place; i < tree.end[place]; i++)
            image[i] = draft.child(i === place ? 0 : image[tree.parent[i]], tree.symbol[i],
                tree.frame[i]);

    const self = new Float64Array(draft.count * STRIDE);
    const self_met = new Float64Array(draft.count);
    for (let i = 1; i < tree.count; i++) {
        if (image[i] < 0) continue;
        parts_add(self, image[i], tree.self, i);
        self_met[image[i]] += tree.self_met[i];
    }
    return tree_finish(draft, self, self_met, rank);
}

/* A function with all its callers below it: each of its places gives its time to its path, read
 * from the inside out. */
function callers_of(tree, places, rank) {
    const draft = new Draft();
    const tips = [];

    for (const place of places) {
        let at = 0;
        for (let i = place; i > 0; i = tree.parent[i])
            at = draft.child(at, tree.symbol[i], tree.frame[i]);
        tips.push(at);
    }
    const self = new Float64Array(draft.count * STRIDE);
    const self_met = new Float64Array(draft.count);
    places.forEach((place, k) => {
        parts_add(self, tips[k], tree.total, place);
        self_met[tips[k]] += tree.met[place];
    });
    return tree_finish(draft, self, self_met, rank);
}

/* A function in the middle: `places` are where it is called, recursion counted once. */
export function sandwich(tree, symbol, rank) {
    const places = outermost(tree, (other) => other === symbol);

    return {
        places: places.length,
        time: places.reduce((sum, place) => sum + tree.time[place], 0),
        callers: callers_of(tree, places, rank),
        callees: callees_of(tree, places, rank),
    };
}

/* What is hot: rows {key, self, time, base_self, base, met}, by the group that each symbol is in;
 * a group that is below itself counts once. Groups are any values that a Map takes. */
export function hot_spots(tree, group_of) {
    const rows = new Map();
    const open = []; /* the groups that we are within, and where their nodes end */

    for (let i = 1; i < tree.count; i++) {
        while (open.length > 0 && open.at(-1).end <= i) open.pop().row.depth--;

        const key = group_of(tree.symbol[i]);
        let row = rows.get(key);
        if (!row) {
            row = { key, self: 0, time: 0, base_self: 0, base: 0, met: 0, depth: 0 };
            rows.set(key, row);
        }
        row.self += tree.own[i];
        row.base_self += tree.self[i * STRIDE + BASE];
        if (row.depth === 0) {
            row.time += tree.time[i];
            row.base += tree.base(i);
            row.met += tree.met[i];
        }
        row.depth++;
        open.push({ row, end: tree.end[i] });
    }
    return [...rows.values()];
}

/* The heaviest child, until none holds half of its parent. */
export function hot_path(tree, from = 0) {
    const path = [];

    for (let at = from; ;) {
        let heaviest = -1;
        for (const child of tree.children(at))
            if (heaviest < 0 || tree.time[child] > tree.time[heaviest]) heaviest = child;
        if (heaviest < 0 || tree.time[heaviest] * 2 < tree.time[at]) return path;
        path.push(heaviest);
        at = heaviest;
    }
}

/* How many frames from the root to the first fork: one way to go, and nothing spent on the way. */
export function stem_length(tree) {
    let length = 0;

    while (length + 1 < tree.count && tree.end[length + 1] === tree.count &&
           tree.own[length] === 0 && tree.self[length * STRIDE + BASE] === 0)
        length++;
    return length;
}

/* Hot spots by line, as hot_spots() gives them: of one call from its snapshots, through range,
 * focus and hidden functions; of several calls what the server counted, or null where the view is
 * only a part of that. */
export function line_spots(view) {
    const { analysis } = view;

    if (analysis.snapshots.count === 0) {
        const is_part = view.focus > 0 || view.hidden.length > 0 || view.modules.length > 0;
        return is_part ? null : (analysis.json.hot_lines ?? []).map((row) => ({
            key: line_key(analysis, row.frame), symbol: analysis.symbol_of[row.frame],
            self: Math.round(row.self_ms * 1e6), time: Math.round(row.total_ms * 1e6),
            base: Math.round((row.base_ms ?? 0) * 1e6) }));
    }
    const rows = new Map();
    const [from, to] = view.range ?? [0, analysis.snapshots.count];

    for (let i = from; i < to; i++) line_spots_add(view, i, rows);
    return [...rows.values()];
}

function line_key(analysis, frame) {
    const { file, line } = analysis.frames[frame];

    return file ? `${file}:${line ?? '?'}`
        : `(unknown) ${analysis.symbols[analysis.symbol_of[frame]].name}`;
}

/* One snapshot's frames, innermost first, up to the one in focus; each line once. */
function line_spots_add(view, i, rows) {
    const { analysis } = view;
    const { snapshots, draft } = analysis;
    const ns = snapshots.until[i] - snapshots.at[i];
    const seen = new Set();
    let node = snapshots.leaf[i];

    if (view.focus > 0 && !is_below(draft, node, view.focus)) return;
    for (const frame of snapshots.rows[i].stack) {
        const symbol = analysis.symbol_of[frame];
        const key = line_key(analysis, frame);
        const is_last = node === view.focus;

        node = draft.parent[node];
        if (!view.hidden.includes(symbol) &&
            !view.modules.includes(analysis.symbols[symbol].module)) {
            const row = rows.get(key) ?? { key, symbol, self: 0, time: 0, base: 0 };

            rows.set(key, row);
            if (seen.size === 0) row.self += ns;
            if (!seen.has(key)) row.time += ns;
            seen.add(key);
        }
        if (is_last) return;
    }
}

function is_below(draft, node, above) {
    for (; node > above; node = draft.parent[node]);
    return node === above;
}
