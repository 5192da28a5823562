// Tries: to fill the memory so that the only thing left to take back is its own interpreter, which is then read again at each
// step: such a program gets on for minutes before the kernel kills it, and every other limit is passed first.
// Stopped by: the agent sees that the pages of files are read back again and again while memory is full.
if (process.argv[2] === 'calm') {
    console.log('calm');
} else {
    const buffers = [];
    for (;;) buffers.push(Buffer.alloc(1 << 16, 1));
}
