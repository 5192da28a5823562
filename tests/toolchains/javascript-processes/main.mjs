import { exec, execFileSync, fork, spawn, spawnSync } from 'node:child_process';
import cluster from 'node:cluster';
import { once } from 'node:events';
import fs from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

if (process.argv[2] === 'child') {
    process.on('message', (message) => process.send(message.split('').reverse().join(''), () => process.disconnect()));
} else {
    await main();
}

async function main() {
    console.log(execFileSync('sort', ['-r'], { input: 'a\nb\n', encoding: 'utf8' }).split('\n').join(','));
    console.log((await promisify(exec)('echo $((6 * 7))')).stdout.trim(), spawnSync('sh', ['-c', 'exit 3']).status);
    const child = fork(fileURLToPath(import.meta.url), ['child']);
    child.send('abc');
    console.log((await once(child, 'message'))[0]);
    const sleeping = spawn('sleep', ['60']);
    sleeping.kill();
    console.log((await once(sleeping, 'exit')).join(' '));
    console.log(spawnSync('sleep', ['60'], { timeout: 30 }).error.code, cluster.isPrimary);

    const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'work-'));
    const file = path.join(folder, 'данные');
    await fs.writeFile(file, 'line 1\nline 2\n');
    const watcher = fs.watch(folder);
    const change = watcher.next();
    await fs.rename(file, `${file}.txt`);
    console.log((await change).value.eventType);
    await watcher.return();
    const handle = await fs.open(`${file}.txt`, 'r+');
    await handle.write('L', 0);
    let lines = 0;
    for await (const line of handle.readLines({ start: 0 })) lines += line.startsWith('L') ? 10 : 1;
    console.log(lines, (await fs.stat(`${file}.txt`)).size);
    await fs.cp(folder, `${folder}-copy`, { recursive: true });
    console.log((await fs.readdir(`${folder}-copy`)).join());
    await fs.rm(folder, { recursive: true });

    const server = net.createServer((socket) => pipeline(socket, async function* (source) {
        for await (const chunk of source) yield chunk.toString().toUpperCase();
    }, socket));
    server.listen('/tmp/socket');
    await once(server, 'listening');
    const client = net.connect('/tmp/socket');
    client.end('hello');
    console.log((await client.toArray()).join(''));
    server.close();

    const signalled = once(process, 'SIGUSR2');
    process.kill(process.pid, 'SIGUSR2');
    // A signal that is waited for keeps no program alive.
    const alive = setInterval(() => {}, 1000);
    await signalled;
    clearInterval(alive);
    console.log('signalled');
    console.log(process.cwd(), os.tmpdir(), os.hostname(), os.availableParallelism() > 0, process.stdout.isTTY === undefined);
}
