#ifndef SHAPES_SQUARE_H
#define SHAPES_SQUARE_H

int square(int side);

#endif
