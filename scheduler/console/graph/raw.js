/* SPDX-License-Identifier: Apache-2.0 */
/* raw.js: the snapshots as they were taken, a row each, and the whole stack of the chosen one.
 *
 *     new Raw(element, view);
 */
import { module_name, safe_text, time } from '../formats.js';
import { STATE_WORDS } from './colours.js';
import { PARTS, STRIDE } from './model.js';
import { element_new } from './popups.js';
import { Rows } from './rows.js';
import { place_words, symbol_name, time_words } from './words.js';

const INNERMOST = 3;

export class Raw {
    constructor(element, view) {
        this.view = view;
        this.element = element;
        this.snapshots = view.analysis.snapshots;
        element.classList.add('graph');
        this.rows = new Rows(element, { role: 'grid', label: 'Snapshots', columns: [
            ['cell-number', 'At'], ['cell-number', 'For'], ['cell-wide', 'State'],
            ['cell-wide', 'System call'], ['cell-wide', 'Waiting for'], ['cell-wide', 'Held by'],
            ['cell-name', 'Innermost frames']], row_fill: (row, index) =>
                this.row_fill(row, index) });
        this.stack = element_new('ol', 'raw-stack');
        this.stack.tabIndex = 0;
        this.stack.setAttribute('aria-label', 'Stack of the chosen snapshot');
        element.append(this.stack);
        this.end_view = view.on((what) => {
            if (what.has('snapshot') || what.has('tree')) this.refresh();
        });
        this.rows.grid.addEventListener('click', (event) => this.choose(this.rows.index_of(event)));
        this.rows.grid.addEventListener('keydown', (event) => this.on_key(event));
        this.refresh();
    }

    destroy() {
        this.end_view();
        this.rows.destroy();
        this.element.replaceChildren();
    }

    /* The first snapshot that is shown, and how many. */
    get part() {
        const [from, to] = this.view.range ?? [0, this.snapshots.count];
        return { from, count: to - from };
    }

    refresh() {
        const { from, count } = this.part;
        const at = this.view.snapshot - from;
        const current = at >= 0 && at < count ? at : -1;

        this.rows.show(count, current);
        if (current >= 0) this.rows.reveal(current);
        this.stack_fill();
    }

    name_of(frame) {
        const { symbols, symbol_of } = this.view.analysis;
        return symbol_name(symbols[symbol_of[frame]], 60);
    }

    state_of(i) {
        let best = 0;

        for (let part = 1; part < PARTS.length; part++)
            if (this.snapshots.parts[i * STRIDE + part] > this.snapshots.parts[i * STRIDE + best])
                best = part;
        return STATE_WORDS[PARTS[best]];
    }

    row_fill(row, index) {
        const i = index + this.part.from;
        const moment = this.snapshots.rows[i];
        const { rows } = this;
        const owner = moment.lock_owner;

        row.append(rows.cell('cell-number', time(this.snapshots.at[i] / 1e6)),
            rows.cell('cell-number', time_words(this.view,
                this.snapshots.until[i] - this.snapshots.at[i])),
            rows.cell('cell-wide', this.state_of(i)),
            rows.cell('cell-wide', moment.syscall ?? ''),
            rows.cell('cell-wide', safe_text(moment.waiting_for ?? '')),
            rows.cell('cell-wide', owner ? safe_text(owner.thread ?? `thread ${owner.thread_id}`)
                : ''),
            rows.cell('cell-name', element_new('span', 'cell-code', moment.stack.slice(0, INNERMOST)
                .map((frame) => this.name_of(frame)).join(' \u2039 '))));
    }

    stack_fill() {
        const moment = this.snapshots.rows[this.view.snapshot];
        const { frames, symbols, symbol_of } = this.view.analysis;

        this.stack.hidden = !moment;
        this.stack.replaceChildren(...(moment?.stack ?? []).map((frame) =>
            element_new('li', '', element_new('span', 'cell-code', this.name_of(frame)),
                element_new('span', 'cell-place', place_words(frames[frame]) ||
                    module_name(symbols[symbol_of[frame]].module)))));
    }

    choose(index) {
        if (index >= 0 && index < this.part.count) this.view.show_snapshot(index + this.part.from);
    }

    on_key(event) {
        const at = this.rows.current;
        const to = { ArrowDown: at + 1, ArrowUp: at - 1, j: at + 1, k: at - 1, Home: 0,
            End: this.part.count - 1, PageDown: at + this.rows.page_size,
            PageUp: at - this.rows.page_size }[event.key];

        if (event.key === 'Enter') this.stack.focus();
        else if (to === undefined || event.ctrlKey || event.altKey) return;
        else this.choose(Math.min(Math.max(to, 0), this.part.count - 1));
        event.preventDefault();
        event.stopPropagation();
    }
}
