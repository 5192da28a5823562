console.log("  1 2\n\n3   4\n   5");
