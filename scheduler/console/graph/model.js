/* SPDX-License-Identifier: Apache-2.0 */
/* model.js: an analysis of the API as typed arrays that add up.
 *
 *     const analysis = new Analysis(json);          of a sample, a task or a comparison
 *     const tree = analysis.whole();                all of it
 *     const part = analysis.range(40, 90);          snapshots 40 to 89
 *     tree.time[node], tree.self[node * STRIDE + PARTS.indexOf("lock")]
 *
 * A tree is rows of numbers in depth-first order: node 0 is the root, a node's subtree is node to
 * end[node] - 1, a parent stands before its children. So a walk is a loop, a subtree a slice, and
 * adding up a loop backwards; 64,000 nodes take milliseconds.
 *
 * INVARIANTS
 *
 * (1) Times are whole nanoseconds in doubles: sums are exact below 2^53 ns, 104 days.
 * (2) The time of a node is its own and that of its children, for each part; so the root's is the
 *     sum of all own times.
 * (3) A node's children are in the order of drawing: heaviest first, or by name where a rank is
 *     given, so that the trees of two samples line up.
 * (4) Nodes merge by symbol: kind, function, class, module, as in scheduler/analysis/tree.c. */

/* The states, always in this order; what the base side of a comparison took stands behind them. */
export const PARTS = ['running', 'queued', 'lock', 'network', 'disk', 'sleep', 'other'];
export const BASE = PARTS.length;
export const STRIDE = PARTS.length + 1;

const ABSENT = -1;

function nanoseconds(ms) {
    return Math.round((ms ?? 0) * 1e6);
}

/* Two 32-bit halves of a text's hash; FNV-1a with two primes, mixed at the end. */
function hash_text(text) {
    let low = 0x811c9dc5;
    let high = 0x9747b28c;

    for (let i = 0; i < text.length; i++) {
        const code = text.charCodeAt(i);

        low = Math.imul(low ^ code, 0x01000193);
        high = Math.imul(high ^ code, 0x85ebca6b);
    }
    return [mix(low ^ (high >>> 16)), mix(high ^ (low >>> 13))];
}

function mix(value) {
    value = Math.imul(value ^ (value >>> 16), 0x7feb352d);
    value = Math.imul(value ^ (value >>> 15), 0x846ca68b);
    return (value ^ (value >>> 16)) >>> 0;
}

/* A symbol is what frames merge by; of each frame its number is in `of`. */
export function symbols_read(frames) {
    const symbols = [];
    const of = new Int32Array(frames.length);
    const known = new Map();

    frames.forEach((frame, i) => {
        const key = [frame.kind, frame.function ?? '', frame.class ?? '', frame.module ?? '']
            .join('\0');
        let at = known.get(key);

        if (at === undefined) {
            at = symbols.length;
            known.set(key, at);
            symbols.push(symbol_new(key, frame));
        }
        of[i] = at;
        if (frame.file) symbols[at].files.add(frame.file);
    });
    return { symbols, of };
}

function symbol_new(key, frame) {
    const [low, high] = hash_text(key);
    const module = frame.module ?? '';

    return {
        kind: frame.kind,
        is_marker: frame.kind === 'marker',
        name: frame.function ?? `${module_name(module)}+0x${(frame.offset ?? 0).toString(16)}`,
        class: frame.class ?? '',
        module,
        files: new Set(),
        low,
        high,
    };
}

/* A module by its file's name. */
export function module_name(path) {
    return path.slice(path.lastIndexOf('/') + 1);
}

/* A tree under construction, in the order in which nodes were met: any node may get children.
 * Children are found by open addressing, because a Map of large keys is five times slower. */
export class Draft {
    constructor(capacity = 1024) {
        this.count = 1;
        this.parent = new Int32Array(capacity).fill(ABSENT, 0, 1);
        this.symbol = new Int32Array(capacity).fill(ABSENT, 0, 1);
        this.frame = new Int32Array(capacity).fill(ABSENT, 0, 1);
        this.places = new Int32Array(capacity * 4); /* a power of two; 0: free */
    }

    /* The child of that symbol, made if there is none. */
    child(parent, symbol, frame) {
        const mask = this.places.length - 1;
        let at = mix(Math.imul(parent, 0x9e3779b1) ^ symbol) & mask;

        for (let node = this.places[at]; node !== 0; node = this.places[at]) {
            if (this.symbol[node] === symbol && this.parent[node] === parent) return node;
            at = (at + 1) & mask;
        }
        if (this.count === this.parent.length) {
            this.grow();
            return this.child(parent, symbol, frame);
        }
        const node = this.count++;
        this.places[at] = node;
        this.parent[node] = parent;
        this.symbol[node] = symbol;
        this.frame[node] = frame;
        return node;
    }

    grow() {
        const bigger = new Draft(this.parent.length * 2);

        for (let i = 1; i < this.count; i++)
            bigger.child(this.parent[i], this.symbol[i], this.frame[i]);
        Object.assign(this, bigger);
    }
}

export class Tree {
    constructor(count) {
        this.count = count;
        this.parent = new Int32Array(count).fill(ABSENT);
        this.symbol = new Int32Array(count).fill(ABSENT);
        this.frame = new Int32Array(count).fill(ABSENT);
        this.depth = new Uint16Array(count);
        this.end = new Int32Array(count);
        this.self = new Float64Array(count * STRIDE);
        this.total = new Float64Array(count * STRIDE);
        this.self_met = new Float64Array(count);
        this.met = new Float64Array(count);
        this.own = new Float64Array(count);
        this.time = new Float64Array(count);
        this.depth_max = 0;
        this.of = null; /* where each node of the draft went, or -1 */
    }

    /* What the base side of a comparison took. */
    base(node) {
        return this.total[node * STRIDE + BASE];
    }

    /* The nodes of each depth from left to right: nodes.slice(starts[d], starts[d + 1]). */
    rows() {
        if (this.row_index) return this.row_index;

        const starts = new Int32Array(this.depth_max + 2);
        const nodes = new Int32Array(this.count);

        for (let i = 0; i < this.count; i++) starts[this.depth[i] + 1]++;
        for (let d = 1; d < starts.length; d++) starts[d] += starts[d - 1];
        const next = starts.slice();
        for (let i = 0; i < this.count; i++) nodes[next[this.depth[i]]++] = i;
        this.row_index = { starts, nodes };
        return this.row_index;
    }

    /* A node's children, in their order. */
    children(node) {
        const found = [];

        for (let at = node + 1; at < this.end[node]; at = this.end[at]) found.push(at);
        return found;
    }

    /* From the outermost frame to the node. */
    path(node) {
        const found = [];

        for (let at = node; at > 0; at = this.parent[at]) found.push(at);
        return found.reverse();
    }
}

function time_of(parts, node) {
    let sum = 0;

    for (let at = node * STRIDE, end = at + BASE; at < end; at++) sum += parts[at];
    return sum;
}

/* Each node's own time and what it took on the base side, its snapshots, and all below. */
function weights_of(draft, self, self_met) {
    const { count, parent } = draft;
    const weights = new Float64Array(count);
    const met = new Float64Array(count);

    for (let i = count - 1; i >= 0; i--) {
        weights[i] += time_of(self, i) + self[i * STRIDE + BASE];
        met[i] += self_met[i];
        if (i === 0) break;
        weights[parent[i]] += weights[i];
        met[parent[i]] += met[i];
    }
    return { weights, met };
}

/* Sorts a few numbers in place; lists of children are short. */
function insertion_sort(nodes, from, to, is_before) {
    for (let i = from + 1; i < to; i++) {
        const node = nodes[i];
        let at = i;

        for (; at > from && is_before(node, nodes[at - 1]); at--) nodes[at] = nodes[at - 1];
        nodes[at] = node;
    }
}

/* Children of each node next to each other, sorted; nodes without any time or snapshot left out. */
function children_sort({ count, parent, symbol }, weights, met, rank) {
    const starts = new Int32Array(count + 1);
    const nodes = new Int32Array(count);
    const is_before = rank ? (a, b) => rank[symbol[a]] < rank[symbol[b]]
                           : (a, b) => weights[a] > weights[b];

    for (let i = 1; i < count; i++) if (weights[i] > 0 || met[i] > 0) starts[parent[i] + 1]++;
    for (let i = 0; i < count; i++) starts[i + 1] += starts[i];
    const next = starts.slice();
    for (let i = 1; i < count; i++)
        if (weights[i] > 0 || met[i] > 0) nodes[next[parent[i]]++] = i;
    for (let i = 0; i < count; i++) {
        const size = starts[i + 1] - starts[i];

        if (size > 40)
            nodes.subarray(starts[i], starts[i + 1]).sort((a, b) => (is_before(b, a) ? 1 : -1));
        else if (size > 1) insertion_sort(nodes, starts[i], starts[i + 1], is_before);
    }
    return { starts, nodes };
}

/* Own parts where their nodes went, then the totals of all, backwards. */
function parts_fill(tree, of, count, self) {
    for (let i = 0; i < count; i++) {
        const at = of[i];

        if (at < 0) continue;
        for (let part = 0; part < STRIDE; part++)
            tree.self[at * STRIDE + part] = self[i * STRIDE + part];
    }
    tree.total.set(tree.self);
    for (let at = tree.count - 1; at >= 0; at--) {
        const to = tree.parent[at] * STRIDE;

        tree.own[at] = time_of(tree.self, at);
        tree.time[at] = time_of(tree.total, at);
        if (at === 0) break;
        for (let part = 0; part < STRIDE; part++)
            tree.total[to + part] += tree.total[at * STRIDE + part];
    }
}

/* Makes a tree of a draft (or of another tree: what has count, parent, symbol, frame, parents
 * first) and of the own times and snapshots of its nodes. */
export function tree_finish(draft, self, self_met, rank) {
    const { count, parent } = draft;
    const { weights, met } = weights_of(draft, self, self_met);
    const { starts, nodes } = children_sort(draft, weights, met, rank);
    const tree = new Tree(starts[count] + 1);
    const of = new Int32Array(count).fill(ABSENT);
    const waiting = new Int32Array(tree.count);
    let waiting_count = 1;

    for (let at = 0; waiting_count > 0; at++) {
        const i = waiting[--waiting_count];

        of[i] = at;
        tree.symbol[at] = draft.symbol[i];
        tree.frame[at] = draft.frame[i];
        tree.self_met[at] = self_met[i];
        tree.met[at] = met[i];
        if (i > 0) {
            tree.parent[at] = of[parent[i]];
            tree.depth[at] = tree.depth[tree.parent[at]] + 1;
            tree.depth_max = Math.max(tree.depth_max, tree.depth[at]);
        }
        for (let c = starts[i + 1] - 1; c >= starts[i]; c--) waiting[waiting_count++] = nodes[c];
    }
    parts_fill(tree, of, count, self);
    ends_fill(tree);
    tree.of = of;
    return tree;
}

function ends_fill(tree) {
    for (let i = tree.count - 1; i >= 0; i--) {
        tree.end[i] = Math.max(tree.end[i], i + 1);
        if (i > 0) tree.end[tree.parent[i]] = Math.max(tree.end[tree.parent[i]], tree.end[i]);
    }
}

/* The parts of a node or of a snapshot of the API, into an array at `at`. */
function parts_read(json, to, at) {
    const waits = json.waits_ms ?? {};

    to[at] = nanoseconds(json.cpu_ms);
    to[at + 1] = nanoseconds(json.queue_ms);
    for (let part = 2; part < BASE; part++) to[at + part] = nanoseconds(waits[PARTS[part]]);
    to[at + BASE] = nanoseconds(json.base_ms);
}

/* The tree of the API as a draft with own times. */
function tree_read(json, of) {
    const draft = new Draft();
    const totals = [];
    const met = [];
    const waiting = [[json, ABSENT]];

    while (waiting.length > 0) {
        const [row, parent] = waiting.pop();
        const node = parent === ABSENT ? 0 : draft.child(parent, of[row.frame], row.frame);
        const parts = new Array(STRIDE);

        parts_read(row, parts, 0);
        totals[node] = totals[node] ? totals[node].map((sum, i) => sum + parts[i]) : parts;
        met[node] = (met[node] ?? 0) + row.count;
        for (let i = row.children.length - 1; i >= 0; i--) waiting.push([row.children[i], node]);
    }
    return { draft, ...own_of(draft, totals, met) };
}

/* Own times: a node's less its children's. */
function own_of(draft, totals, met) {
    const self = new Float64Array(draft.count * STRIDE);
    const self_met = Float64Array.from(met);

    for (let i = 0; i < draft.count; i++) {
        const parent = draft.parent[i];

        for (let part = 0; part < STRIDE; part++) {
            self[i * STRIDE + part] += totals[i][part];
            if (parent >= 0) self[parent * STRIDE + part] -= totals[i][part];
        }
        if (parent >= 0) self_met[parent] -= met[i];
    }
    return { self, self_met };
}

/* The snapshots of one call: when, how long, in which states, and the node of each. */
function snapshots_read(timeline, draft, of) {
    const count = timeline.length;
    const snapshots = {
        count,
        at: new Float64Array(count),
        until: new Float64Array(count),
        parts: new Float64Array(count * STRIDE),
        leaf: new Int32Array(count),
        rows: timeline,
    };

    timeline.forEach((row, i) => {
        let node = 0;

        for (let f = row.stack.length - 1; f >= 0; f--)
            node = draft.child(node, of[row.stack[f]], row.stack[f]);
        snapshots.at[i] = nanoseconds(row.at_ms);
        snapshots.until[i] = snapshots.at[i] + nanoseconds(row.for_ms);
        snapshots.leaf[i] = node;
        parts_read(row, snapshots.parts, i * STRIDE);
    });
    return snapshots;
}

export class Analysis {
    constructor(json) {
        const { symbols, of } = symbols_read(json.frames);
        const { draft, self, self_met } = tree_read(json.tree, of);

        this.json = json;
        this.frames = json.frames;
        this.symbols = symbols;
        this.symbol_of = of;
        this.is_comparison = json.base !== undefined && json.other !== undefined;
        this.elapsed = nanoseconds(json.elapsed_ms);
        this.listened = nanoseconds(json.listened_ms);
        this.interval_ms = json.interval_ms ?? json.frequency_ms ?? 1;
        this.draft = draft;
        this.snapshots = snapshots_read(json.timeline ?? [], draft, of);
        this.self = new Float64Array(draft.count * STRIDE);
        this.self.set(self);
        this.self_met = new Float64Array(draft.count);
        this.self_met.set(self_met);
        this.rank = this.is_comparison ? ranks(symbols) : null;
    }

    /* All that was observed. */
    whole() {
        this.whole_tree ??= tree_finish(this.draft, this.self, this.self_met, this.rank);
        return this.whole_tree;
    }

    /* The snapshots `from` up to, not including, `to`. */
    range(from, to) {
        const { leaf, parts } = this.snapshots;
        const self = new Float64Array(this.draft.count * STRIDE);
        const self_met = new Float64Array(this.draft.count);

        for (let i = from; i < to; i++) {
            for (let part = 0; part < BASE; part++)
                self[leaf[i] * STRIDE + part] += parts[i * STRIDE + part];
            self_met[leaf[i]]++;
        }
        return tree_finish(this.draft, self, self_met, this.rank);
    }
}

/* The place of each symbol by name. */
function ranks(symbols) {
    const order = symbols.map((_, i) => i);
    const rank = new Int32Array(symbols.length);

    order.sort((a, b) => (symbols[a].name < symbols[b].name ? -1 : 1));
    order.forEach((symbol, place) => { rank[symbol] = place; });
    return rank;
}

/* The hash of each node's path of symbols from the root, in two halves. A link names a frame by
 * it, so that the link outlives a new analysis of the same calls. */
export function path_hashes(tree, symbols) {
    const low = new Uint32Array(tree.count);
    const high = new Uint32Array(tree.count);

    for (let i = 1; i < tree.count; i++) {
        const symbol = symbols[tree.symbol[i]];
        const above = tree.parent[i];

        low[i] = mix(Math.imul(low[above], 0x9e3779b1) ^ symbol.low);
        high[i] = mix(Math.imul(high[above], 0x85ebca77) + (symbol.high ^ low[i]));
    }
    return { low, high };
}

const hex = (half) => half.toString(16).padStart(8, '0');

/* A node's name in a link: 16 hexadecimal digits. */
export function path_name(hashes, node) {
    return hex(hashes.high[node]) + hex(hashes.low[node]);
}

/* The node of a link's name, or -1: not in this tree. */
export function path_find(hashes, text) {
    if (!/^[0-9a-f]{16}$/.test(text ?? '')) return ABSENT;

    const high = parseInt(text.slice(0, 8), 16);
    const low = parseInt(text.slice(8), 16);
    for (let i = 1; i < hashes.low.length; i++)
        if (hashes.low[i] === low && hashes.high[i] === high) return i;
    return ABSENT;
}
