import gc
import sys

block = bytearray(200 << 20)
print(block.count(0) >> 20)
del block
gc.collect()
numbers = list(range(3_000_000))
print(sum(numbers), sys.getsizeof(numbers) >> 20)
