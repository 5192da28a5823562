#include <string>

int main() {
    int number = std::string("forty-two");
    return number;
}
