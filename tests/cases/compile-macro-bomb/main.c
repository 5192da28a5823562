// Tries: to make a few lines into gigabytes of program by macros that double. Stopped by: the compile step's limits.
#define A(x) x x x x x x x x x x
#define B(x) A(A(A(x)))
#define C(x) B(B(B(x)))

int main(void) {
    C(C(__builtin_puts("boom");))
    return 0;
}
