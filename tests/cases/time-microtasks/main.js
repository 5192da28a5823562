// Tries: to starve its own event loop, so that no timer or signal handler of the runtime can end it.
// Stopped by: the CPU time is watched from outside.
process.on('SIGTERM', () => {});
setTimeout(() => process.exit(0), 100);
const spin = () => Promise.resolve().then(spin);
spin();
