const bytes = require("fs").readFileSync("pixels.bin");
console.log(bytes.length, bytes.reduce((sum, byte) => sum + byte, 0));
