import sys


def down(n):
    return down(n + 1) + 1


def nested():
    value = []
    for _ in range(100_000):
        value = [value]
    return value


class Text:
    def __repr__(self):
        return repr([Text()])


def attempt(action):
    try:
        action()
    except RecursionError as error:
        return type(error).__name__
    return "nothing"


print(attempt(lambda: down(0)), attempt(lambda: repr(nested())), attempt(lambda: repr(Text())))
