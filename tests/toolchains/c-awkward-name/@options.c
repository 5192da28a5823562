// A name that compilers take for a file of their options, as they do every word that begins so.
#include "-header.h"
#include <stdio.h>

int main(void) {
    puts(GREETING);
    return 0;
}
