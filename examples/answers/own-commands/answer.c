#include <stdio.h>

int main(int argc, char **argv) {
    printf("%d %s\n", ANSWER, argc > 1 ? argv[1] : "");
    return 0;
}
