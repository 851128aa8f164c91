"""Stop itself and its children, so that they neither run nor end."""

import os
import signal
import time

from attacker import PLAN, gained, tried

tried()
for _ in range(8):
    if os.fork() == 0:
        os.setsid()
        os.kill(os.getpid(), signal.SIGSTOP)
        gained("a life after being stopped")
if os.fork() == 0:
    time.sleep(PLAN["limits"]["time_s"] + 2)
    gained("time past its deadline")
    os._exit(0)
os.kill(os.getpid(), signal.SIGSTOP)
