not C
