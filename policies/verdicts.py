"""What a rule says, and what follows from what all of them say."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What a rule, or all rules together, say."""

    ALLOW = "allow"
    DENY = "deny"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """One rule's verdict on one dataset; `detail` is in plain words, empty when there is nothing to add."""

    name: str
    verdict: Verdict
    detail: str = ""
    asset_id: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Every rule with its verdict, and what follows from them."""

    rules: tuple[RuleVerdict, ...]

    @property
    def status(self) -> Verdict:
        """Deny beats wait beats allow; nothing evaluated is a deny."""
        seen = {rule.verdict for rule in self.rules}
        if not seen or Verdict.DENY in seen:
            return Verdict.DENY
        return Verdict.WAIT if Verdict.WAIT in seen else Verdict.ALLOW

    @property
    def allowed(self) -> bool:
        """Whether the job may run now."""
        return self.status is Verdict.ALLOW

    @property
    def first_denied(self) -> RuleVerdict | None:
        """The first rule that denies, if any."""
        return next((rule for rule in self.rules if rule.verdict is Verdict.DENY), None)

    @property
    def first_waiting(self) -> RuleVerdict | None:
        """The first rule that waits, if any."""
        return next((rule for rule in self.rules if rule.verdict is Verdict.WAIT), None)
