"""Stop the init, slow it down, or turn back its clock, so that the deadline never comes."""

import os
import signal
import time

from attacker import PLAN, attempt, call, gained

for number in (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN):
    with attempt():
        os.kill(1, number)
with attempt():
    os.setpriority(os.PRIO_PROCESS, 1, 19)
with attempt():
    call("clock_settime", 1, (1).to_bytes(16, "little"))
    gained("another monotonic clock")
with attempt():
    os.sched_setaffinity(1, {0})
time.sleep(PLAN["limits"]["time_s"] + 2)
gained("time past its deadline")
