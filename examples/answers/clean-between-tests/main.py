from pathlib import Path

# What an earlier test left behind would be seen here.
litter = [place / "litter" for place in (Path.cwd(), Path("/tmp"), Path("/dev/shm"))]
print("dirty" if any(path.exists() for path in litter) else "clean")
for path in litter:
    try:
        path.write_text("was here")
    except OSError:
        pass
