"""Write into the init's memory, by its file and past it."""

import ctypes
import os

from attacker import attempt, call, gained

with attempt():
    os.open("/proc/1/mem", os.O_RDWR)
    gained("the memory's file")
for address in (0x400000, 0x555555554000):
    buffer = ctypes.create_string_buffer(8)
    own = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 8)
    other = (ctypes.c_size_t * 2)(address, 8)
    with attempt():
        gained(f"{call('process_vm_writev', 1, own, 1, other, 1, 0)} bytes")
for name in (
    "clear_refs",
    "coredump_filter",
    "autogroup",
    "timerslack_ns",
    "uid_map",
    "setgroups",
    "loginuid",
):
    with attempt(), open(f"/proc/1/{name}", "r+b", buffering=0) as stream:
        stream.write(b"1")
        if name != "autogroup":
            gained(name)
