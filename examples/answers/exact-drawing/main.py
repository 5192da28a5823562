height = int(input())
for row in range(height):
    print(" " * (height - 1 - row) + "*" * (2 * row + 1))
