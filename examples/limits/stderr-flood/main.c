#include <unistd.h>

int main(void) {
    static char block[1 << 12];
    for (int i = 0; i < (int)sizeof block; i++) block[i] = 'x';
    while (write(2, block, sizeof block) > 0) {
    }
    return 0;
}
