// Tries: to start programs until none can be started, and leaves them behind, detached and unwatched.
// Stopped by: the pids limit, and the sweep after the test.
const { spawn } = require('child_process');

function next(started) {
  if (started === 500) return console.log('no limit');
  const child = spawn('/usr/bin/sleep', ['3600'], { detached: true, stdio: 'inherit' });
  child.on('error', () => {
    console.log('refused');
    process.exit(0);
  });
  child.on('spawn', () => {
    child.unref();
    next(started + 1);
  });
}
next(0);
