"""An honest job of somebody else's: it holds a secret wherever a job can hold one, and waits."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import socket
from pathlib import Path

PLAN = json.loads(Path("/data/inputs/algoCustomData.json").read_text(encoding="utf-8"))
SECRET = Path(f"/data/inputs/{PLAN['own_dataset']}/0").read_bytes()

for place in ("/scratch/canary", "/tmp/canary", "/data/logs/canary", f"/dev/shm/{PLAN['shared_name']}"):
    Path(place).write_bytes(SECRET)
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
segment = libc.shmget(PLAN["shared_key"], 4096, 0o1666)
if segment >= 0:
    ctypes.memmove(libc.shmat(segment, None, 0), SECRET, len(SECRET))
server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
server.bind("\0" + PLAN["neighbour_address"])
server.listen()
locked = []
for path in PLAN["locked_files"]:
    locked.append(os.open(path, os.O_RDONLY))
    with contextlib.suppress(OSError):  # gVisor has no locks on the image's files
        fcntl.flock(locked[-1], fcntl.LOCK_EX)
while True:
    server.accept()[0].sendall(SECRET)
