const { Worker, isMainThread } = require('worker_threads');

const [how, mebibytes] = [process.argv[2], Number(process.argv[3])];
const MEBIBYTE = 1 << 20;

let state = 1;
const random = (below) => (state = (state * 1103515245 + 12345) & 0x7fffffff) % below;
const node = (next, value) => ({ next, value, half: value + 0.5, inner: { value } });

function nodes() {
  const heads = new Array(1000).fill(null);
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i % 1000 || process.memoryUsage().heapUsed - before < mebibytes * MEBIBYTE; i++) {
    heads[i % 1000] = node(heads[i % 1000], i);
  }
  for (let i = 0; i < 1_000_000; i++) {
    const garbage = node(null, i);
    if (i % 64 === 0) {
      const at = random(heads.length);
      heads[at] = node(heads[at].next, garbage.value);
    }
  }
}

// All garbage has lived for long, and its places lie between those of what stays.
function old() {
  const kept = [];
  const before = process.memoryUsage().heapUsed;
  while (process.memoryUsage().heapUsed - before < mebibytes * MEBIBYTE) {
    for (let i = 0; i < 1000; i++) kept.push(node(null, kept.length));
  }
  for (let i = 0; i < kept.length / 2; i++) kept[random(kept.length)] = node(null, i);
}

function blocks(make) {
  const kept = [];
  for (let i = 0; i < mebibytes; i++) kept.push(make(i));
  for (let i = 0; i < 1000; i++) {
    const garbage = make(i);
    if (i % 8 === 0) kept[random(kept.length)] = garbage;
  }
}

function grow(make) {
  const kept = [];
  for (let i = 0; ; i++) kept.push(make(i));
}

const array = (i) => new Array(MEBIBYTE / 8).fill(i + 0.5);
const buffer = (i) => Buffer.alloc(MEBIBYTE, i);

switch (isMainThread ? how : 'grow-nodes') {
  case 'nodes': nodes(); break;
  case 'old': old(); break;
  case 'arrays': blocks(array); break;
  case 'buffers': blocks(buffer); break;
  case 'grow-nodes': grow((i) => node(null, i)); break;
  case 'grow-arrays': grow(array); break;
  case 'grow-strings': grow((i) => `${i}`.repeat(10)); break;
  case 'grow-buffers': grow(buffer); break;
  case 'in-worker': new Worker(__filename, { argv: ['grow-nodes', '0'] }); break;
  case 'words':
    console.error('FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory');
    process.exit(7);
}
if (how !== 'in-worker') console.log('done');
