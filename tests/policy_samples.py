"""Policies and facts that tests start from, and change one thing of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

from policies.canonical import canonical_json, digest_of
from policies.decide import (
    AlgorithmFacts,
    ApprovalFacts,
    AssetFacts,
    Decision,
    EnvironmentFacts,
    PeopleFacts,
    PrivacyFacts,
    RequestFacts,
    decide_job,
)
from policies.model import Policy, parse_policy

OWNER, CONSUMER, PROVIDER, STRANGER = ("0x" + digit * 40 for digit in "abcd")
IMAGE, OTHER_IMAGE = digest_of(b"image"), digest_of(b"other image")
NOW = 1_800_000_000
DOCUMENT: dict[str, Any] = {
    "version": 1,
    "purposes": ["DUO:0000006"],
    "consumers": "anyone",
    "outputs": {
        "weights": {"max_bytes": "1MiB"},
        "metrics": {"max_count": 3, "max_digits": 4},
        "max_information_bits": 100_000,
    },
}


def make_policy(**changes: object) -> Policy:
    """Parse a policy document; JSON is YAML."""
    return parse_policy(canonical_json(DOCUMENT | changes))


@dataclass(frozen=True)
class Facts:
    """Everything that the engine judges."""

    policy: Policy
    request: RequestFacts
    algorithm: AlgorithmFacts
    approval: ApprovalFacts | None
    asset: AssetFacts
    environment: EnvironmentFacts
    people: PeopleFacts | None = None
    privacy: PrivacyFacts | None = None

    def but(self, part: str, **changes: Any) -> Self:
        """Return the same facts with one part changed."""
        return replace(self, **{part: replace(getattr(self, part), **changes)})

    def decide(self) -> Decision:
        """Have the engine decide."""
        return decide_job(
            self.policy,
            self.request,
            self.algorithm,
            self.approval,
            self.asset,
            self.environment,
            people=self.people,
            privacy=self.privacy,
        )


def allowed_facts(**changes: object) -> Facts:
    """Return facts under which a job is allowed, by a policy with `changes`."""
    policy = make_policy(**changes)
    return Facts(
        policy,
        RequestFacts(CONSUMER, "DUO:0000006", digest_of(b"bundle"), PROVIDER, NOW + 60),
        AlgorithmFacts(IMAGE, 5000, 2, 4, 40_000),
        ApprovalFacts(NOW - 100, NOW + 100, None),
        AssetFacts("1" * 64, OWNER, PROVIDER, policy.digest, retired=False),
        EnvironmentFacts(NOW, PROVIDER, frozenset({"runc", "runsc"}), image_present=True),
    )
