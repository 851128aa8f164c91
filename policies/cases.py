"""The truth table of a policy: cases kept beside it, each a sentence, the facts that differ, and what has to be decided.

A case starts from a baseline that the policy allows, computed from the policy itself, and changes what it names. Judged by
the same engine as every job.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from policies.baseline import decide_case
from policies.casefacts import CaseFacts
from policies.decide import RULES
from policies.documents import StrictModel, parse_document
from policies.policy import Policy
from policies.verdicts import Decision

MAX_CASES = 500
_RULES = frozenset(name for name, _ in RULES)


class PolicyCase(StrictModel):
    """One line of the table; `rule` decides: the first that denies, or that waits when none denies."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    facts: CaseFacts = CaseFacts()
    expect: Literal["allow", "deny", "wait"]
    rule: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.expect == "allow") != (self.rule is None):
            raise ValueError("rule names what denies or waits: it belongs to every other case than allow")
        if self.rule is not None and self.rule not in _RULES:
            raise ValueError(f"there is no rule {self.rule}; docs/policy.md lists them")
        return self


class PolicyTable(StrictModel):
    """`NAME.cases.yaml`."""

    version: Literal[1]
    cases: Annotated[tuple[PolicyCase, ...], Field(strict=False, min_length=1, max_length=MAX_CASES)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [case.name for case in self.cases]
        if len(set(names)) < len(names):
            raise ValueError("two cases have one name")
        return self


@dataclass(frozen=True, slots=True)
class CaseResult:
    """A case and what the engine says to it."""

    case: PolicyCase
    decision: Decision

    @property
    def rule(self) -> str | None:
        """The rule that decided; None when the job is allowed."""
        deciding = self.decision.first_denied or self.decision.first_waiting
        return deciding.name if deciding else None

    @property
    def holds(self) -> bool:
        """Whether the engine decides as the case expects, by the rule that it names."""
        return self.decision.status == self.case.expect and self.rule == self.case.rule


def parse_cases(data: bytes) -> PolicyTable:
    """Parse a document of cases.

    Raises:
        DocumentError: not strict YAML, an unknown key or rule, or a case that contradicts itself, with line and path.
    """
    return parse_document(data, PolicyTable, document="cases")


def run_cases(policy: Policy, table: PolicyTable) -> tuple[CaseResult, ...]:
    """Have the engine decide every case of a table."""
    return tuple(CaseResult(case, decide_case(policy, case.facts)) for case in table.cases)
