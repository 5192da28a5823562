#include <stdio.h>

int main(void) {
    static char block[1 << 16];
    FILE *file = fopen("large", "wb");
    if (file == NULL) return 2;
    for (int i = 0; i < 64; i++) fwrite(block, 1, sizeof block, file);
    fclose(file);
    return 0;
}
