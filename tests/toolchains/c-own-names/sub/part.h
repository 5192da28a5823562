#include "math.h"
