"""Make system calls through io_uring, past the filter that sees only direct ones."""

import ctypes

from attacker import attempt, call, gained

with attempt():
    call("io_uring_setup", 4, ctypes.byref(ctypes.create_string_buffer(120)))
    gained("a ring")
