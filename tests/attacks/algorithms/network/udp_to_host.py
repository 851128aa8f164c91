"""Send a datagram to a server on the host and wait for its answer."""

import socket

from attacker import PLAN, attempt, gained

for host, port in PLAN["datagram_servers"]:
    with attempt(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as speaker:
        speaker.settimeout(2)
        speaker.sendto(b"rows", (host, port))
        gained(speaker.recv(100))
