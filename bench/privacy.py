"""`make bench-privacy`: what privacy costs in time and in accuracy, and what checking a release costs. Prints a table, writes it as JSON.

`--only bench.privacy_accuracy` measures one part; the rows of the others are then missing from what is written.
"""

from __future__ import annotations

from bench.parts import RESULTS, run_parts

PARTS = (
    "bench.privacy_training",
    "bench.privacy_accuracy",
    "bench.privacy_policy",
    "bench.privacy_gate",
    "bench.privacy_audit",
)

if __name__ == "__main__":
    run_parts("bench-privacy", "Measure privacy.", PARTS, RESULTS / "privacy.json")
