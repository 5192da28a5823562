'use strict';

const what = process.argv[2];
if (what === 'buffer') {
    const buffer = Buffer.alloc(180 << 20, 1);
    console.log(buffer.length >> 20, buffer.at(-1));
} else if (what === 'heap') {
    const objects = [];
    for (let i = 0; i < 1_000_000; i++) objects.push({ number: i, text: `number ${i}` });
    console.log(objects.length, objects.at(-1).text);
} else if (what === 'garbage') {
    let total = 0;
    for (let i = 0; i < 2_000; i++) total += new Uint8Array(1 << 20).length;
    console.log(total >> 20);
} else if (what === 'deep') {
    const depth = (level) => (level === 0 ? 0 : 1 + depth(level - 1));
    console.log(depth(200_000));
    const endless = () => endless() + 1;
    try {
        endless();
    } catch (error) {
        console.log(error.name);
    }
} else {
    const all = [];
    for (;;) all.push(Buffer.alloc(1 << 20, 1));
}
