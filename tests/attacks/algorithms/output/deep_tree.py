"""Leave a tree so deep that whoever walks it runs out of path or of stack."""

import os

from attacker import attempt

with attempt():
    os.chdir("/data/outputs")
    for _ in range(60):
        os.mkdir("a" * 60)
        os.chdir("a" * 60)
    open("metrics.json", "wb").close()
