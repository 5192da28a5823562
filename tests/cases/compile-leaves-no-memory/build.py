# Tries: to leave files that fill the memory which a test may use, so that the next one can't begin.
# Stopped by: such a test is over its memory limit before it begins.
with open("large", "wb") as file:
    for _ in range(60):
        file.write(b"x" * (1 << 20))
