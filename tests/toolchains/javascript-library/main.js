'use strict';

const assert = require('node:assert');
const { AsyncLocalStorage } = require('node:async_hooks');
const crypto = require('node:crypto');
const { performance } = require('node:perf_hooks');
const util = require('node:util');
const vm = require('node:vm');
const zlib = require('node:zlib');
const square = require('./lib/square.js');

console.log((2n ** 521n - 1n).toString().length, BigInt.asUintN(64, -1n), 7n ** 100n % 1000007n);
console.log(crypto.createHash('sha256').update('caisson').digest('hex').slice(0, 16), crypto.randomBytes(16).length);
console.log(crypto.scryptSync('password', 'salt', 16).toString('hex'), crypto.randomUUID().length);
const { publicKey, privateKey } = crypto.generateKeyPairSync('ed25519');
console.log(crypto.verify(null, Buffer.from('text'), publicKey, crypto.sign(null, Buffer.from('text'), privateKey)));
for (const [pack, unpack] of [['gzipSync', 'gunzipSync'], ['brotliCompressSync', 'brotliDecompressSync'], ['deflateSync', 'inflateSync']])
    console.log(pack, zlib[unpack](zlib[pack]('x'.repeat(10000))).length);
console.log(square(7), vm.runInNewContext('a + 1', { a: 41 }), util.inspect(new Map([[1, { b: [2] }]])));
console.log('Zoë'.localeCompare('Zoe', 'de') > 0, new Intl.NumberFormat('de-DE').format(1234567.891), 'ß'.toUpperCase(), [...'👩‍👩‍👧a'].length);
console.log(new Date(Date.UTC(2024, 6, 1)).toLocaleString('en-GB', { timeZone: 'Europe/Berlin' }), new Date(0).getTimezoneOffset());
console.log('2024-02-30 x'.match(/(?<year>\d{4})-(?<month>\d\d)/u).groups.month, 'a1b2'.replaceAll(/\d/g, (d) => d * 2));
console.log(structuredClone({ a: new Set([1]) }).a.has(1), [3, 1, 2].toSorted().join(), Object.groupBy ? 'grouped' : 'not grouped');
console.log(performance.now() > 0, process.hrtime.bigint() > 0n, new Float64Array([0.1 + 0.2])[0]);

async function* numbers() {
    for (let i = 0; i < 5; i++) {
        await new Promise(setImmediate);
        yield i;
    }
}

(async () => {
    const storage = new AsyncLocalStorage();
    let sum = 0;
    for await (const number of numbers()) sum += number;
    console.log(sum, await storage.run('inside', async () => (await null, storage.getStore())));
    const results = await Promise.allSettled([Promise.reject(new TypeError('no')), Promise.any([Promise.reject(), 1])]);
    console.log(results.map((result) => result.reason?.name ?? result.value).join());
    await assert.rejects(async () => import('./missing.js'), { code: 'ERR_MODULE_NOT_FOUND' });
    queueMicrotask(() => console.log('microtask'));
    process.on('exit', (code) => console.log('exit', code));
    console.log(await new Promise((resolve) => crypto.pbkdf2('p', 's', 1000, 8, 'sha1', (_, key) => resolve(key.toString('hex')))));
})();
