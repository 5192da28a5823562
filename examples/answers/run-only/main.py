import sys

print(f"hello, {input()}")
print("a note on stderr", file=sys.stderr)
