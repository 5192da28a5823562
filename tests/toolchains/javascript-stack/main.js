const { Worker, isMainThread, parentPort } = require('worker_threads');

const down = (n) => down(n + 1) + 1;
// By way of V8's own code in C++.
const text = () => `${{ toString: text }}`;

function attempt() {
  const names = new Set();
  for (const overflow of [down, text]) {
    try {
      overflow(0);
    } catch (error) {
      names.add(error.constructor.name);
    }
  }
  return [...names].join(' ');
}

if (isMainThread) {
  console.log('main', attempt());
  const worker = new Worker(__filename);
  worker.on('message', (message) => console.log('worker', message));
  worker.on('error', (error) => console.log('worker error', error.constructor.name));
  worker.on('exit', (code) => console.log('exit', code));
} else {
  parentPort.postMessage(attempt());
}
