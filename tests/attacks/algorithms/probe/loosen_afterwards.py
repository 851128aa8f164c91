"""Loosen the seal once the probe has looked: the mounts, the interface, the groups, the limits."""

import fcntl
import os
import socket
import struct

from attacker import attempt, call, gained

MS_REMOUNT, MS_BIND, SIOCSIFFLAGS = 32, 4096, 0x8914

for target in (b"/", b"/data/inputs", b"/sealroom", b"/proc/sys", b"/sys/fs/cgroup"):
    for flags in (MS_REMOUNT, MS_REMOUNT | MS_BIND):
        with attempt():
            call("mount", None, target, None, flags, None)
            gained(f"{target!r} anew")
with attempt(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
    fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", 0))
    gained("the interface")
with attempt():
    os.setgroups([0])
    gained("a group")
