"""Make a raw socket and ping the host past every rule on ports."""

import socket
import struct

from attacker import PLAN, attempt, gained

ECHO = struct.pack(">BBHHH", 8, 0, 0xF7FF - 1, 1, 0)

for host, _ in PLAN["loopback_servers"] + PLAN["bridge_servers"]:
    if ":" in host:
        continue
    for kind in (socket.SOCK_RAW, socket.SOCK_DGRAM):
        with attempt(), socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP) as pinger:
            pinger.settimeout(2)
            pinger.sendto(ECHO, (host, 0))
            pinger.recv(100)
            gained(f"an echo from {host}")
