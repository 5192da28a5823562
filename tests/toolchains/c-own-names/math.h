#ifndef OWN_MATH
#define OWN_MATH
int twice(int);
double root(double);
#endif
