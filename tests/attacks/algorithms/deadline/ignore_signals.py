"""Ignore every signal that can be ignored, and go on."""

import signal
import time

from attacker import PLAN, gained, tried

for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        continue
tried()
time.sleep(PLAN["limits"]["time_s"] + 2)
gained("time past its deadline")
