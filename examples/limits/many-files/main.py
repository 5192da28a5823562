import errno

try:
    for number in range(50_000):
        open(f"empty{number}", "xb").close()
    print("no limit")
except OSError as error:
    print(errno.errorcode[error.errno])
