from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from provider.errors import ConflictError
from provider.jobs.states import TRANSITIONS, State, check_transition, state_diagram

DIAGRAM = Path(__file__).parents[3] / "docs" / "job-states.md"


@pytest.mark.parametrize(("source", "target"), list(itertools.product(State, State)))
def test_every_pair_of_states_is_allowed_by_the_table_or_raises(source: State, target: State) -> None:
    allowed = target in TRANSITIONS[source] or (source == target and not source.terminal)
    if allowed:
        check_transition(source, target)
    else:
        with pytest.raises(ConflictError, match=f"a job that is {source} can't become {target}"):
            check_transition(source, target)


def test_every_state_but_the_first_can_be_reached_and_every_job_can_end() -> None:
    reached = {State.WAITING}
    for _ in State:
        reached |= {target for source in reached for target in TRANSITIONS[source]}
    assert reached == set(State)
    ends = {state for state in State if state.terminal}
    for state in State:
        seen = {state}
        for _ in State:
            seen |= {target for source in seen for target in TRANSITIONS[source]}
        assert seen & ends


def test_the_diagram_in_the_docs_is_the_table() -> None:
    assert state_diagram() in DIAGRAM.read_text()
