WORD = "fresh"
