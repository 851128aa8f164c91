"""Fill the process table with children that ended and that nobody collects."""

import os

from attacker import PLAN, attempt, gained, in_gvisor

count = 0
with attempt():
    for _ in range(2 * PLAN["limits"]["pids"]):
        if os.fork() == 0:
            os._exit(0)
        count += 1
# gVisor counts no processes of its own; the host counts the threads that gVisor takes for them.
if count >= PLAN["limits"]["pids"] and not in_gvisor():
    gained(f"{count} zombies")
