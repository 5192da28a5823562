# Tries: what the guards of evaluation suites do before they run a model's code: to set limits of their own, above those that
# are in force. The stack's may be raised, then used. Stopped by: nothing; what a stack takes is memory, and that is limited.
import resource, sys, threading

for which in (resource.RLIMIT_AS, resource.RLIMIT_DATA, resource.RLIMIT_STACK):
    resource.setrlimit(which, (4 << 30, 4 << 30))
print("guarded")


def deep(n):
    return 0 if n == 0 else 1 + deep(n - 1)


sys.setrecursionlimit(60_000)
print(deep(50_000))
