// Tries: to take all memory on the heap, catching every failure. Stopped by: the container's memory, which has no swap.
#include <iostream>
#include <new>
#include <vector>

int main(int count, char **) {
    std::vector<std::vector<char> *> kept;
    while (count == 1) {
        try {
            kept.push_back(new std::vector<char>(1 << 20, 'x'));
        } catch (const std::bad_alloc &) {
        }
    }
    std::cout << "calm\n";
}
