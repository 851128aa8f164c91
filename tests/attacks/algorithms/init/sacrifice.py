"""Have the kernel kill the init instead of the algorithm when memory runs out."""

import os

from attacker import PLAN, attempt, gained, in_gvisor

for process, score in (("self", "-1000"), ("1", "1000")):
    with attempt(), open(f"/proc/{process}/oom_score_adj", "r+", encoding="ascii") as stream:
        before = stream.read().strip()
        stream.write(score)
        stream.flush()
        # In gVisor this is a number without a meaning: the host ends the whole container.
        if before != score and not in_gvisor():
            gained(f"the score of {process}: {score} instead of {before}")
kept: list[bytes] = []
while len(kept) << 20 < 2 * PLAN["limits"]["memory_bytes"]:
    kept.append(b"x" * (1 << 20))
gained("more memory than its limit" if os.getpid() else "")
