#include <stdio.h>
int main(void) { int class = puts("hi"); return class < 0; }
