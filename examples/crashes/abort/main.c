#include <assert.h>

int main(void) {
    int answer = 41;
    assert(answer == 42);
    return 0;
}
