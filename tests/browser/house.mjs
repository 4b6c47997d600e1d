// SPDX-License-Identifier: Apache-2.0
// house.mjs: a real house for a browser to look into: stakeoutd with its Redis, the shop and its
// carrier, and traffic with a few slow calls of each kind. Everything ends with this process.
//
//     const house = await House.start({ bin, folder })     { with_tokens } for a login
//     house.url, house.order('POST', '/tasks', {...}), house.kill(), house.restart(), house.end()
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';

const READY_MS = 60000;

export async function until(what, condition, ms = READY_MS) {
    const end = Date.now() + ms;

    for (;;) {
        const value = await condition();

        if (value) return value;
        if (Date.now() > end) throw new Error(`it did not come to pass: ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
}

export class House {
    static async start({ bin, folder, with_tokens = false }) {
        const house = new House();

        Object.assign(house, { bin, folder, with_tokens, children: new Set(), port: 0, token: null,
            is_busy: false });
        fs.rmSync(folder, { recursive: true, force: true });
        fs.mkdirSync(folder, { recursive: true });
        process.on('exit', () => house.kill_all());
        await house.restart();
        if (with_tokens) house.token = house.make_token('operator', 'ana');
        return house;
    }

    run(program, args, pattern) {
        const log = path.join(this.folder, `${program}.log`);
        const out = fs.openSync(log, 'a');
        const begin = fs.fstatSync(out).size;
        const child = spawn(path.join(this.bin, program), args, { stdio: ['ignore', out, out] });

        fs.closeSync(out);
        this.children.add(child);
        child.on('exit', () => this.children.delete(child));
        const found = until(`${program} says ${pattern}`, () =>
            pattern.exec(fs.readFileSync(log, 'utf8').slice(begin)));

        return { child, found };
    }

    // stakeoutd, on the port that it had before.
    async restart() {
        const { child, found } = this.run('stakeoutd', ['--listen', `127.0.0.1:${this.port}`,
            '--state-dir', path.join(this.folder, 'state'),
            '--trace-url', 'https://traces.invalid/{trace_id}'], /http:\/\/127\.0\.0\.1:(\d+)/);

        this.scheduler = child;
        this.port = Number((await found)[1]);
        this.url = `http://127.0.0.1:${this.port}`;
        await until('the scheduler is ready', () => this.asks('/readyz').then(
            ({ status }) => status === 200, () => false));
    }

    kill() {
        const { scheduler } = this;

        return new Promise((resolve) => {
            scheduler.on('exit', resolve);
            scheduler.kill('SIGKILL');
        });
    }

    make_token(role, name) {
        const { stdout, stderr } = spawnSync(path.join(this.bin, 'stakeoutd'), ['token', 'create', role,
            name, '--state-dir', path.join(this.folder, 'state')], { encoding: 'utf8' });
        const token = /^\S{40,}$/m.exec(stdout)?.[0];

        if (!token) throw new Error(`no token: ${stdout} ${stderr}`);
        return token;
    }

    asks(target, { method = 'GET', body, headers = {} } = {}) {
        return new Promise((resolve, reject) => {
            const request = http.request(this.url + target, { method, headers: {
                ...(this.token ? { Authorization: `Bearer ${this.token}` } : {}),
                ...(body ? { 'Content-Type': 'application/json',
                    'Content-Length': Buffer.byteLength(body) } : {}), ...headers } }, (answer) => {
                const parts = [];

                answer.on('data', (part) => parts.push(part));
                answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers,
                    body: Buffer.concat(parts) }));
            });

            request.on('error', reject);
            request.end(body);
        });
    }

    async order(method, target, value) {
        const { status, body } = await this.asks(`/api/v1${target}`, { method,
            body: value && JSON.stringify(value) });
        const answer = JSON.parse(body.toString());

        if (status >= 400) throw new Error(`${method} ${target}: ${status} ${answer.detail}`);
        return answer;
    }

    // The shop, and customers who come one after the other: `customers` at a time. It has so many
    // items that a search without an index takes 200 ms, where nobody else wants a CPU, too.
    async open_shop(customers = 3) {
        const probe = { STAKEOUT_SERVER: this.url };

        Object.assign(process.env, probe);
        const carrier = await this.run('carrier', [], /^(\d+)$/m).found;
        const shop = await this.run('shop', ['--folder', this.folder, '--carrier', carrier[1],
            '--items', '2000000'],
            /^shop: (http\S+)/m).found;

        this.is_busy = true;
        for (let i = 0; i < customers; i++) this.shop_on(shop[1], i);
        await until('the shop has reported', async () => (await this.order('GET',
            '/interfaces?application=shop')).interfaces.some((row) =>
            row.interface === 'GET /search' && row.windows[2].calls > 20));
    }

    async shop_on(url, customer) {
        const visits = [['GET', '/search?category=category-7'], ['GET', '/item/41'],
            ['GET', '/report?days=1'], ['GET', '/search?words=number+19'], ['GET', '/item/42'],
            ['POST', '/checkout?quantity=1&item=7']];
        const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

        for (let i = customer; this.is_busy; i++) {
            const [method, target] = visits[i % visits.length];

            await new Promise((resolve) => {
                const request = http.request(url + target, { method, agent }, (answer) => {
                    answer.resume();
                    answer.on('close', resolve);
                });

                request.on('error', () => setTimeout(resolve, 100));
                request.end();
            });
            await new Promise((resolve) => setTimeout(resolve, 20));
        }
        agent.destroy();
    }

    kill_all() {
        this.is_busy = false;
        for (const child of this.children) child.kill('SIGKILL');
    }

    async end() {
        const left = [...this.children];

        this.is_busy = false;
        for (const child of left) child.kill('SIGTERM');
        await until('all have ended', () => this.children.size === 0, 10000).catch(() =>
            this.kill_all());
        fs.rmSync(this.folder, { recursive: true, force: true });
    }
}
