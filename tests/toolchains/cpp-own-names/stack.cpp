#include "stack.h"
template <class T>
T Stack<T>::seven() {
    return 7;
}
