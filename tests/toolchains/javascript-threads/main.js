'use strict';

const { Worker, isMainThread, parentPort, workerData, MessageChannel } = require('node:worker_threads');
const { once } = require('node:events');

if (!isMainThread) {
    const { counter, flag, turns, port } = workerData;
    for (let i = 0; i < turns; i++) Atomics.add(counter, 0, 1);
    Atomics.wait(flag, 0, 0);
    port?.postMessage('over a channel');
    parentPort.postMessage(fibonacci(20));
} else {
    main();
}

function fibonacci(n) {
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

async function main() {
    const counter = new BigInt64Array(new SharedArrayBuffer(8));
    const wide = new Int32Array(counter.buffer);
    const flag = new Int32Array(new SharedArrayBuffer(4));
    const { port1, port2 } = new MessageChannel();
    const workers = [1, 2, 3].map((number) => {
        const port = number === 1 ? port2 : undefined;
        return new Worker(__filename, { workerData: { counter: wide, flag, turns: 10_000, port }, transferList: port ? [port] : [] });
    });
    const answers = workers.map((worker) => once(worker, 'message'));
    await Promise.all(workers.map((worker) => once(worker, 'online')));
    Atomics.store(flag, 0, 1);
    Atomics.notify(flag, 0);
    console.log((await once(port1, 'message'))[0]);
    port1.close();
    console.log((await Promise.all(answers)).flat().join(' '), Atomics.load(wide, 0));

    const failing = new Worker('throw new RangeError("in a worker")', { eval: true });
    const [error] = await once(failing, 'error');
    console.log(error.name, error.message);

    const endless = new Worker('for (;;);', { eval: true });
    await once(endless, 'online');
    console.log(await endless.terminate());

    // add(a, b), as a compiler would write it.
    const bytes = Buffer.from('0061736d0100000001070160027f7f017f030201000707010361646400000a09010700200020016a0b', 'hex');
    const { instance } = await WebAssembly.instantiate(bytes);
    console.log(instance.exports.add(40, 2), new WebAssembly.Memory({ initial: 10, maximum: 1000 }).grow(100));
}
