console.log(process.env.GREETING, process.argv.slice(2).join("|"));
