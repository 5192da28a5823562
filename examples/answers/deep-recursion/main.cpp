#include <iostream>

// The volatile array keeps the compiler from turning the recursion into a loop.
__attribute__((noinline)) long depth(long left) {
    volatile char frame[64];
    frame[0] = 1;
    return left == 0 ? 0 : depth(left - 1) + frame[0];
}

int main() { std::cout << depth(1000000) << '\n'; }
