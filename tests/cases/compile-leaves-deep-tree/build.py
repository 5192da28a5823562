# Tries: to break the copying of the workspace with a tree that is deeper than any path. Stopped by: a compile step may
# leave only so much, and what is more is its failure, not ours.
import os

for _ in range(10_000):
    os.mkdir("upper")
    if os.path.exists("tree"):
        os.rename("tree", "upper/d")
    os.rename("upper", "tree")
