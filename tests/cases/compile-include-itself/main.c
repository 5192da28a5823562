// Tries: to double the work of the compiler with each level of inclusion. Stopped by: the compile step's CPU time.
#if __INCLUDE_LEVEL__ < 100
#include __FILE__
#include __FILE__
#endif

int main(void) { return 0; }
