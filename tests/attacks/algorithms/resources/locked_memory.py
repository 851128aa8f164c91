"""Lock memory, so that it can't be taken back."""

import mmap

from attacker import PLAN, gained, libc, tried

kept = []
tried()
libc.mlockall(3)
while True:
    kept.append(mmap.mmap(-1, 1 << 20))
    kept[-1].write(b"x" * (1 << 20))
    if len(kept) << 20 > 2 * PLAN["limits"]["memory_bytes"]:
        gained(f"{len(kept)} MiB of locked memory")
        break
