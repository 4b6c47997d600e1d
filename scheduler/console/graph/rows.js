/* SPDX-License-Identifier: Apache-2.0 */
/* rows.js: a table of any number of rows, of which those in view are in the page.
 *
 *     const rows = new Rows(element, { role, label, columns: [[class, head]...], row_fill });
 *     rows.show(count, selected);      row_fill(row, index) fills the cells of one
 *
 * The element scrolls; rows have one height; the head sticks. What is current is told by
 * aria-activedescendant, so the focus stays on the table while rows come and go. */
import { element_new } from './popups.js';

const ROW_HEIGHT = 24;
const MARGIN = 6;

let tables = 0;

export class Rows {
    constructor(element, { role, label, columns, row_fill }) {
        this.row_fill = row_fill;
        this.columns = columns;
        this.id = `rows-${++tables}`;
        this.count = 0;
        this.current = -1;
        this.grid = element_new('div', 'rows');
        this.head = element_new('div', 'rows-head');
        this.body = element_new('div', 'rows-body');
        this.grid.tabIndex = 0;
        this.grid.setAttribute('role', role);
        this.grid.setAttribute('aria-label', label);
        this.head.setAttribute('role', 'row');
        this.body.setAttribute('role', 'rowgroup');
        this.head_group = element_new('div', 'rows-top', this.head);
        this.head_group.setAttribute('role', 'rowgroup');
        this.grid.append(this.head_group, this.body);
        element.append(this.grid);
        this.head_fill();
        this.observer = new ResizeObserver(() => this.draw_soon());
        this.observer.observe(this.grid);
        this.grid.addEventListener('scroll', () => this.draw_soon(), { passive: true });
    }

    destroy() {
        this.observer.disconnect();
        cancelAnimationFrame(this.asked);
        this.asked = -1;
        this.grid.remove();
    }

    /* Columns may be buttons that sort: [class, words, act, is_sorted]. */
    head_fill(columns = this.columns) {
        this.columns = columns;
        this.head.replaceChildren(...columns.map(([class_name, words, act, is_sorted]) => {
            const cell = element_new('div', class_name);

            cell.setAttribute('role', 'columnheader');
            if (act) {
                const button = element_new('button', '', words);
                button.type = 'button';
                button.addEventListener('click', act);
                cell.setAttribute('aria-sort', is_sorted ? 'descending' : 'none');
                cell.append(button);
            } else cell.append(words);
            return cell;
        }));
    }

    show(count, current) {
        this.count = count;
        this.current = current;
        this.grid.setAttribute('aria-rowcount', String(count + 1));
        this.body.style.height = `${count * ROW_HEIGHT}px`;
        this.draw_soon();
    }

    /* Scrolls a row into view. */
    reveal(index) {
        const top = index * ROW_HEIGHT;
        const { scrollTop, clientHeight } = this.grid;
        const head = this.head.offsetHeight;

        if (top < scrollTop) this.grid.scrollTop = top;
        else if (top + ROW_HEIGHT > scrollTop + clientHeight - head)
            this.grid.scrollTop = top + ROW_HEIGHT - clientHeight + head;
    }

    /* How many rows a page key moves by. */
    get page_size() {
        return Math.max(1, Math.floor(this.grid.clientHeight / ROW_HEIGHT) - 2);
    }

    /* The row of an event, or -1. */
    index_of(event) {
        const row = event.target.closest?.('.rows-row');
        return row ? Number(row.dataset.index) : -1;
    }

    draw_soon() {
        this.asked ??= requestAnimationFrame(() => {
            this.asked = null;
            this.draw();
        });
    }

    draw() {
        const { scrollTop, clientHeight } = this.grid;
        const first = Math.max(0, Math.floor(scrollTop / ROW_HEIGHT) - MARGIN);
        const last = Math.min(this.count, Math.ceil((scrollTop + clientHeight) / ROW_HEIGHT) +
            MARGIN);
        const rows = [];

        for (let i = first; i < last; i++) rows.push(this.row_new(i));
        this.body.replaceChildren(...rows);
        if (this.current >= first && this.current < last)
            this.grid.setAttribute('aria-activedescendant', `${this.id}-${this.current}`);
        else this.grid.removeAttribute('aria-activedescendant');
    }

    row_new(index) {
        const row = element_new('div', 'rows-row');

        row.id = `${this.id}-${index}`;
        row.dataset.index = String(index);
        row.style.top = `${index * ROW_HEIGHT}px`;
        row.setAttribute('role', 'row');
        row.setAttribute('aria-rowindex', String(index + 2));
        row.setAttribute('aria-selected', String(index === this.current));
        this.row_fill(row, index);
        return row;
    }

    cell(class_name, ...inside) {
        const cell = element_new('div', class_name, ...inside);
        cell.setAttribute('role', 'gridcell');
        return cell;
    }
}

/* A bar of parts, in shares of 1: [[class, share]...]. */
export function bar_new(parts, class_name = 'bar') {
    const bar = element_new('span', class_name);

    bar.setAttribute('aria-hidden', 'true');
    for (const [part_class, share_of] of parts) {
        const part = element_new('span', part_class);
        part.style.width = `${(share_of * 100).toFixed(2)}%`;
        bar.append(part);
    }
    return bar;
}
