#include <math.h>
#include <stdio.h>
#include <string.h>
#include "math.h"
#include "part.c"
#include "sub/part.h"

int main(void) {
    char text[32] = {0};
    FILE *words = fopen("words", "r");
    if (!words || fread(text, 1, sizeof text - 1, words) == 0) return 1;
    text[strcspn(text, "\n")] = 0;
    printf("%s %d %.1f %d\n", text, twice(21), root(2.25), part());
    return 0;
}
