"""The states of a job and the moves between them: this dict is the only place that says what may follow what.

A coarse state drives behaviour; the finer code (see `codes`) only tells people why.
"""

from __future__ import annotations

from enum import StrEnum

from provider.errors import ConflictError


class State(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    CHECKING = "checking"
    REVIEWING = "reviewing"
    RELEASED = "released"
    WITHHELD = "withheld"
    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        """Whether nothing can follow; a terminal job has a receipt."""
        return not TRANSITIONS[self]


TRANSITIONS: dict[State, frozenset[State]] = {
    State.WAITING: frozenset({State.QUEUED, State.REFUSED, State.CANCELLED}),
    State.QUEUED: frozenset({State.RUNNING, State.REFUSED, State.CANCELLED}),
    State.RUNNING: frozenset(
        {State.QUEUED, State.WAITING, State.CHECKING, State.FAILED, State.REFUSED, State.CANCELLED}
    ),
    State.CHECKING: frozenset({State.QUEUED, State.REVIEWING, State.RELEASED, State.WITHHELD, State.FAILED}),
    State.REVIEWING: frozenset({State.QUEUED, State.RELEASED, State.WITHHELD, State.CANCELLED}),
    State.RELEASED: frozenset(),
    State.WITHHELD: frozenset(),
    State.FAILED: frozenset(),
    State.REFUSED: frozenset(),
    State.CANCELLED: frozenset(),
}


def check_transition(source: State, target: State) -> None:
    """Refuse a move that the table doesn't have; staying where one is isn't a move and is allowed unless terminal.

    Raises:
        ConflictError: `target` may not follow `source`.
    """
    if source == target and not source.terminal:
        return
    if target not in TRANSITIONS[source]:
        raise ConflictError(f"a job that is {source} can't become {target}", code="job-state")


def state_diagram() -> str:
    """Draw the table as a Mermaid state diagram, in a fixed order."""
    lines = ["stateDiagram-v2", "    [*] --> waiting"]
    for source, targets in TRANSITIONS.items():
        lines += [f"    {source} --> {target}" for target in State if target in targets]
        if source.terminal:
            lines.append(f"    {source} --> [*]")
    return "\n".join(lines) + "\n"
