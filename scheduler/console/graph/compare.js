/* SPDX-License-Identifier: Apache-2.0 */
/* compare.js: how wide the boxes are, and in a comparison what is less, more, or noise.
 *
 * A box of a comparison is as wide as the mean of both sides, so that what is new and what is gone
 * both show, and widths still add up. By time the sides are compared as they are, by share each
 * as a part of its own whole. A difference within the floor is none: two snapshots of the coarser
 * side, or 1 % of the larger whole if that is more; further steps are at 5 % and 15 %. */

const FLOOR_SHARE = 0.01;
const STEPS = [0.05, 0.15];

/* The wholes of both sides, and what is noise: in ns by time, in parts of 1 by share. */
export function comparison_scale(analysis, tree, by) {
    const { base, other } = analysis.json;
    const interval = Math.max(base.frequency_ms ?? 0, other.frequency_ms ?? 0,
        (analysis.json.noise_ms ?? 0) / 2) * 1e6;
    const wholes = [tree.base(0), tree.time[0]];
    const larger = Math.max(...wholes);

    if (by === 'time')
        return { by, unit: larger, per: [1, 1],
            floor: Math.max(2 * interval, FLOOR_SHARE * larger) };

    const per = wholes.map((whole) => (whole > 0 ? 1 / whole : 0));
    const noise = Math.max(...per.map((one) => 2 * interval * one));
    return { by, unit: 1, per, floor: Math.max(noise, FLOOR_SHARE) };
}

/* The difference at a node, other less base, in the scale's unit. */
export function difference_at(tree, node, { per }) {
    return tree.time[node] * per[1] - tree.base(node) * per[0];
}

/* -3 to 3: how much less or more; 0 within the floor. */
export function difference_step(difference, { floor, unit }) {
    const size = Math.abs(difference);

    if (size <= floor) return 0;
    const step = 1 + STEPS.filter((share) => size > share * unit).length;
    return difference < 0 ? -step : step;
}

/* How wide each node is drawn: its time, or the mean of both sides. */
export function widths_of(tree, scale) {
    if (!scale) return tree.time;

    const widths = new Float64Array(tree.count);
    for (let i = 0; i < tree.count; i++)
        widths[i] = (tree.time[i] * scale.per[1] + tree.base(i) * scale.per[0]) / 2;
    return widths;
}

/* Where each node begins and ends, children next to each other from their parent's left side. */
export function tree_lay_out(tree, widths) {
    const left = new Float64Array(tree.count);
    const right = new Float64Array(tree.count);
    const next = new Float64Array(tree.count); /* where a node's next child begins */

    right[0] = widths[0];
    for (let i = 1; i < tree.count; i++) {
        const above = tree.parent[i];

        left[i] = next[above];
        right[i] = left[i] + widths[i];
        next[above] = right[i];
        next[i] = left[i];
    }
    return { left, right, whole: widths[0] };
}

/* The box of a row that holds x, or the nearest within `slack`, or -1. Rows are of tree.rows(). */
export function box_at(tree, layout, depth, x, slack) {
    const { starts, nodes } = tree.rows();
    let low = starts[depth];
    let high = starts[depth + 1]; /* the first whose right side is beyond x is in low..high */

    const end = high;
    while (low < high) {
        const middle = (low + high) >> 1;
        if (layout.right[nodes[middle]] <= x) low = middle + 1;
        else high = middle;
    }
    if (low < end && layout.left[nodes[low]] <= x) return nodes[low];

    let nearest = -1;
    let distance = slack;
    for (const at of [low - 1, low]) {
        if (at < starts[depth] || at >= end) continue;
        const node = nodes[at];
        const away = x < layout.left[node] ? layout.left[node] - x : x - layout.right[node];
        if (away <= distance) [nearest, distance] = [node, away];
    }
    return nearest;
}
