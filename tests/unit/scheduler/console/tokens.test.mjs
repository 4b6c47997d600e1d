// SPDX-License-Identifier: Apache-2.0
// tokens.test.mjs: the contrasts that the console promises (WCAG 2.2), and the distances between the
// colours of states, modules and signs for those who see fewer of them, computed from tokens.css.
// Distances are CIEDE2000; deficiencies are Machado 2009 at full severity.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import test from 'node:test';

const css = fs.readFileSync(new URL('../../../../scheduler/console/tokens.css', import.meta.url), 'utf8');

function theme(name) {
    const block = new RegExp(`:root\\[data-theme="${name}"\\] \\{([^}]*)\\}`).exec(css)[1];

    return Object.fromEntries([...block.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map(
        ([, token, value]) => [token, [1, 3, 5].map((at) => parseInt(value.slice(at, at + 2), 16))]));
}
const themes = { light: theme('light'), dark: theme('dark') };

const linear = (byte) => (byte / 255 <= 0.04045 ? byte / 255 / 12.92
    : ((byte / 255 + 0.055) / 1.055) ** 2.4);
const byte = (value) => 255 * (value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055);

function contrast(a, b) {
    const light = (color) => {
        const [r, g, b] = color.map(linear);

        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const [low, high] = [light(a), light(b)].sort((x, y) => x - y);

    return (high + 0.05) / (low + 0.05);
}

const GROUNDS = ['page', 'surface', 'raised', 'sunken', 'hover'];
const STATES = ['running', 'queued', 'lock', 'network', 'disk', 'sleep', 'other'];
const MODULES = ['m1', 'm2', 'm3', 'm4', 'm5', 'm6', 'm7', 'm8', 'm-system'];
const STEPS = ['less3', 'less2', 'less1', 'same', 'more1', 'more2', 'more3'];

for (const [name, color] of Object.entries(themes)) {
    const least = (wanted, fore, back) => {
        assert.ok(color[fore] && color[back], `${fore} or ${back} is missing in ${name}`);
        const found = contrast(color[fore], color[back]);

        assert.ok(found >= wanted, `${name}: ${fore} on ${back} is ${found.toFixed(2)} to 1`);
    };

    test(`${name}: text is 4.5 to 1 on every ground`, () => {
        for (const text of ['text', 'muted', 'faint', 'accent', 'ok', 'warn', 'err'])
            for (const ground of GROUNDS) least(4.5, text, ground);
        for (const soft of ['accent', 'ok', 'warn', 'err']) least(4.5, soft, `${soft}-soft`);
        least(4.5, 'match-text', 'match');
        least(4.5, 'surface', 'text'); /* the primary button */
        for (const state of STATES) {
            least(4.5, `s-${state}-text`, `s-${state}`);
            least(4.5, 'fill-text', `f-${state}`);
        }
        for (const module of MODULES) least(4.5, 'fill-text', module);
        for (const step of STEPS.slice(1, -1)) least(4.5, 'fill-text', step);
        least(4.5, 'diff-strong-text', 'less3');
        least(4.5, 'diff-strong-text', 'more3');
    });

    test(`${name}: what is drawn is 3 to 1`, () => {
        for (const ground of GROUNDS) least(3, 'edge', ground);
        for (const ground of ['surface', 'page', 'hover'])
            for (const state of STATES) least(3, `s-${state}`, ground);
        for (const module of MODULES) least(3, `${module}-edge`, 'surface');
        for (const sign of ['less', 'same', 'more']) least(3, `${sign}-edge`, 'surface');
    });
}

/* ------------------------------------------------------------------ how far colours are apart */

const EYES = {
    normal: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    protan: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998]],
    deutan: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
        [-0.01182, 0.04294, 0.968881]],
    tritan: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.3039]],
};

function seen(color, eye) {
    const values = color.map(linear);

    return EYES[eye].map((row) => byte(Math.min(1, Math.max(0,
        row.reduce((sum, part, i) => sum + part * values[i], 0)))));
}

function lab(color) {
    const [r, g, b] = color.map(linear);
    const f = (t) => (t > 216 / 24389 ? Math.cbrt(t) : (24389 / 27 * t + 16) / 116);
    const x = f((0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047);
    const y = f(0.2126729 * r + 0.7151522 * g + 0.072175 * b);
    const z = f((0.0193339 * r + 0.119192 * g + 0.9503041 * b) / 1.08883);

    return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

const radians = Math.PI / 180;

/* CIEDE2000, as Sharma, Wu and Dalal write it down. */
function distance(one, two) {
    const [l1, a1, b1] = lab(one), [l2, a2, b2] = lab(two);
    const mean_c = (Math.hypot(a1, b1) + Math.hypot(a2, b2)) / 2;
    const g = 0.5 * (1 - Math.sqrt(mean_c ** 7 / (mean_c ** 7 + 25 ** 7)));
    const c1 = Math.hypot((1 + g) * a1, b1), c2 = Math.hypot((1 + g) * a2, b2);
    const hue = (a, b) => (a === 0 && b === 0 ? 0
        : (Math.atan2(b, (1 + g) * a) / radians + 360) % 360);
    const h1 = hue(a1, b1), h2 = hue(a2, b2);
    const turn = c1 * c2 === 0 ? 0 : ((h2 - h1 + 540) % 360) - 180;
    const dh = 2 * Math.sqrt(c1 * c2) * Math.sin((turn / 2) * radians);
    const l = (l1 + l2) / 2, c = (c1 + c2) / 2;
    const h = c1 * c2 === 0 ? h1 + h2 : (h1 + turn / 2 + 360) % 360;
    const t = 1 - 0.17 * Math.cos((h - 30) * radians) + 0.24 * Math.cos(2 * h * radians) +
        0.32 * Math.cos((3 * h + 6) * radians) - 0.2 * Math.cos((4 * h - 63) * radians);
    const sl = 1 + (0.015 * (l - 50) ** 2) / Math.sqrt(20 + (l - 50) ** 2);
    const sc = 1 + 0.045 * c, sh = 1 + 0.015 * c * t;
    const rt = -Math.sin(60 * Math.exp(-(((h - 275) / 25) ** 2)) * radians) * 2 *
        Math.sqrt(c ** 7 / (c ** 7 + 25 ** 7));

    return Math.sqrt(((l2 - l1) / sl) ** 2 + ((c2 - c1) / sc) ** 2 + (dh / sh) ** 2 +
        rt * ((c2 - c1) / sc) * (dh / sh));
}

function pairs(names) {
    return names.flatMap((one, i) => names.slice(i + 1).map((two) => [one, two]));
}

/* The least of all that is promised for each eye. */
const LEAST = {
    states: { normal: 17, protan: 12, deutan: 12, tritan: 10.5 },
    modules: { normal: 15, protan: 10, deutan: 10, tritan: 8.5 },
    signs: { normal: 29, protan: 25, deutan: 29, tritan: 42 },
    first_step: { normal: 12, protan: 11.5, deutan: 12, tritan: 14 },
};

for (const [name, color] of Object.entries(themes)) {
    for (const eye of Object.keys(EYES)) {
        const apart = (what, all) => {
            for (const [one, two] of all) {
                const found = distance(seen(color[one], eye), seen(color[two], eye));

                assert.ok(found >= LEAST[what][eye],
                    `${name}, ${eye}: ${one} and ${two} are ${found.toFixed(1)} apart`);
            }
        };

        test(`${name}, ${eye} eyes tell states, modules and signs apart`, () => {
            apart('states', pairs(STATES.map((state) => `s-${state}`)));
            apart('states', pairs(STATES.map((state) => `f-${state}`)));
            apart('modules', pairs(MODULES));
            apart('signs', [['less1', 'more1'], ['less2', 'more2'], ['less3', 'more3']]);
            apart('first_step', [['less1', 'same'], ['same', 'more1']]);
        });
    }
}

test('the distance is the published one', () => {
    assert.ok(Math.abs(distance([255, 0, 0], [0, 128, 0]) - 71.6) < 1);
    assert.equal(distance([1, 2, 3], [1, 2, 3]), 0);
});

test('no other style sheet names a colour', () => {
    const folder = new URL('../../../../scheduler/console/', import.meta.url);
    const sheets = [new URL('console.css', folder), new URL('graph/graph.css', folder)];

    for (const sheet of sheets.filter((url) => fs.existsSync(url))) {
        const text = fs.readFileSync(sheet, 'utf8').replace(/\/\*.*?\*\//gs, '');
        const found = text.split('\n').filter((line) => /#[0-9a-f]{3,8}\b/i.test(line) &&
            !/backdrop|#0006/.test(line));

        assert.deepEqual(found, []);
    }
});
