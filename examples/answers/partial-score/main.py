# A wrong idea of "largest": it forgets that every number may be negative.
numbers = [int(word) for word in input().split()]
largest = 0
for number in numbers:
    largest = max(largest, number)
print(largest)
