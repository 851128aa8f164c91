"""The policy document of version 1: flat. Its digests stand on chain, so it is read as it was for ever, and gets no new keys."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from policies.documents import Path, StrictModel
from policies.people import MAX_LIST_ITEMS, Consumers
from policies.policy import ImageDigest, LimitsPolicy, OutputsPolicy, Policy, Witnesses
from policies.privacy import PrivacyPolicy, ReviewPolicy
from policies.terms import Curie, Term

MAX_TERMS = 64


class FlatDocument(StrictModel):
    """A policy in version 1: terms without parameters, consumers by address."""

    version: Literal[1]
    purposes: Annotated[tuple[Curie, ...], Field(strict=False, min_length=1, max_length=MAX_TERMS)]
    consumers: Consumers
    runtime: Literal["any", "gvisor"] = "any"
    limits: LimitsPolicy = LimitsPolicy()
    outputs: OutputsPolicy
    approvals: Annotated[tuple[Literal["owner"], ...], Field(strict=False, min_length=1, max_length=1)] = (
        "owner",
    )
    images: Annotated[tuple[ImageDigest, ...], Field(strict=False, max_length=MAX_LIST_ITEMS)] | None = None
    logs: Literal["owner", "nobody", "consumer"] = "owner"
    privacy: PrivacyPolicy = PrivacyPolicy()
    review: ReviewPolicy | None = None
    witnesses: Witnesses = ()

    def to_policy(self, digest: str) -> Policy:
        """Return the rules, with the digest of the document."""
        parts = {name: getattr(self, name) for name in type(self).model_fields if name != "version"}
        terms = tuple(Term(term=curie) for curie in self.purposes)
        return Policy.model_validate(parts | {"purposes": terms}, context=digest)

    @staticmethod
    def place_of(path: Path) -> Path:
        """Return where in the document a part of the policy stands."""
        return path
