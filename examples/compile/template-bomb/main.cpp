// Each level asks for two different ones below it: 2^60 instantiations.
template <unsigned long id, int level> struct Bomb {
    static const long value = Bomb<2 * id, level - 1>::value + Bomb<2 * id + 1, level - 1>::value;
};
template <unsigned long id> struct Bomb<id, 0> {
    static const long value = 1;
};

int main() { return Bomb<1, 60>::value; }
