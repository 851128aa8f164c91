from __future__ import annotations

import pytest

from provider.jobs.codes import REASONS, describe
from sandbox.spec import ExitReason


@pytest.mark.parametrize("code", sorted(REASONS))
def test_every_reason_says_what_and_what_next(code: str) -> None:
    reason = describe(code, algorithm="sha256:ab", job_id="cd", rule="weights-finite")
    assert reason.message
    assert reason.next_step
    assert "{" not in reason.message + reason.next_step


@pytest.mark.parametrize("reason", sorted(set(ExitReason) - {ExitReason.COMPLETED}))
def test_every_exit_reason_of_the_sandbox_has_words(reason: ExitReason) -> None:
    assert reason.value in REASONS


def test_waiting_for_approval_names_the_algorithm_and_the_next_step() -> None:
    reason = describe("awaiting-approval", algorithm="sha256:ab", job_id="cd")
    assert reason.message == "waiting for the owner to approve algorithm sha256:ab"
    assert "sealroom job resume cd" in reason.next_step
