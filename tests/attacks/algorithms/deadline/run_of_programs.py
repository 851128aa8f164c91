"""Become another program over and over, never the one that was to be stopped."""

import os
import sys
import time

from attacker import PLAN, gained, tried

begun = float(os.environ.get("BEGUN") or time.monotonic())
tried()
if time.monotonic() > begun + PLAN["limits"]["time_s"] + 2:
    gained("time past its deadline")
    raise SystemExit
os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "BEGUN": str(begun)})
