#include <cstdlib>
#include <iostream>
#include <memory>
#include <new>
#include <string>
#include <vector>

constexpr std::size_t MIB = 1 << 20;

int main(int count, char **words) {
    const std::string what = count > 1 ? words[1] : "";
    if (what == "most") {
        // 200 of 256 MiB, all of it touched.
        std::vector<std::unique_ptr<std::vector<char>>> blocks;
        for (int i = 0; i < 200; i++) blocks.push_back(std::make_unique<std::vector<char>>(MIB, 'x'));
        std::cout << blocks.size() << ' ' << (*blocks[199])[MIB - 1] << '\n';
    } else if (what == "untouched") {
        // Address space is free.
        std::unique_ptr<char[]> block(new char[8192 * MIB]);
        block[4096 * MIB] = 'y';
        std::cout << block[4096 * MIB] << '\n';
    } else if (what == "refused") {
        try {
            volatile std::size_t absurd = std::size_t(1) << 62;
            std::vector<char> block(absurd);
            std::cout << block.size() << '\n';
        } catch (const std::bad_alloc &error) {
            std::cout << error.what() << '\n';
        }
    } else {
        std::vector<char> block(300 * MIB, 'x');
        std::cout << block.size() << '\n';
    }
}
