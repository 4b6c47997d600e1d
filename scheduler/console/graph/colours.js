/* SPDX-License-Identifier: Apache-2.0 */
/* colours.js: what the tokens say, and which node has which colour.
 *
 *     const palette = palette_read();                  again after a change of theme
 *     const look = look_of(view, palette);
 *     look.kinds[look.of[node]]                        {fill, edge, text, name, time}
 *
 * A node's colour is a number into a short list of kinds, so that painting reads two small tables;
 * the legend is the same list. Kinds are: the states and "mixed", the modules and "system", or
 * the steps of a difference. */
import { module_name } from '../formats.js';
import { difference_at, difference_step } from './compare.js';
import { BASE, PARTS, STRIDE } from './model.js';

const MODULE_COUNT = 8;
const DIFFERENCES = ['less3', 'less2', 'less1', 'same', 'more1', 'more2', 'more3'];
export const PURE_SHARE = 0.9;
const SYSTEM = /^(?:\/usr)?\/lib|^\[?v(?:dso|syscall)|^linux-vdso/;

export const STATE_WORDS = { running: 'on a CPU', queued: 'queued', lock: 'lock',
    network: 'network', disk: 'disk', sleep: 'asleep', other: 'waiting, cause unknown' };
export const STATE_LETTERS = { running: 'R', queued: 'Q', lock: 'L', network: 'N', disk: 'D',
    sleep: 'S', other: 'W' };

let probe = null;

/* A colour of CSS as one number, as a row of pixels holds it (alpha, blue, green, red). */
function pixel_of(colour) {
    probe ??= document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    probe.clearRect(0, 0, 1, 1);
    probe.fillStyle = colour;
    probe.fillRect(0, 0, 1, 1);
    return new Uint32Array(probe.getImageData(0, 0, 1, 1).data.buffer)[0];
}

function colour_new(fill, edge, text) {
    return { fill, edge, text, fill_pixel: pixel_of(fill), edge_pixel: pixel_of(edge) };
}

/* All that is drawn with. In forced colours everything is text on ground, told apart by outlines
 * and letters. */
export function palette_read(root = document.documentElement) {
    const is_forced = matchMedia('(forced-colors: active)').matches;
    const style = getComputedStyle(root);
    const system = { match: 'Highlight', 'match-text': 'HighlightText', accent: 'Highlight',
        faint: 'GrayText', line: 'GrayText', edge: 'CanvasText', text: 'CanvasText' };
    const token = (name) => (is_forced ? system[name] ?? (/-edge$|-text$|^s-/.test(name)
        ? 'CanvasText' : 'Canvas') : style.getPropertyValue(`--${name}`).trim());
    const box = (fill, edge, text = 'fill-text') =>
        colour_new(token(fill), token(edge), token(text));
    const code = style.getPropertyValue('--face-code').trim() || 'monospace';
    const palette = { is_forced, code };

    for (const name of ['page', 'surface', 'raised', 'sunken', 'line', 'edge', 'text', 'muted',
        'faint',
        'accent', 'match', 'match-text']) {
        palette[name.replace('-', '_')] = token(name);
        palette[`${name.replace('-', '_')}_pixel`] = pixel_of(token(name));
    }
    palette.states = PARTS.map((state) => ({ ...box(`f-${state}`, `s-${state}`),
        strong: token(`s-${state}`), strong_text: is_forced ? 'Canvas' : token(`s-${state}-text`),
        strong_pixel: pixel_of(token(`s-${state}`)) }));
    palette.modules = Array.from({ length: MODULE_COUNT }, (_, i) =>
        box(`m${i + 1}`, `m${i + 1}-edge`));
    palette.system = box('m-system', 'm-system-edge');
    palette.differences = DIFFERENCES.map((name) => box(name, `${name.replace(/\d/, '')}-edge`,
        name.endsWith('3') ? 'diff-strong-text' : 'fill-text'));
    return palette;
}

/* Calls back when the palette has to be read again. */
export function theme_watch(call, signal) {
    document.addEventListener('themechange', call, { signal });
    matchMedia('(forced-colors: active)').addEventListener('change', call, { signal });
}

function is_system(module) {
    return SYSTEM.test(module);
}

/* The eight heaviest modules of one's own by their hash, so that a module keeps its colour from
 * sample to sample; a collision takes the next free one. */
function module_slots(analysis) {
    const times = new Map();
    const tree = analysis.whole();

    for (let i = 1; i < tree.count; i++) {
        const { module, is_marker } = analysis.symbols[tree.symbol[i]];
        if (is_marker || is_system(module)) continue;
        times.set(module, (times.get(module) ?? 0) + tree.own[i] + 1e-6 * tree.time[i]);
    }
    const heaviest = [...times].sort((a, b) => b[1] - a[1]).slice(0, MODULE_COUNT);
    const slots = new Map();
    const taken = new Set();

    for (const [module] of heaviest) {
        let slot = text_slot(module_name(module));
        while (taken.has(slot)) slot = (slot + 1) % MODULE_COUNT;
        taken.add(slot);
        slots.set(module, slot);
    }
    return slots;
}

function text_slot(text) {
    let hash = 0;

    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    return ((hash ^ (hash >>> 15)) >>> 0) % MODULE_COUNT;
}

function kinds_with_times(kinds, of, tree) {
    const found = kinds.map((kind) => ({ ...kind, time: 0, frames: 0 }));

    for (let i = 1; i < tree.count; i++) {
        found[of[i]].time += tree.own[i];
        found[of[i]].frames++;
    }
    return found;
}

function modules_look({ analysis, tree }, palette) {
    analysis.slots ??= module_slots(analysis);
    const names = new Map([...analysis.slots].map(([module, slot]) => [slot, module_name(module)]));
    const kinds = palette.modules.map((colour, i) => ({ ...colour, name: names.get(i) ?? '' }));
    const by_symbol = analysis.symbols.map(({ module }) =>
        analysis.slots.get(module) ?? (is_system(module) ? MODULE_COUNT : MODULE_COUNT + 1));
    const of = Uint8Array.from(tree.symbol, (symbol) => by_symbol[symbol] ?? MODULE_COUNT);

    kinds.push({ ...palette.system, name: 'system libraries' },
        { ...palette.system, name: 'other modules' });
    return { of, kinds: kinds_with_times(kinds, of, tree) };
}

function functions_look({ analysis, tree }, palette) {
    const by_symbol = analysis.symbols.map((symbol) =>
        (is_system(symbol.module) ? MODULE_COUNT : symbol.low % MODULE_COUNT));
    const of = Uint8Array.from(tree.symbol, (symbol) => by_symbol[symbol] ?? MODULE_COUNT);
    const kinds = palette.modules.map((colour) => ({ ...colour, name: '' }));

    kinds.push({ ...palette.system, name: 'system libraries' });
    return { of, kinds: kinds_with_times(kinds, of, tree) };
}

/* A node with 90 % in one state has its colour; any other is grey, with a band of all. */
function states_look({ tree }, palette) {
    const of = new Uint8Array(tree.count).fill(BASE);
    const kinds = palette.states.map((colour, i) =>
        ({ ...colour, name: STATE_WORDS[PARTS[i]], time: tree.total[i], frames: tree.total[i] }));

    for (let i = 0; i < tree.count; i++)
        for (let part = 0; part < BASE; part++)
            if (tree.total[i * STRIDE + part] >= PURE_SHARE * tree.time[i] && tree.time[i] > 0)
                of[i] = part;
    kinds.push({ ...palette.system, name: '', time: 0, frames: 0, is_mixed: true });
    return { of, kinds };
}

function differences_look({ tree, scale }, palette) {
    const of = new Uint8Array(tree.count);
    const kinds = palette.differences.map((colour, i) => ({ ...colour, step: i - 3,
        name: i === 3 ? 'within the floor' : `${i < 3 ? '\u2212' : '+'}${Math.abs(i - 3)}` }));

    for (let i = 0; i < tree.count; i++)
        of[i] = difference_step(difference_at(tree, i, scale), scale) + 3;
    return { of, kinds };
}

/* The kind of each node, and the kinds. */
export function look_of(view, palette) {
    if (view.scale) return differences_look(view, palette);
    if (view.colour === 'state') return states_look(view, palette);
    return view.colour === 'function' ? functions_look(view, palette) : modules_look(view, palette);
}
