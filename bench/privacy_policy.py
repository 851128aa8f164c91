"""How long a policy's decision takes: every rule, for every policy in examples/policies, on the job that it allows.

The figure is the median of `REPEATS` decisions under the policy that takes longest, in milliseconds. The facts of the job are made
in that time too; reading the document and asking the chain are not part of it.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from bench.figures import Row, at_most
from policies.baseline import decide_case
from policies.casefacts import CaseFacts
from policies.model import Policy, parse_policy

ROOT = Path(__file__).resolve().parent.parent
TARGET_MS = 0.2
REPEATS = 2000


def measure_policy(repeats: int = REPEATS) -> list[Row]:
    """Return `policy_ms`, which has to stay at or below 0.2."""
    paths = sorted((ROOT / "examples" / "policies").glob("*.yaml"))
    documents = [path for path in paths if not path.stem.endswith(".cases")]
    medians = {path.stem: _median_ms(parse_policy(path.read_bytes()), repeats) for path in documents}
    slowest = max(medians, key=lambda name: medians[name])
    words = f"{len(medians)} policies; the slowest, {slowest}: {medians[slowest]:.4f} ms"
    return [at_most("policy_ms", max(medians.values()), "ms", TARGET_MS, words)]


rows = measure_policy


def _median_ms(policy: Policy, repeats: int) -> float:
    """Return how long a decision takes; making the facts of the case is counted with it, as the judge makes them too."""
    facts = CaseFacts()
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        decide_case(policy, facts)
        times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1000
