"""Read another job's shared memory: POSIX by name, System V by key."""

import ctypes
import os

from attacker import PLAN, attempt, gained, hunt, libc

libc.shmat.restype = ctypes.c_void_p
hunt(f"/dev/shm/{PLAN['shared_name']}")
for name in os.listdir("/dev/shm"):
    hunt(f"/dev/shm/{name}")
with attempt():
    segment = libc.shmget(PLAN["shared_key"], 0, 0o400)
    address = libc.shmat(segment, None, 0o10000) if segment >= 0 else None
    if address not in {None, ctypes.c_void_p(-1).value}:
        gained(ctypes.string_at(address, 64))
with attempt():
    if len(open("/proc/sysvipc/shm", encoding="ascii").read().splitlines()) > 1:
        gained("a list of segments")
