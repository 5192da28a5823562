// Tries: to give the compiler options by the names of files. Stopped by: a name is passed as a path, never as an option.
#include <stdio.h>

int main(void) {
#ifdef SMUGGLED
    puts("smuggled");
#else
    puts("ok");
#endif
    return 0;
}
