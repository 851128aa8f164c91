"""Look with the probe's own eyes from where the algorithm stands, for what only the init could not see."""

import importlib
import os
import sys

from attacker import PLAN, gained, tried

OF_THE_INIT_ALONE = ("pid", "processes")

sys.path.insert(0, "/sealroom")
probe = importlib.import_module("probe")
for name, expected in PLAN["expected"].items():
    if name not in OF_THE_INIT_ALONE:
        seen = probe.look([name], own_pids=(os.getpid(),))[name]
        if seen != expected:
            gained(f"{name}: {seen} instead of {expected}")
tried()
