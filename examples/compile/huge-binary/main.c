int table[1 << 28] = {1};

int main(void) { return table[1]; }
