"""Write more bytes to /tmp, the logs' folder and shared memory than they may hold."""

import os

from attacker import attempt, gained

for place, limit in {"/tmp": 64 << 20, "/dev/shm": 64 << 20, "/data/logs": 1 << 20}.items():
    written = 0
    with attempt():
        for number in range(200):
            with open(f"{place}/{number}", "wb", buffering=0) as stream:
                for _ in range(4):
                    written += stream.write(bytes(1 << 19))
            if written > 2 * limit:
                break
    if written > limit:
        gained(f"{written} bytes in {place}")
    for name in os.listdir(place):
        os.unlink(f"{place}/{name}")
