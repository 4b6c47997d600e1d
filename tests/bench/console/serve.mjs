/* SPDX-License-Identifier: Apache-2.0 */
/* serve.mjs: the tree's own files over loopback, and a browser that looks at them.
 *
 *     const { origin, browser, close } = await browser_serve({ "/analysis.json": json });
 *
 * playwright-core comes from npm; $NODE_MODULES is where. The browser is Debian's chromium. */
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { extname, join, normalize } from 'node:path';

const ROOT = new URL('../../../', import.meta.url).pathname;
const TYPES = { '.js': 'text/javascript', '.mjs': 'text/javascript', '.css': 'text/css',
    '.html': 'text/html', '.json': 'application/json', '.txt': 'text/plain' };

function answer(folders, request, response) {
    const path = normalize(new URL(request.url, 'http://x').pathname);
    const [prefix, folder] = Object.entries(folders).find(([one]) => path.startsWith(one)) ?? ['/',
        ROOT];
    const file = join(folder, path.slice(prefix.length));

    try {
        statSync(file);
    } catch {
        response.writeHead(404).end();
        return;
    }
    response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' });
    createReadStream(file).pipe(response);
}

/* `folders`: what is served from elsewhere, by the path's beginning. */
export async function browser_serve(folders = {}, options = {}) {
    const require = createRequire(join(process.env.NODE_MODULES ?? ROOT, 'x.js'));
    const { chromium } = require('playwright-core');
    const server = createServer((request, response) => answer(folders, request, response));

    await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
    const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
        args: ['--no-sandbox', '--disable-gpu'], ...options });
    return { browser, origin: `http://127.0.0.1:${server.address().port}`, close: async () => {
        await browser.close();
        server.close();
    } };
}
