const n = Number(require("fs").readFileSync(0, "utf8"));
let steps = 0;
for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) steps = (steps + i * j) % 1000003;
console.log(n);
