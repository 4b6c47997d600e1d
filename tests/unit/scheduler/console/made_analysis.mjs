/* SPDX-License-Identifier: Apache-2.0 */
/* made_analysis.mjs: analyses as the API gives them, of any size, made of random calls; and sums
 * over their snapshots that know nothing of trees.
 *
 *     const json = made_analysis({ seed: 1, snapshots: 50, depth: 12, functions: 20 });
 *     time_with(json, (stack) => stack.includes(3))     nanoseconds
 */
import { PARTS } from '../../../../scheduler/console/graph/model.js';

/* A generator of numbers below a bound, the same for the same seed. */
export function random_new(seed) {
    let state = seed >>> 0 || 1;

    return (below) => {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        state >>>= 0;
        return state % below;
    };
}

function made_frames(functions, random) {
    const frames = [];

    for (let i = 0; i < functions; i++) {
        const module = random(4) === 0 ? '/lib/x86_64-linux-gnu/libc.so.6'
                                       : `/opt/shop/lib${random(6)}.so`;
        const of = `shop::Part${i % 17}::step_${i}`;

        /* Now and then a function has two lines. */
        for (let line = 0; line <= (random(5) === 0 ? 1 : 0); line++)
            frames.push({ kind: 'native', language: 'c++', function: `${of}(int, Basket const&)`,
                class: i % 3 ? `shop::Part${i % 17}` : null, module, build_id: '00', offset: i * 64,
                file: i % 5 ? `src/part${i % 17}/step.cc` : null, line: 10 + i + line,
                inlined: false });
    }
    return frames;
}

/* Outermost first: shares a random part with the stack before. */
function made_stack(before, options, random) {
    const { depth, frame_count } = options;
    const stack = before.slice(0, random(before.length + 1));
    const size = Math.max(1, options.exact_depth ? depth : 1 + random(depth));

    while (stack.length < size) stack.push(random(frame_count));
    return stack;
}

/* One snapshot's time, in ms, by state; whole nanoseconds. */
function made_parts(random) {
    const ns = PARTS.map((_, i) => (random(i + 1) === 0 ? random(20e6) : 0));

    if (ns.every((part) => part === 0)) ns[0] = 1;
    return ns;
}

function moment_json(at_ns, ns, stack) {
    const waits_ms = {};

    for (let i = 2; i < PARTS.length; i++) if (ns[i] > 0) waits_ms[PARTS[i]] = ns[i] / 1e6;
    const wait_ns = ns.slice(2).reduce((sum, part) => sum + part, 0);
    return { at_ms: at_ns / 1e6, for_ms: (ns[0] + ns[1] + wait_ns) / 1e6,
        stack: stack.slice().reverse(), cpu_ms: ns[0] / 1e6, queue_ms: ns[1] / 1e6,
        wait_ms: wait_ns / 1e6, waits_ms, wait: null, syscall: null, waiting_for: null,
        lock_owner: null };
}

function node_new(frame) {
    return { frame, ns: PARTS.map(() => 0), own_ns: 0, count: 0, children: [] };
}

/* Adds a stack to a tree of objects; two frames are one node if their functions are one. */
function node_add(root, frames, stack, ns) {
    const all = ns.reduce((sum, part) => sum + part, 0);
    const visit = (node) => {
        node.count++;
        ns.forEach((part, i) => { node.ns[i] += part; });
    };
    let at = root;

    visit(at);
    for (const frame of stack) {
        const same = (child) => frames[child.frame].function === frames[frame].function &&
                                frames[child.frame].module === frames[frame].module;
        let child = at.children.find(same);

        if (!child) at.children.push(child = node_new(frame));
        at = child;
        visit(at);
    }
    at.own_ns += all;
}

function node_json(node) {
    const waits_ms = {};
    const sum = node.ns.reduce((all, part) => all + part, 0);

    for (let i = 2; i < PARTS.length; i++)
        if (node.ns[i] > 0) waits_ms[PARTS[i]] = node.ns[i] / 1e6;
    return { frame: node.frame, total_ms: sum / 1e6, self_ms: node.own_ns / 1e6,
        cpu_ms: node.ns[0] / 1e6, queue_ms: node.ns[1] / 1e6,
        wait_ms: (sum - node.ns[0] - node.ns[1]) / 1e6, waits_ms, count: node.count,
        children: node.children.map(node_json) };
}

export function made_analysis({ seed = 1, snapshots = 50, depth = 12, functions = 20,
    exact_depth = false, head_ns = 40e6, is_task = false } = {}) {
    const random = random_new(seed * 7919);
    const frames = made_frames(functions, random);
    const root = node_new(null);
    const timeline = [];
    let stack = [];
    let at = head_ns;

    for (let i = 0; i < snapshots; i++) {
        const ns = made_parts(random);

        stack = made_stack(stack, { depth, exact_depth, frame_count: frames.length }, random);
        node_add(root, frames, stack, ns);
        timeline.push(moment_json(at, ns, stack));
        at += ns.reduce((sum, part) => sum + part, 0);
    }
    return { title: 'made', elapsed_ms: at / 1e6, listened_ms: (at - head_ns) / 1e6,
        unobserved_ms: head_ns / 1e6, snapshots, samples: is_task ? 4 : 1, frequency_ms: 10,
        interval_ms: 10, frames, tree: node_json(root), hot: [], hot_lines: [],
        timeline: is_task ? [] : timeline, findings: [], finding_details: [], locks: [] };
}

/* The nanoseconds of the snapshots `from` to `to` whose stack (outermost first) is wanted. */
export function time_with(json, is_wanted, from = 0, to = json.timeline.length) {
    let sum = 0;

    for (const moment of json.timeline.slice(from, to))
        if (is_wanted(moment.stack.slice().reverse())) sum += Math.round(moment.for_ms * 1e6);
    return sum;
}
