block = b"x" * (1 << 20)
number = 0
while True:
    with open(f"file{number}", "wb") as file:
        file.write(block)
    number += 1
