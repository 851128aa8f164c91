"""Outrun the killing: each process starts its successor and ends, faster than a list of them can be read."""

import os
import time

from attacker import PLAN, gained, tried

begun = time.monotonic()
tried()
for _ in range(8):
    if os.fork() == 0:
        while True:
            if os.fork() > 0:
                os._exit(0)
            if time.monotonic() > begun + PLAN["limits"]["time_s"] + 2:
                gained("time past its deadline")
                os._exit(0)
time.sleep(600)
