#include <stdio.h>

extern int offset;

__attribute__((constructor)) static void loaded(void) { puts("loaded"); }
__attribute__((destructor)) static void unloaded(void) { puts("unloaded"); }

int twice(int number) { return 2 * number + offset; }
