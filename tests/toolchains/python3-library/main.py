"""A walk through the standard library, as far as it leans on the system."""

import array
import bz2
import ctypes
import datetime
import decimal
import fcntl
import fractions
import getpass
import gzip
import hashlib
import hmac
import io
import json
import locale
import lzma
import mmap
import os
import pathlib
import pickle
import platform
import pty
import random
import resource
import secrets
import select
import shelve
import shutil
import socket
import sqlite3
import ssl
import statistics
import struct
import sys
import tarfile
import tempfile
import time
import uuid
import zipfile
import zlib
import zoneinfo


def database():
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(f"{folder}/data.db")
        connection.execute("PRAGMA journal_mode=WAL")
        with connection:
            connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, square INTEGER)")
            connection.executemany("INSERT INTO t VALUES (?, ?)", ((n, n * n) for n in range(1000)))
        print(connection.execute("SELECT sum(square) FROM t WHERE n % 2").fetchone()[0])
        connection.close()
        with shelve.open(f"{folder}/shelf") as shelf:
            shelf["key"] = [1, 2]
        with shelve.open(f"{folder}/shelf") as shelf:
            print(shelf["key"])


def numbers():
    print(len(str(3**20000 % 10**4000)), pow(7, -1, 10**9 + 7), (1 << 4000).bit_length())
    decimal.getcontext().prec = 50
    print(decimal.Decimal(2).sqrt())
    print(fractions.Fraction(1, 3) + fractions.Fraction(1, 6), statistics.stdev([1, 2, 3, 4]))
    print(0 <= random.SystemRandom().random() < 1, len(secrets.token_hex(8)), uuid.uuid4().version)
    print(random.Random(1).random() == random.Random(1).random(), len(os.urandom(1000)))


def native():
    libc = ctypes.CDLL(None, use_errno=True)
    compare_type = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
    items = (ctypes.c_int * 5)(5, 1, 4, 2, 3)
    libc.qsort(items, len(items), ctypes.sizeof(ctypes.c_int), compare_type(lambda a, b: a[0] - b[0]))
    print(list(items), struct.calcsize("P"), array.array("d", [1.5]).tobytes().hex())


def files():
    folder = pathlib.Path(tempfile.mkdtemp())
    (folder / "a").write_text("first\nsecond\n", encoding="utf-8")
    with open(folder / "a", "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        fcntl.flock(file, fcntl.LOCK_EX)
        memory[:5] = b"FIRST"
        print(memory.find(b"second"))
    shutil.copytree(folder, folder.with_name("copy"))
    print(sorted(path.name for path in folder.with_name("copy").iterdir()), shutil.disk_usage("/box").total >> 20)
    with tarfile.open(folder / "t.tar.xz", "w:xz") as archive:
        archive.add(folder / "a", "a")
    with tarfile.open(folder / "t.tar.xz") as archive:
        print(archive.extractfile("a").read())
    with zipfile.ZipFile(folder / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("b", "x" * 1000)
    print(zipfile.ZipFile(folder / "z.zip").testzip())


def packing():
    data = bytes(range(256)) * 100
    for module in (zlib, gzip, bz2, lzma):
        packed = module.compress(data)
        print(module.__name__, len(packed) < 5000, module.decompress(packed) == data)
    for name in ("md5", "sha256", "sha3_512", "blake2b"):
        print(name, hashlib.new(name, b"caisson").hexdigest()[:16])
    print(hmac.new(b"key", b"text", "sha1").hexdigest()[:8], len(hashlib.pbkdf2_hmac("sha256", b"p", b"s", 1000)))
    print(pickle.loads(pickle.dumps({1: ("a", None)})), json.loads('{"a": [1, 2.5, null]}'))
    print(ssl.OPENSSL_VERSION.split()[0])


def system():
    print(platform.system(), sys.maxsize > 2**32, os.cpu_count() >= 1, os.getpid() > 1)
    print(resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_CORE))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    print(datetime.datetime(2024, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")).utcoffset(), time.tzname[0])
    print(locale.getpreferredencoding(), sys.getfilesystemencoding(), os.environ["HOME"], os.getcwd())
    left, right = socket.socketpair()
    left.send(b"x")
    print(select.select([right], [], [], 1)[0] == [right], os.isatty(0))
    try:
        getpass.getuser()
    except (KeyError, OSError):
        print("the user has no name")
    try:
        pty.openpty()
    except OSError:
        print("no terminals")
    print(io.open("/dev/null", "w").write("gone"), len(os.listdir("/proc/self/fd")) < 20)


for part in (database, numbers, native, files, packing, system):
    part()
