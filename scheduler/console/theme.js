/* SPDX-License-Identifier: Apache-2.0 */
/* theme.js: light or dark, before anything is painted. A classic script: modules come too late.
 *
 * What was chosen stands in localStorage (memory.js); without a choice the system's counts, also
 * when it changes. Who draws for himself hears of it by `themechange` on the document. */
(function () {
    'use strict';
    const dark = matchMedia('(prefers-color-scheme: dark)');

    function chosen() {
        try {
            return JSON.parse(localStorage.getItem('stakeout')).theme;
        } catch {
            return null; /* nothing is stored, it is strange, or storing is forbidden */
        }
    }

    function apply() {
        const choice = chosen();
        const theme = choice === 'dark' || choice === 'light' ? choice
            : dark.matches ? 'dark' : 'light';

        if (document.documentElement.dataset.theme === theme) return;
        document.documentElement.dataset.theme = theme;
        document.dispatchEvent(new Event('themechange'));
    }

    apply();
    dark.addEventListener('change', apply);
    addEventListener('storage', apply);
    document.addEventListener('themechosen', apply);
})();
