#ifndef STACK
#define STACK
template <class T>
struct Stack {
    T seven();
};
#include "stack.cpp"
#endif
