"""Connect over TCP to a server on the host's address in the engine's own network."""

import socket

from attacker import PLAN, attempt, gained

for host, port in PLAN["bridge_servers"]:
    with attempt():
        socket.create_connection((host, port), timeout=2).close()
        gained(f"a connection to {host}")
