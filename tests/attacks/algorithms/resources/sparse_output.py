"""Leave an output file that is a terabyte of nothing, for whoever copies it."""

import os

from attacker import attempt, gained

with attempt():
    descriptor = os.open("/data/outputs/weights", os.O_CREAT | os.O_RDWR)
    for size in (7 << 20, 1 << 40):
        os.ftruncate(descriptor, size)
        if size == 1 << 40:
            gained("a terabyte")
