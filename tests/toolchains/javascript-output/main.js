const { spawnSync } = require('child_process');
const { writeSync } = require('fs');

const how = process.argv[2];
const child = (options) => spawnSync(process.execPath, [...process.execArgv, __filename, 'exit'], options);

if (how.endsWith('child')) {
  // The second has an empty environment.
  child(how === 'child' ? { stdio: 'inherit' } : { stdio: 'inherit', env: {} });
} else if (how === 'collected') {
  const { stdout, stderr } = child({ maxBuffer: 1 << 24 });
  console.log(stdout.length, stderr.length);
} else {
  const line = 'y'.repeat(999_999);
  console.log(line);
  console.error(line);
  if (how === 'exit') process.exit(0);
  if (how === 'throw') throw new Error('after much output');
  if (how === 'sync') for (const descriptor of [1, 2]) writeSync(descriptor, line + '\n');
}
