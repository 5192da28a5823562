# Databases and lock files: SQLite with two connections in both of its journals, locks of fcntl between processes, flock.
import fcntl
import multiprocessing
import os
import sqlite3
import tempfile


def add(path, many):
    connection = sqlite3.connect(path, timeout=60)
    for number in range(many):
        with connection:
            connection.execute("insert into numbers values (?)", (number,))
    connection.close()


def count(path, many):
    for _ in range(many):
        with open(path, "r+") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            number = int(file.read() or 0)
            file.seek(0)
            file.write(str(number + 1))
            file.flush()
            fcntl.lockf(file, fcntl.LOCK_UN)


if __name__ == "__main__":
    for journal in ("delete", "wal"):
        path = f"{tempfile.mkdtemp()}/data.db"
        connection = sqlite3.connect(path)
        connection.execute(f"pragma journal_mode = {journal}")
        connection.execute("create table numbers (number)")
        connection.close()
        writers = [multiprocessing.Process(target=add, args=(path, 100)) for _ in range(3)]
        [writer.start() for writer in writers]
        [writer.join() for writer in writers]
        print(journal, *sqlite3.connect(path).execute("select count(*), sum(number) from numbers").fetchone())
    path = f"{tempfile.mkdtemp()}/count"
    open(path, "w").close()
    counters = [multiprocessing.Process(target=count, args=(path, 200)) for _ in range(3)]
    [counter.start() for counter in counters]
    [counter.join() for counter in counters]
    print(open(path).read())
    first, second = open(path), open(path)
    fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("locked")
    with open(path, "r+") as file:
        for number in range(1000):
            fcntl.lockf(file, fcntl.LOCK_EX, 1, 2 * number)
        print("1000 locks")
