'use strict';

const readline = require('node:readline');
const { Transform } = require('node:stream');
const { pipeline } = require('node:stream/promises');

(async () => {
    let lines = 0, sum = 0;
    for await (const line of readline.createInterface({ input: process.stdin })) {
        lines++;
        for (const word of line.split(' ')) sum += Number(word);
    }
    console.log(lines, sum);
    const twice = new Transform({
        transform(chunk, encoding, done) {
            done(null, `${chunk}${chunk}`);
        },
    });
    await pipeline([...Array(3).keys()].map((i) => `${i}\n`), twice, process.stdout, { end: false });
    // More than a pipe holds, and none of it may be lost at exit.
    process.stdout.write('x'.repeat(1 << 20) + '\n');
    console.error('done');
})();
