import errno

block = b"x" * (1 << 20)
try:
    for number in range(256):
        with open(f"file{number}", "wb") as file:
            file.write(block)
    print("never full")
except OSError as error:
    print(errno.errorcode[error.errno])
