#include <stdio.h>

int main(void) {
    double x, root = 1.0;
    if (scanf("%lf", &x) != 1) return 1;
    for (int i = 0; i < 60; i++) root = (root + x / root) / 2.0;
    printf("root %.7e\n", root);
    return 0;
}
