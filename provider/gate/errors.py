"""Why the gate holds an output back.

GateError
└── OutputRefusedError  an output breaks a rule
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
