/* SPDX-License-Identifier: Apache-2.0 */
/* page.js: the graphs of an analysis without the console around them, for benches and eyes.
 *
 *     ?data=URL of an analysis, or made:SNAPSHOTS:DEPTH:FUNCTIONS   ?theme=dark   ?view=all|flame
 * */
import { made_analysis } from '/tests/unit/scheduler/console/made_analysis.mjs';
import { Flame } from '/scheduler/console/graph/flame.js';
import { View } from '/scheduler/console/graph/view.js';

const asked = new URLSearchParams(location.search);
document.documentElement.dataset.theme = asked.get('theme') ?? 'light';

async function data_load(from) {
    if (!from.startsWith('made:')) return (await fetch(from)).json();
    const [, snapshots, depth, functions] = from.split(':').map(Number);
    return made_analysis({ snapshots, depth, functions, exact_depth: true });
}

function part(parent, class_name) {
    const element = document.createElement('div');
    element.className = class_name;
    parent.append(element);
    return element;
}

const json = await data_load(asked.get('data') ?? 'made:200:20:60');
const began = performance.now();
const view = new View(json);
const main = document.createElement('main');

if (asked.get('view') === 'flame') {
    document.body.append(main);
    main.style.gridTemplateColumns = '1fr';
    window.parts = { flame: new Flame(part(main, ''), view) };
} else {
    const { mount_all } = await import('./all.js');
    window.parts = mount_all(view, part, main);
}
view.restore(Object.fromEntries(asked));
window.view = view;
requestAnimationFrame(() => requestAnimationFrame(() => {
    window.opened_ms = performance.now() - began;
    document.documentElement.dataset.ready = 'yes';
}));
