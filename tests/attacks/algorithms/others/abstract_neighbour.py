"""Talk to another job that listens on an abstract Unix address."""

import socket

from attacker import PLAN, attempt, gained

for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
    with attempt(), socket.socket(socket.AF_UNIX, kind) as connection:
        connection.settimeout(2)
        connection.connect("\0" + PLAN["neighbour_address"])
        gained(connection.recv(100))
