#include "shapes/square.h"

int square(int side) { return side * side; }
