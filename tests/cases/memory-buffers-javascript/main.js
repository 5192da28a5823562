// Tries: to take memory outside the heap, whose size the runtime watches, and to survive by catching everything.
// Stopped by: the container's memory.
process.on('uncaughtException', () => {});
if (process.argv.length === 2) {
  const kept = [];
  for (;;) {
    try {
      kept.push(Buffer.alloc(4 << 20, 1));
    } catch {}
  }
}
console.log('calm');
