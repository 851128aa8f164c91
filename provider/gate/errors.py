"""Why the gate holds an output back.

GateError
├── OutputRefusedError  an output breaks a rule
├── ScoresRefusedError  a scorer wrote something else than scores
└── NotApplicableError  a privacy test can't be made
"""

from __future__ import annotations


class GateError(Exception):
    """Base of every error that the gate raises."""

    code = "gate-error"


class OutputRefusedError(GateError):
    """An output breaks `rule`. `problem` is for the owner's eyes; only the rule's name leaves."""

    code = "output-refused"

    def __init__(self, rule: str, problem: str) -> None:
        self.rule = rule
        self.problem = problem
        super().__init__(f"{rule}: {problem}")


class ScoresRefusedError(GateError):
    """What a scorer wrote can't be read as scores; it never leaves, nor does this message."""

    code = "scores-refused"

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"the scores {problem}")


class NotApplicableError(GateError):
    """A privacy test can't be made on this dataset, model or scorer: it counts as not passed."""

    code = "not-applicable"
