"""Leave hard links: to the dataset, and from one output to another."""

import os

from attacker import PLAN, attempt, gained

for target in (f"/data/inputs/{PLAN['own_dataset']}/0", "/sealroom/init.py", "/etc/passwd"):
    with attempt():
        os.link(target, "/data/outputs/stolen")
        gained(target)
with attempt():
    open("/data/outputs/a", "wb").close()
    os.link("/data/outputs/a", "/data/outputs/metrics.json")
