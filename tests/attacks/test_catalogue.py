"""What the suite holds, and that the table on the page for security officers is that of this suite."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from sandbox.spec import ExitReason, Runtime
from tests.attacks.catalogue import (
    ATTACKS,
    BESIDE,
    ENDS,
    FOLDER,
    GROUPS,
    KIT,
    LIMITS,
    SILENT,
    Attack,
    all_committed,
    committed,
)
from tests.attacks.unsealed import WITHOUT

EACH = pytest.mark.parametrize("attack", ATTACKS.values(), ids=list(ATTACKS))


def test_there_are_enough_attacks_of_every_kind() -> None:
    counted = Counter(attack.group for attack in ATTACKS.values())
    assert sum(counted.values()) >= 64
    assert set(counted) == set(GROUPS)
    assert min(counted.values()) >= 6


def test_every_file_is_an_attack() -> None:
    files = {path for path in FOLDER.rglob("*.py") if path.parent != FOLDER}
    assert files == {attack.path for attack in ATTACKS.values()}


def test_every_table_speaks_of_attacks_that_are_there() -> None:
    for table in (ENDS, LIMITS, SILENT, BESIDE, WITHOUT):
        assert set(table) <= set(ATTACKS)


def test_many_attacks_are_shown_to_work_without_the_seal() -> None:
    assert len(WITHOUT) >= 20


@EACH
def test_an_attack_says_what_it_tries_in_one_line_and_uses_the_kit(attack: Attack) -> None:
    assert re.fullmatch(r"[A-Z][^\n]{20,160}\.", attack.tries)
    assert f"from {KIT.stem} import" in attack.path.read_text()


@EACH
def test_the_committed_outcomes_cover_both_runtimes_and_no_attack_got_anything(attack: Attack) -> None:
    assert all_committed()[attack.name]["works_without_the_seal"] == (attack.name in WITHOUT)
    for runtime in Runtime:
        known = committed(attack.name, runtime)
        assert known["gained"] == []
        assert ExitReason(known["ended"]) in attack.ends[runtime]


def test_lack_of_memory_lack_of_time_and_too_much_output_end_differently() -> None:
    for runtime in Runtime:
        ends = [
            ATTACKS[name].ends[runtime]
            for name in ("resources/memory", "resources/processor", "resources/output_bytes")
        ]
        assert ends == [{ExitReason.OUT_OF_MEMORY}, {ExitReason.TIMEOUT}, {ExitReason.TOO_MUCH_OUTPUT}]
