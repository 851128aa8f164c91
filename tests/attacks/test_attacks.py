"""Every hostile algorithm, truly run in a truly sealed container, on every runtime that the engine has: it gets nothing."""

from __future__ import annotations

from sandbox.spec import ExitReason, Runtime
from tests.attacks.catalogue import Attack, committed
from tests.attacks.conftest import Outcomes


def test_the_attacker_gets_nothing(
    attack: Attack, runtime: Runtime, outcomes: Outcomes, *, writing: bool
) -> None:
    outcome = outcomes[attack.name, runtime].result()
    assert outcome.gained == []
    assert outcome.faults == ()
    said_so = outcome.tried or not outcome.told or not attack.speaks
    assert said_so, outcome.printed[-1000:]
    reason, allowed = outcome.report.reason, attack.ends[runtime]
    assert reason in allowed, outcome.printed[-1000:]
    if not writing:
        known = committed(attack.name, runtime)
        assert known["gained"] == []
        assert ExitReason(known["ended"]) in allowed
