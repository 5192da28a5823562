import sys
import threading


def depth(level):
    return 0 if level == 0 else 1 + depth(level - 1)


def sort_key(level):
    # Through C, which takes real stack for each level.
    return 0 if level == 0 else sorted([level], key=lambda item: sort_key(item - 1))[0]


def deep():
    print(depth(100_000), sort_key(1_000))


try:
    depth(2_000)
except RecursionError:
    print("the usual limit holds")
sys.setrecursionlimit(1_000_000)
threading.stack_size(128 << 20)
thread = threading.Thread(target=deep)
thread.start()
thread.join()
