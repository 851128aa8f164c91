"""What the gate is called, its checks by name, and what an ending says: for the gate, and for whoever reads a receipt of it."""

from __future__ import annotations

BITS_PER_BYTE = 8
GATE = "sealroom-gate/1"
"""Name and version of the checks; stands in every receipt."""
GATE_CHECKS = (
    "only-declared-files",
    "all-declared-present",
    "weights-size",
    "metrics-allowed",
    "information-bits",
    "weights-safetensors",
    "weights-declared",
    "weights-finite",
    "metrics-declared",
    "metrics-range",
)
"""Every check of `GATE` that a release has passed, in order; the privacy tests of the mode `measured` come after them."""
ENDING_BITS = 6
"""What a job's ending can say, released or not: the logarithm of how many endings there are, rounded up."""
