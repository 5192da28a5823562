#!/usr/bin/env python3
"""Write the names of environment variables that the images' own binaries read, one a line with some of their readers.

Usage: scripts/environment_names.py [IMAGE...] > src/job/environment/read-by-images.txt

An ELF file for x86-64 is searched for calls of getenv and secure_getenv, and of its own functions that pass their argument on
to those. The name is what the instructions before the call load into the first argument's register. Names that come out of
tables, out of scripts, or as a later argument aren't found: src/job/environment.rs has the documented ones by hand.
"""

import bisect
import io
import re
import struct
import subprocess
import sys
import tarfile

IMAGES = ["bash", "c", "cpp", "java", "javascript", "python3"]
READERS = {b"getenv", b"secure_getenv", b"__secure_getenv", b"__libc_secure_getenv"}
NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_]{1,63}\0")
LOAD = re.compile(rb"\x48\x8d\x3d(?P<relative>....)|\xbf(?P<absolute>....)", re.DOTALL)
# How many bytes before a call its argument may be loaded, and how far into a function its argument may be passed on.
BEFORE, INTO = 40, 160
# How many readers of a name are written down.
NAMED = 3


class Elf:
    """What of a program or library matters here, by virtual address."""

    def __init__(self, data):
        self.data = data
        self.sections = []
        offset, size, count = struct.unpack_from("<Q", data, 40)[0], *struct.unpack_from("<HH", data, 58)
        for index in range(count):
            self.sections.append(struct.unpack_from("<IIQQQQIIQQ", data, offset + index * size))

    def code(self):
        """The executable sections: address and bytes."""
        for _, kind, flags, address, offset, size, *_ in self.sections:
            if kind == 1 and flags & 4:
                yield address, self.data[offset : offset + size]

    def text(self, address):
        """The name at an address, if there is one."""
        for _, kind, flags, start, offset, size, *_ in self.sections:
            if kind == 1 and flags & 2 and start <= address < start + size:
                found = NAME.match(self.data, offset + address - start)
                return found and found[0][:-1].decode()
        return None

    def symbols(self, section):
        """Name, section and address of each symbol."""
        _, _, _, _, offset, size, link, *_ = section
        names = self.sections[link]
        for at in range(offset, offset + size, 24):
            name, _, _, home, value, _ = struct.unpack_from("<IBBHQQ", self.data, at)
            begin = names[4] + name
            yield self.data[begin : self.data.index(b"\0", begin)], home, value

    def readers(self):
        """Addresses of the functions that read a variable, and of the table's entries that lead to them."""
        functions, entries = set(), set()
        for section in self.sections:
            if section[1] in (2, 11):
                functions |= {value for name, home, value in self.symbols(section) if name in READERS and home}
            if section[1] == 4 and section[6] < len(self.sections) and self.sections[section[6]][1] == 11:
                symbols = list(self.symbols(self.sections[section[6]]))
                for at in range(section[4], section[4] + section[5], 24):
                    place, info, _ = struct.unpack_from("<QQq", self.data, at)
                    if info >> 32 < len(symbols) and symbols[info >> 32][0] in READERS:
                        entries.add(place)
        return functions, entries


def relative(code, address, pattern, length):
    """Each place where an instruction with an address relative to its end is: the place, and where it leads."""
    for found in re.finditer(pattern + rb"(....)", code, re.DOTALL):
        yield address + found.start(), address + found.start() + length + struct.unpack("<i", found[1])[0]


def names(data):
    """The names that one file reads."""
    elf = Elf(data)
    functions, entries = elf.readers()
    if not functions and not entries:
        return set()
    direct, called = [], set()
    for address, code in elf.code():
        for place, target in relative(code, address, rb"\xff\x25", 6):
            if target in entries:
                # A stub of the procedure linkage table, which may begin with endbr64 or bnd.
                functions |= {place, place - 1, place - 4, place - 5}
        direct += relative(code, address, rb"[\xe8\xe9]", 5)
        called |= {place for place, target in relative(code, address, rb"\xff\x15", 6) if target in entries}
    called |= {place for place, target in direct if target in functions}
    # Functions that pass their own argument on.
    starts = sorted({target for _, target in direct})
    for place in list(called):
        at = bisect.bisect_right(starts, place) - 1
        if at >= 0 and place - starts[at] < INTO and starts[at] not in functions and not argument(elf, starts[at], place):
            functions.add(starts[at])
    called |= {place for place, target in direct if target in functions}
    found = {argument(elf, place - BEFORE, place) for place in called}
    return {name for name in found if name}


def argument(elf, begin, end):
    """The text that is loaded last into the first argument's register between two addresses."""
    for address, code in elf.code():
        if address <= end < address + len(code):
            begin = max(begin, address)
            for found in reversed(list(LOAD.finditer(code, begin - address, end - address))):
                if found["relative"]:
                    target = address + found.end() + struct.unpack("<i", found["relative"])[0]
                else:
                    target = struct.unpack("<I", found["absolute"])[0]
                name = elf.text(target)
                if name:
                    return name
    return None


def files(image):
    """Path and content of each ELF file for x86-64 of an image."""
    container = subprocess.run(["docker", "create", image, "true"], check=True, capture_output=True, text=True).stdout.strip()
    try:
        with subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE) as export:
            with tarfile.open(fileobj=io.BufferedReader(export.stdout, 1 << 20), mode="r|") as archive:
                for member in archive:
                    if member.isfile() and member.size > 64:
                        data = archive.extractfile(member).read()
                        # 64 bits, little-endian, a program or a library, x86-64.
                        if data[:6] == b"\x7fELF\x02\x01" and data[16] in (2, 3) and data[18] == 62:
                            yield member.name, data
    finally:
        subprocess.run(["docker", "rm", container], check=True, capture_output=True)


def main():
    readers, seen = {}, set()
    for image in sys.argv[1:] or [f"caisson/{name}" for name in IMAGES]:
        for path, data in files(image):
            if hash(data) in seen:
                continue
            seen.add(hash(data))
            for name in names(data):
                # Versions in a file's name change with each update.
                readers.setdefault(name, set()).add(re.sub(r"[-.0-9]*(\.so[.0-9]*|[0-9.]+)?$", "", path.rsplit("/", 1)[1]))
    for name in sorted(readers):
        print(name, *sorted(readers[name])[:NAMED])


if __name__ == "__main__":
    main()
