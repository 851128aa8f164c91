"""Connect over TCP to a server on the host's loopback addresses, IPv4 and IPv6."""

import socket

from attacker import PLAN, attempt, gained

for host, port in PLAN["loopback_servers"]:
    with attempt():
        socket.create_connection((host, port), timeout=2).close()
        gained(f"a connection to {host}")
