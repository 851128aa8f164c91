"""Find another job's processes, their command lines and their open files."""

import os

from attacker import PLAN, gained, tried

own = {1, os.getpid()}
for name in sorted(os.listdir("/proc")):
    if name.isdigit() and int(name) not in own:
        gained(f"process {name}")
for number in (PLAN["bystander"], PLAN["neighbour_pid"]):
    if number not in own and os.path.exists(f"/proc/{number}"):
        gained(f"process {number}")
tried()
