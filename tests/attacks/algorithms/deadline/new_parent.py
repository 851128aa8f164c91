"""Adopt every orphan, so that the init, which waits for its own children, never hears of them."""

import os
import time

from attacker import PLAN, gained, libc, tried

PR_SET_CHILD_SUBREAPER = 36
libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
tried()
for _ in range(4):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(PLAN["limits"]["time_s"] + 2)
            gained("time past its deadline")
        os._exit(0)
time.sleep(600)
