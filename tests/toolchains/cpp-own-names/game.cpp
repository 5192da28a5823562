#include <bits/stdc++.h>
#include <list>
#include <map>
#include <random>
#include <version>
#include <own.hpp>
#include "game/board.h"
#include "stack.h"

int main() {
    std::map<char, int> count;
    std::ifstream in("map");
    for (char c; in.get(c);) count[c]++;
    std::cout << count['#'] << ' ' << side() << ' ' << Stack<int>().seven() << ' ' << own() << '\n';
}
