// Tries: to run its program inside the compiler, for ever. Stopped by: the compiler's own bound, or the CPU time.
template <typename T> constexpr auto endless(T value) {
    struct Next {
        T inner;
    };
    return endless(Next{value});
}
constexpr unsigned long spin() {
    unsigned long sum = 0;
    for (unsigned long outer = 0; outer < 30000; outer++) {
        for (unsigned long inner = 0; inner < 1000; inner++) sum += inner * outer;
    }
    return sum;
}
constexpr unsigned long values[] = {spin(), spin(), spin(), spin(), spin(), spin(), spin(), spin(), spin(), spin()};
static_assert(values[0] != values[1]);

int main() { return sizeof endless(1); }
