/* SPDX-License-Identifier: Apache-2.0 */
/* search.js: which functions are meant, and how much of the time is theirs.
 *
 *     const query = query_read('mutex -"std::" module:libc /lock$/');
 *     if (query.problem) ... the sentence; the last result stays
 *     const matches = symbols_match(query, symbols);     a flag per symbol
 *     search_sum(tree, matches)                          {frames, time}, nested ones once
 *
 * Words are found in the full name, the file and the module, whatever their case; all of them
 * must be, those after "-" must not. The work goes with symbols, which are few, not with nodes. */

const TERM = /(-?)(?:(module|file):)?(?:\/((?:\\.|[^\\/])+)\/|"([^"]*)"|(\S+))/gy;

function term_read([, minus, field, expression, quoted, word]) {
    const is_wanted = minus === '';

    if (expression !== undefined) {
        const pattern = new RegExp(expression, 'imu');
        return { is_wanted, field, test: (text) => pattern.test(text) };
    }
    const part = (quoted ?? word).toLowerCase();
    return { is_wanted, field, test: (text) => text.toLowerCase().includes(part) };
}

/* {terms} or {problem}: a sentence. An empty query has no terms and matches nothing. */
export function query_read(text) {
    const terms = [];
    let rest = text.trim();

    try {
        while (rest !== '') {
            TERM.lastIndex = 0;
            const found = TERM.exec(rest);
            if (!found) return { problem: `'${rest}' is no search` };
            if (found[0] !== '-') terms.push(term_read(found));
            rest = rest.slice(found[0].length).trimStart();
        }
    } catch (error) {
        return { problem: error.message };
    }
    return { terms };
}

function symbol_matches(terms, symbol) {
    const file = [...symbol.files].join('\n');
    const texts = { file, module: symbol.module };
    const all = `${symbol.name}\n${symbol.module}\n${file}`;

    return terms.every((term) =>
        term.test(term.field ? texts[term.field] : all) === term.is_wanted);
}

export function symbols_match(query, symbols) {
    const matches = new Uint8Array(symbols.length);

    if (!query.terms?.length) return matches;
    symbols.forEach((symbol, i) => { matches[i] = symbol_matches(query.terms, symbol) ? 1 : 0; });
    return matches;
}

/* How many nodes match, and their time: of those that are below another one, nothing more. */
export function search_sum(tree, matches) {
    const sum = { frames: 0, time: 0, base: 0 };
    let end = 0;

    for (let i = 1; i < tree.count; i++) {
        if (!matches[tree.symbol[i]]) continue;
        sum.frames++;
        if (i < end) continue;
        end = tree.end[i];
        sum.time += tree.time[i];
        sum.base += tree.base(i);
    }
    return sum;
}
