"""Every planted exfiltrator is caught by the check that is committed for it, or leaves no more bits than are committed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from policies.privacy import PRIVACY_TESTS
from provider.gate.decide import CHECKS
from provider.gate.report import GateVerdict
from tests.attacks.exfiltrators import EXFILTRATORS, Exfiltrator
from tests.measured_samples import Ward, honest, judge, make_ward

COMMITTED = Path(__file__).with_name("exfiltration.json")
RULES = {name for name, _ in CHECKS} | set(PRIVACY_TESTS)


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Ward:
    return make_ward(tmp_path_factory.mktemp("ward"))


@pytest.fixture(scope="module")
def found(*, writing: bool) -> Iterator[dict[str, Any]]:
    """Collect what came of each; written to the committed file when that is asked for."""
    outcomes: dict[str, Any] = {}
    yield outcomes
    if writing:
        before = json.loads(COMMITTED.read_text()) if COMMITTED.exists() else {}
        names = {exfiltrator.__name__ for exfiltrator in EXFILTRATORS}
        kept = {name: value for name, value in (before | outcomes).items() if name in names}
        COMMITTED.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")


@pytest.mark.parametrize("exfiltrator", EXFILTRATORS, ids=lambda item: item.__name__)
def test_an_exfiltrator_is_caught_or_bounded_as_committed(
    tmp_path: Path, ward: Ward, found: dict[str, Any], exfiltrator: Exfiltrator, *, writing: bool
) -> None:
    report = judge(tmp_path, ward, exfiltrator(ward)).report
    tries = (exfiltrator.__doc__ or "").splitlines()[0]
    outcome = {"tries": tries, "caught_by": report.rule or None, "information_bits": report.information_bits}
    found[exfiltrator.__name__] = outcome
    assert report.rule in RULES or report.verdict is GateVerdict.RELEASED
    if not writing:
        assert json.loads(COMMITTED.read_text())[exfiltrator.__name__] == outcome


def test_the_same_model_without_anything_planted_is_released(tmp_path: Path, ward: Ward) -> None:
    judged = judge(tmp_path, ward, honest(ward))
    assert judged.report.verdict is GateVerdict.RELEASED, judged.outcomes
    assert set(judged.outcomes.values()) == {"passed"}


def test_what_is_not_caught_is_only_what_looks_random_or_lies_and_is_bounded() -> None:
    committed = json.loads(COMMITTED.read_text())
    free = {name for name, outcome in committed.items() if outcome["caught_by"] is None}
    assert free == {
        "a_liar_with_a_model_of_its_own",
        "encrypted_in_low_bits",
        "encrypted_in_low_bits_and_rounded",
    }
    rounded, whole = (
        committed[name]["information_bits"]
        for name in ("encrypted_in_low_bits_and_rounded", "encrypted_in_low_bits")
    )
    assert rounded < 0.51 * whole
