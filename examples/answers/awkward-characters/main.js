process.stdout.write("nul \u0000, escape \u001b, noncharacters \ufffe \uffff, emoji \u{1f980}\n");
