# Tries: the same as compile-leaves-holes, but so that the copy fits into the sandbox and not through the door: each test
# has a sandbox of its own, to which the copy is carried. Stopped by: that is the compile step's failure, not ours.
for number in range(5):
    with open(f"hole-{number}", "wb") as file:
        file.truncate(60 << 20)
