#include <stdio.h>

#include "sum.h"

int main(void) {
    long long number, total = 0;
    while (scanf("%lld", &number) == 1) total = sum(total, number);
    printf("%lld\n", total);
    return 0;
}
