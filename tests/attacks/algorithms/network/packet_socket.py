"""Make a packet socket to see and forge whole Ethernet frames."""

import socket

from attacker import attempt, gained

for kind in (socket.SOCK_RAW, socket.SOCK_DGRAM):
    with attempt(), socket.socket(socket.AF_PACKET, kind, socket.htons(0x0003)):
        gained("a packet socket")
