"""Take memory without end."""

from attacker import PLAN, gained, tried

tried()
kept = []
while True:
    kept.append(b"x" * (1 << 20))
    if len(kept) << 20 > 2 * PLAN["limits"]["memory_bytes"]:
        gained(f"{len(kept)} MiB of memory")
        break
