"""Use every processor at once, in more processes than there are."""

import os
import time

from attacker import PLAN, gained, tried

tried()
for _ in range(7):
    if os.fork() == 0:
        while True:
            pass
begun, used = time.monotonic(), 0.0
while True:
    used = time.process_time()
    if used > time.monotonic() - begun + PLAN["limits"]["time_s"]:
        gained("more than one processor by itself")
