import os
import sys
import unicodedata

print(sys.stdin.encoding, sys.stdout.encoding)
line = input()
print(line[::-1], len(line), unicodedata.name(line[0]))
print(input().encode())
print(sorted(sys.stdin.read().split()))
with open("данные.txt", "w") as file:
    print("ü", file=file, end="")
print(os.stat("данные.txt").st_size, [name for name in os.listdir() if name.endswith(".txt")], sys.argv[1:])
sys.stdout.flush()
sys.stdout.buffer.write("🦀\n".encode())
