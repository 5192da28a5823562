#include "sum.h"

long long sum(long long left, long long right) { return left + right; }
