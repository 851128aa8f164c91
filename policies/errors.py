"""What can go wrong while a document is read or a rule is decided.

PolicyError
├── DocumentError            a document is not what its format says (bad YAML, unknown key, duplicate key)
├── PolicyInvalidError       a policy is well formed but asks for something that can't be enforced
├── ContradictionError       two parts of a policy exclude one another
├── WitnessKeyError          a witness's key, or what is demanded of witnesses, is not what it should be
└── RuntimeUnavailableError  no runtime that the policy allows is there
"""

from __future__ import annotations


class PolicyError(Exception):
    """Base of every error that this package raises."""

    code = "policy-error"


class DocumentError(PolicyError):
    """A document can't be read; `path` names the place, such as `limits.time_s`, and `line` counts from 1, where it has them."""

    code = "document-invalid"

    def __init__(self, document: str, path: str, problem: str, *, line: int | None = None) -> None:
        self.document = document
        self.path = path
        self.problem = problem
        self.line = line
        place = (document, f"line {line}" if line else "", path)
        super().__init__(": ".join([*filter(None, place), problem]))


class PolicyInvalidError(PolicyError):
    """A policy that parses but can't be enforced as written."""

    code = "policy-invalid"


class ContradictionError(PolicyError):
    """Two parts of a policy exclude one another; `path` leads to the one to change."""

    code = "policy-contradiction"

    def __init__(self, path: tuple[str | int, ...], problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(problem)


class WitnessKeyError(PolicyError, ValueError):
    """A witness's key can't be read, or a demand for cosignatures can't be met; a ValueError for the document models."""

    code = "witness-key-invalid"


class RuntimeUnavailableError(PolicyError):
    """No runtime that the policy allows is registered with the engine; `problem` says why, and what to change."""

    code = "runtime-unavailable"

    def __init__(self, problem: str, available: frozenset[str]) -> None:
        self.problem = problem
        self.available = available
        seen = ", ".join(sorted(available)) or "no runtime"
        super().__init__(f"runtime: the engine offers {seen}; {problem}")
