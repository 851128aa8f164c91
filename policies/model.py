"""Reads a policy document of either version into the one `Policy` that everything uses.

Refuses every document that can't be enforced as written. The digest is over the document's bytes, so the version that an
owner wrote is the version that stands on chain.
"""

from __future__ import annotations

from policies.canonical import digest_of
from policies.documents import read_source
from policies.errors import ContradictionError
from policies.fivesafes import FiveSafesDocument
from policies.flat import FlatDocument
from policies.people import Consumers
from policies.policy import (
    MAX_CPUS,
    MAX_MEMORY_BYTES,
    MAX_METRIC_DIGITS,
    MAX_METRICS,
    MAX_OUTPUT_BYTES,
    MAX_PIDS,
    MAX_TIME_S,
    MIN_MEMORY_BYTES,
    MIN_PIDS,
    LimitsPolicy,
    MetricsAllowance,
    OutputsPolicy,
    Policy,
    WeightsAllowance,
    WitnessDemand,
    check_policy,
    parse_size,
)

__all__ = [
    "MAX_CPUS",
    "MAX_MEMORY_BYTES",
    "MAX_METRICS",
    "MAX_METRIC_DIGITS",
    "MAX_OUTPUT_BYTES",
    "MAX_PIDS",
    "MAX_TIME_S",
    "MIN_MEMORY_BYTES",
    "MIN_PIDS",
    "Consumers",
    "LimitsPolicy",
    "MetricsAllowance",
    "OutputsPolicy",
    "Policy",
    "WeightsAllowance",
    "WitnessDemand",
    "parse_policy",
    "parse_size",
]


def parse_policy(data: bytes) -> Policy:
    """Parse a policy document of version 1 or 2; its digest is over exactly these bytes.

    Raises:
        DocumentError: not strict YAML, an unknown key, or a value out of range, with its line and its path.
    """
    source = read_source(data, document="policy")
    version = source.value.get("version")
    flat = type(version) is int and version == 1
    document = source.read(FlatDocument) if flat else source.read(FiveSafesDocument)
    policy = document.to_policy(digest_of(data))
    try:
        check_policy(policy)
    except ContradictionError as exc:
        raise source.refusal(document.place_of(exc.path), exc.problem) from exc
    return policy
