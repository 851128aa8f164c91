"""Find what an earlier job left in the writable places."""

import os

from attacker import gained, hunt, tried

for place in (
    "/scratch",
    "/tmp",
    "/var/tmp",
    "/dev/shm",
    "/dev/mqueue",
    "/data/outputs",
    "/data/logs",
    "/run/lock",
):
    for folder, _, names in os.walk(place):
        for name in names:
            hunt(os.path.join(folder, name))
            if place not in {"/run/lock", "/var/tmp"} and os.path.join(folder, name) != "/scratch/data":
                gained(os.path.join(folder, name))
tried()
