// Tries: to make the compiler read for ever. Stopped by: the compile step's limits; whichever is reached first.
#include "/dev/urandom"

int main() { return 0; }
