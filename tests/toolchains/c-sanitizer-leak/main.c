#include <stdio.h>

int main(void) {
    puts("nothing leaks");
    return 0;
}
