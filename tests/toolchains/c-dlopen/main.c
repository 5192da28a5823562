#include <dlfcn.h>
#include <stdio.h>

int offset = 30;

int main(void) {
    void *library = dlopen("./plugin.so", RTLD_NOW | RTLD_LOCAL);
    if (!library) return fprintf(stderr, "%s\n", dlerror()), 1;
    int (*twice)(int) = (int (*)(int))dlsym(library, "twice");
    printf("%d\n", twice(6));
    printf("%s\n", dlsym(library, "missing") ? "found" : "missing");
    printf("%d\n", dlclose(library));
    void *math = dlopen("libm.so.6", RTLD_LAZY);
    double (*root)(double) = (double (*)(double))dlsym(math, "sqrt");
    printf("%g\n", root(1764));
    return 0;
}
