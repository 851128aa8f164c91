"""Kill another job's process, and whatever else has a number."""

import os
import signal

from attacker import PLAN, attempt, gained

for number in (PLAN["bystander"], PLAN["neighbour_pid"]):
    if number != os.getpid():
        with attempt():
            os.kill(number, signal.SIGKILL)
            gained(f"process {number} killed")
        with attempt():
            os.killpg(number, signal.SIGKILL)
            gained(f"group {number} killed")
