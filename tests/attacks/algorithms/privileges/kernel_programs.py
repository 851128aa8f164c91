"""Load a program into the kernel through bpf, or count its events through perf."""

import ctypes
import struct

from attacker import attempt, call, gained

BPF_MAP_CREATE, BPF_PROG_LOAD = 0, 5

with attempt():
    array = ctypes.create_string_buffer(struct.pack("=5I", 2, 4, 4, 1, 0) + bytes(100))
    call("bpf", BPF_MAP_CREATE, ctypes.byref(array), 72)
    gained("a bpf map")
with attempt():
    code = ctypes.create_string_buffer(struct.pack("=QQ", 0xB7, 0x95))
    text = ctypes.create_string_buffer(b"GPL\0")
    load = struct.pack("=IIQQ", 1, 2, ctypes.addressof(code), ctypes.addressof(text)) + bytes(100)
    call("bpf", BPF_PROG_LOAD, ctypes.byref(ctypes.create_string_buffer(load)), 72)
    gained("a bpf program")
for kind, config in ((1, 0), (0, 0), (1, 9)):
    with attempt():
        events = ctypes.create_string_buffer(struct.pack("=IIQ", kind, 112, config) + bytes(112))
        call("perf_event_open", ctypes.byref(events), 0, -1, -1, 0)
        gained(f"perf events of kind {kind}")
