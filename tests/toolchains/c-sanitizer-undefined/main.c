#include <stdio.h>
#include <stdlib.h>

int main(int count, char **words) {
    int number = count > 1 ? atoi(words[1]) : 0;
    printf("%d\n", number + 1);
    return 0;
}
