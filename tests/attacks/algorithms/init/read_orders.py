"""Find the orders and their key where they may have been left: arguments, environment, files, its own inheritance."""

import os

from attacker import attempt, gained, read

PLACES = [
    f"/proc/{process}/{name}" for process in ("1", "self") for name in ("cmdline", "environ", "auxv", "stack")
]
PLACES += ["/sealroom/orders.json", "/proc/self/fd/0"]
for place in PLACES:
    with attempt():
        if b'"key"' in read(place, 1 << 16):
            gained(place)
inherited = []
for name in os.listdir("/proc/self/fd"):
    with attempt():
        target = os.readlink(f"/proc/self/fd/{name}")
        if int(name) > 2 and not target.endswith("/fd"):
            inherited.append(target)
if inherited:
    gained(f"descriptors {inherited}")
