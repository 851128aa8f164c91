"""Keep the container at the edge of its memory and processes, so that the init has no room to act."""

import os
import time

from attacker import PLAN, attempt, gained, tried

kept = []
for _ in range(PLAN["limits"]["memory_bytes"] * 7 // 10 >> 20):
    kept.append(b"x" * (1 << 20))
tried()
begun = time.monotonic()
with attempt():
    while os.fork() > 0:
        continue
while time.monotonic() < begun + PLAN["limits"]["time_s"] + 2:
    with open("/dev/zero", "rb") as stream:
        stream.read(1 << 16)
gained("time past its deadline")
