"""What the benchmarks say of their own figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.figures import Pairs, at_least, at_most, format_rows, take_turns, write_rows


def test_a_ratio_is_that_of_the_medians_whatever_one_slow_pair_says() -> None:
    row = Pairs((2.0, 2.2, 90.0), (2.0, 2.0, 2.0)).row("cold", 1.10)
    assert (row.value, row.holds) == (1.1, True)


@pytest.mark.parametrize(("value", "holds"), [(1.1, True), (1.11, False)])
def test_a_limit_holds_up_to_its_value(value: float, *, holds: bool) -> None:
    assert at_most("cold", value, "ratio", 1.1).holds is holds


@pytest.mark.parametrize(("value", "holds"), [(200.0, True), (199.9, False)])
def test_a_rate_holds_from_its_value_on(value: float, *, holds: bool) -> None:
    assert at_least("collect", value, "MB/s", 200.0).holds is holds


def test_a_figure_that_is_only_stated_neither_holds_nor_fails() -> None:
    row = at_most("long", 1.7, "ratio", None)
    assert row.holds is None
    assert "NO" not in format_rows([row])


def test_the_two_sides_take_turns_and_so_does_who_goes_first() -> None:
    order: list[str] = []

    def side(name: str) -> float:
        order.append(name)
        return float(len(order))

    pairs = take_turns(2, lambda n: side(f"ours {n}"), lambda n: side(f"theirs {n}"))
    assert order == ["theirs 0", "ours 0", "ours 1", "theirs 1"]
    assert pairs == Pairs((2.0, 3.0), (1.0, 4.0))


def test_a_row_is_written_with_exactly_its_five_fields(tmp_path: Path) -> None:
    path = tmp_path / "results" / "seal.json"
    write_rows(path, {"cores": 2}, [at_most("cold", 1.0, "ratio", 1.1, "words")], {})
    written = json.loads(path.read_text())
    assert written["rows"] == [{"name": "cold", "value": 1.0, "unit": "ratio", "target": 1.1, "holds": True}]
    assert written["conditions"] == {"cores": 2}
