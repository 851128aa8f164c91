"""Have more processes at once than allowed."""

import os
import signal

from attacker import PLAN, attempt, gained, in_gvisor

children = []
with attempt():
    for _ in range(2 * PLAN["limits"]["pids"]):
        child = os.fork()
        if child == 0:
            signal.pause()
        children.append(child)
# gVisor counts no processes of its own; the host counts the threads that gVisor takes for them.
if len(children) >= PLAN["limits"]["pids"] and not in_gvisor():
    gained(f"{len(children)} processes")
for child in children:
    os.kill(child, signal.SIGKILL)
