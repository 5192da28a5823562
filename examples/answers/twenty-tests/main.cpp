#include <iostream>

// Prints the k-th prime.
int main() {
    int k;
    std::cin >> k;
    int candidate = 1;
    while (k > 0) {
        ++candidate;
        bool prime = true;
        for (int d = 2; d * d <= candidate; ++d) {
            if (candidate % d == 0) { prime = false; break; }
        }
        if (prime) --k;
    }
    std::cout << candidate << '\n';
}
