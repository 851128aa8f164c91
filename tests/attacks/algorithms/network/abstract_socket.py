"""Connect to a server of the host that listens on an abstract Unix address, which no file guards."""

import socket

from attacker import PLAN, attempt, gained

with attempt(), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
    connection.settimeout(2)
    connection.connect("\0" + PLAN["abstract_server"])
    gained("a connection to an abstract address")
for line in open("/proc/net/unix", encoding="utf-8", errors="replace"):
    if PLAN["abstract_server"] in line:
        gained("the host's list of Unix addresses")
