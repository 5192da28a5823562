# Tries: the same as compile-leaves-no-memory where each test has a sandbox of its own, into which the files don't fit.
# Stopped by: such a test is over its memory limit, which is nobody's fault but the job's.
with open("large", "wb") as file:
    for _ in range(28):
        file.write(b"x" * (1 << 20))
