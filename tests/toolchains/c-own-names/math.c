#include <math.h>
#include "math.h"
int twice(int a) { return 2 * a; }
double root(double a) { return sqrt(a); }
