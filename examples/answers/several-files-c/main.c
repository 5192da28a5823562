#include "shapes/square.h"

#include <stdio.h>

int main(void) {
    printf("%d\n", square(12));
    return 0;
}
