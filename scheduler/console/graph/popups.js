/* SPDX-License-Identifier: Apache-2.0 */
/* popups.js: the tooltip and the menu of the graphs.
 *
 *     const tip = new Tooltip(element);  tip.show(x, y, rows);  tip.hide();
 *     new Menu(element).open(x, y, [{ words, key, act }, null, ...]);
 *
 * Rows and words become text nodes, never markup. Both stay within the window and never under the
 * pointer. Null in a menu is a dividing line. */
const AWAY = 14;
const EDGE = 8;

/* An element with a class, and what is in it: texts or elements. */
export function element_new(name, class_name, ...inside) {
    const element = document.createElement(name);

    if (class_name) element.className = class_name;
    element.append(...inside);
    return element;
}

function place(element, x, y) {
    const { width, height } = element.getBoundingClientRect();
    const fits_right = x + AWAY + width + EDGE <= innerWidth;
    const fits_below = y + AWAY + height + EDGE <= innerHeight;

    element.style.left = `${Math.max(EDGE, fits_right ? x + AWAY : x - AWAY - width)}px`;
    element.style.top = `${Math.max(EDGE, fits_below ? y + AWAY : y - AWAY - height)}px`;
}

export class Tooltip {
    constructor(element) {
        this.box = element_new('div', 'graph-tip');
        this.box.setAttribute('aria-hidden', 'true');
        this.box.hidden = true;
        element.append(this.box);
    }

    /* `rows`: [class, text...] each; several texts are columns. */
    show(x, y, rows) {
        this.box.replaceChildren(...rows.map(([class_name, ...texts]) =>
            element_new('div', class_name, ...texts.map((text) => element_new('span', '', text)))));
        this.box.hidden = false;
        place(this.box, x, y);
    }

    hide() {
        this.box.hidden = true;
    }
}

export class Menu {
    constructor(element) {
        this.box = element_new('div', 'graph-menu');
        this.box.setAttribute('role', 'menu');
        this.box.hidden = true;
        this.box.addEventListener('keydown', (event) => this.on_key(event));
        this.box.addEventListener('focusout', (event) => {
            if (!this.box.contains(event.relatedTarget)) this.close(false);
        });
        element.append(this.box);
    }

    open(x, y, items) {
        this.before = document.activeElement;
        this.box.replaceChildren(...items.map((item) => this.item_new(item)));
        this.box.hidden = false;
        place(this.box, x - AWAY, y - AWAY);
        this.box.querySelector('button:not([disabled])')?.focus();
    }

    item_new(item) {
        if (!item) {
            const line = element_new('div', 'graph-menu-line');
            line.setAttribute('role', 'separator');
            return line;
        }
        const button = element_new('button', '', element_new('span', '', item.words),
            element_new('kbd', '', item.key ?? ''));
        button.type = 'button';
        button.setAttribute('role', 'menuitem');
        button.tabIndex = -1;
        button.disabled = item.is_off === true;
        button.addEventListener('click', () => {
            this.close(true);
            item.act();
        });
        return button;
    }

    close(takes_focus) {
        if (this.box.hidden) return;
        this.box.hidden = true;
        if (takes_focus) this.before?.focus();
    }

    on_key(event) {
        const buttons = [...this.box.querySelectorAll('button:not([disabled])')];
        const at = buttons.indexOf(document.activeElement);
        const steps = { ArrowDown: at + 1, ArrowUp: at - 1 + buttons.length, Home: 0,
            End: buttons.length - 1 };

        if (event.key in steps) buttons[steps[event.key] % buttons.length]?.focus();
        else if (event.key === 'Escape' || event.key === 'Tab') this.close(true);
        else if (event.key !== 'Enter' && event.key !== ' ') return;
        if (event.key !== 'Enter' && event.key !== ' ') event.preventDefault();
        event.stopPropagation();
    }
}
