"""Read the host's connections from the kernel's tables under /proc/net of every process."""

import os

from attacker import PLAN, attempt, gained

port = PLAN["loopback_servers"][0][1]
for process in [name for name in os.listdir("/proc") if name.isdigit()] + ["self", "thread-self"]:
    for table in ("tcp", "tcp6", "udp", "unix", "arp", "route", "fib_trie"):
        with attempt(), open(f"/proc/{process}/net/{table}", encoding="utf-8", errors="replace") as lines:
            if f":{port:04X} " in lines.read():
                gained(f"{table} of {process}")
