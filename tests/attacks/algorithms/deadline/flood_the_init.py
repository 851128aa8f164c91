"""Keep the init busy: print, start and end children, and send it signals, all without a pause."""

import os
import signal
import time

from attacker import PLAN, gained, tried

tried()
begun = time.monotonic()
for _ in range(3):
    if os.fork() == 0:
        while True:
            os.write(1, bytes(1 << 16))
if os.fork() == 0:
    while True:
        os.kill(1, signal.SIGCHLD)
while time.monotonic() < begun + PLAN["limits"]["time_s"] + 2:
    if os.fork() == 0:
        if os.fork() == 0:
            os._exit(0)
        os._exit(0)
    os.waitpid(-1, 0)
gained("time past its deadline")
