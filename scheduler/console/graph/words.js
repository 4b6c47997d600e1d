/* SPDX-License-Identifier: Apache-2.0 */
/* words.js: what is said of a frame, a run, a search: in tooltips, to screen readers, in footers.
 *
 * Times are never finer than the frequency allows; a percentage says of what. */
import { count, difference, module_name, safe_text, share, short_name, short_path, time }
    from '../formats.js';
import { STATE_WORDS } from './colours.js';
import { difference_at } from './compare.js';
import { PARTS, STRIDE } from './model.js';

export const JOIN = ' \u00b7 ';

/* A time of the analysis, given in ns. */
export function time_words(view, ns) {
    return time(ns / 1e6, { finest_ms: view.analysis.interval_ms >= 20 ? 1 : 0 });
}

/* "79.1 % of the call". */
export function share_words(view, ns) {
    return `${share(ns, view.tree.time[0])} ${view.whole_words}`;
}

/* "+12 ms", "new", "gone", or 0 within the floor; of a comparison. */
export function difference_words(view, node) {
    const { tree, scale } = view;
    const other = tree.time[node];
    const base = tree.base(node);
    const by = difference_at(tree, node, scale);

    if (scale.by === 'share') return points_words(by);
    if (Math.abs(by) <= scale.floor) return '0';
    if (other === 0) return `${difference(-base / 1e6)} gone`;
    return base === 0 ? `${difference(other / 1e6)} new` : difference((other - base) / 1e6);
}

function points_words(by) {
    const sign = by > 0 ? '+' : by < 0 ? '\u2212' : '';
    return `${sign}${(Math.abs(by) * 100).toFixed(1)}\u00a0pt`;
}

/* What a frame is called in full: "inventory.cc:214" after it where that is known. */
export function place_words(frame, is_short) {
    if (!frame?.file) return '';
    return short_path(frame.file, frame.line, is_short ? 32 : 80);
}

/* [state's words, ns] of a node, the longest first. */
function states_of(tree, node) {
    return PARTS.map((state, part) => [STATE_WORDS[state], tree.total[node * STRIDE + part], part])
        .filter(([, ns]) => ns > 0).sort((a, b) => b[1] - a[1]);
}

/* A frame's name where there is room for `characters`; the root's is the whole's. */
export function node_name(view, node, characters) {
    if (node === 0) return view.analysis.json.samples > 1 ? 'all calls' : 'the call, listened';

    const symbol = view.symbol(node);
    return symbol.is_marker ? marker_words(view, node) : symbol_name(symbol, characters);
}

/* A function where there is room for `characters`. Of an unnamed one the offset tells it apart, so
 * that is what stays. */
export function symbol_name(symbol, characters) {
    const unnamed = /^(.+)(\+0x[0-9a-f]+)$/.exec(symbol.name);
    const room = unnamed ? characters - unnamed[2].length : 0;

    if (room < 2 || symbol.name.length <= characters) return short_name(symbol.name, characters);
    return safe_text(unnamed[1], room) + unnamed[2];
}

/* "128 frames left out", "detached". */
function marker_words(view, node) {
    const frame = view.frame(node);
    const name = safe_text(frame.function ?? 'frames left out').replace(/^\(|\)$/g, '');

    return frame.count ? `${count(frame.count)} ${name}` : name;
}

/* The tooltip of a box, as rows for Tooltip.show(). */
export function tip_rows(view, node) {
    const { tree } = view;
    const rows = [['graph-tip-name', node > 0 ? safe_text(view.symbol(node).name, 400)
                                              : node_name(view, 0, 80)]];
    const line = (words, ns) => ['graph-tip-line', words, time_words(view, ns),
        share_words(view, ns)];

    if (node > 0) {
        const places = [module_name(view.symbol(node).module), place_words(view.frame(node))];
        rows.push(['graph-tip-place', places.filter(Boolean).join(JOIN)]);
    }
    if (view.scale)
        rows.push(['graph-tip-line', 'base', time_words(view, tree.base(node)), ''],
            ['graph-tip-line', 'other', time_words(view, tree.time[node]), ''],
            ['graph-tip-line', 'difference', difference_words(view, node), '']);
    else rows.push(line('total', tree.time[node]));
    rows.push(line('self', tree.own[node]));
    for (const [words, ns] of states_of(tree, node)) rows.push(line(words, ns));
    rows.push(['graph-tip-place', `in ${count(tree.met[node])} snapshots`]);
    return rows;
}

export function run_rows(view, run) {
    return [['graph-tip-name', `${count(run.count)} frames, ${time_words(view, run.time)}`],
        ['graph-tip-place', 'each narrower than a pixel; Enter zooms in']];
}

/* "Inventory::reserve, 1.74 s, 79 percent of the call, 12 ms self, lock, inventory.cc line 214". */
export function spoken(view, node) {
    const { tree } = view;
    const percent = tree.time[0] > 0 ? Math.round((100 * tree.time[node]) / tree.time[0]) : 0;
    const [state] = states_of(tree, node);
    const words = [node_name(view, node, 120), time_words(view, tree.time[node]),
        `${percent} percent ${view.whole_words}`, `${time_words(view, tree.own[node])} self`];
    const frame = node > 0 ? view.frame(node) : null;

    if (view.scale) words.push(`${difference_words(view, node)} against base`);
    else if (state) words.push(`mostly ${state[0]}`);
    if (frame?.file) words.push(module_name(frame.file));
    if (frame?.file && frame.line) words[words.length - 1] += ` line ${frame.line}`;
    return words.join(', ');
}

/* "3 frames, 78.7 % of the call"; a bad expression says so. */
export function search_words(view) {
    if (view.query.problem) return view.query.problem;
    if (!view.matches) return '';
    const { frames, time: ns } = view.matched;

    return frames === 0 ? 'nothing matches'
        : `${count(frames)} ${frames === 1 ? 'frame' : 'frames'}, ${share_words(view, ns)}`;
}

/* Six lines for a channel: the finding, the three hottest, the link. */
export function stack_text(view, node) {
    return view.tree.path(node).reverse().map((at) => {
        const place = place_words(view.frame(at));
        return view.symbol(at).name + (place ? ` (${place})` : '');
    }).join('\n');
}
