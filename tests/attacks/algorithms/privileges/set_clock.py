"""Change the host's clock or its rate."""

import ctypes
import struct
import time

from attacker import attempt, call, gained

now = ctypes.create_string_buffer(struct.pack("@ll", int(time.time()), 0))
with attempt():
    call("clock_settime", 0, ctypes.byref(now))
    gained("the clock")
with attempt():
    call("settimeofday", ctypes.byref(now), None)
    gained("the time of day")
with attempt():
    call("adjtimex", ctypes.byref(ctypes.create_string_buffer(struct.pack("=I", 0x4000) + bytes(300))))
    gained("the clock's rate")
with attempt(), open("/proc/self/timens_offsets", "w", encoding="ascii") as offsets:
    offsets.write("monotonic 1000000 0")
    offsets.flush()
    gained("another monotonic clock")
