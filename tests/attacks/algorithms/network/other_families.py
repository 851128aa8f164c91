"""Make sockets of every rare address family, each a way into kernel code that nobody watches."""

import socket

from attacker import attempt, gained

COMMON = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)

for family in range(1, 46):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
        if family not in COMMON:
            with attempt(), socket.socket(family, kind):
                gained(f"a socket of family {family}")
