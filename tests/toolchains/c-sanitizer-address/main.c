#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int count, char **words) {
    const char *what = count > 1 ? words[1] : "";
    char *name = malloc(8);
    strcpy(name, "caisson");
    if (!strcmp(what, "overflow")) strcpy(name + count - 1, "caisson");
    if (!strcmp(what, "use-after-free")) free(name);
    printf("%s\n", name);
    if (strcmp(what, "use-after-free") && strcmp(what, "leak")) free(name);
    return 0;
}
