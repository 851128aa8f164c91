"""Make a network interface of its own through the tun device."""

import fcntl
import os
import struct

from attacker import attempt, gained

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000

for path in ("/dev/net/tun", "/scratch/tun"):
    with attempt():
        if path == "/scratch/tun":
            os.mknod(path, 0o20600, os.makedev(10, 200))
        tun = os.open(path, os.O_RDWR)
        fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"sealtun0", IFF_TUN | IFF_NO_PI))
        gained("an interface")
