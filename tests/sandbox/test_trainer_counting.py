"""What the trainer counts, and the noise that it adds: each row in one cell of each histogram, each unit bounded."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest

from policies.privacy import ColumnUnit
from sandbox.guest.trainer.counting import count_private, place
from sandbox.guest.trainer.main import run_counting
from sandbox.guest.trainer.noise import Keystream
from sandbox.guest.trainer.tables import ColumnMissingError
from sandbox.training import order_private
from tests.synthesis_samples import make_recipe, planted

SEED = hashlib.sha256(b"seed").digest()
LEAST = "0.000001"
"""So little noise that the counts stand out."""


def orders(
    *, noise: str = LEAST, unit: Literal["row"] | ColumnUnit = "row", **changes: Any
) -> dict[str, Any]:
    return order_private(make_recipe(**changes), units=100, noise_multiplier=noise, unit=unit).document()


def count(table: pd.DataFrame, **changes: Any) -> dict[str, Any]:
    return count_private(table.astype(str), orders(**changes), Keystream(SEED))


def test_every_row_is_in_one_cell_of_each_histogram_and_pairs_agree_with_their_columns() -> None:
    found = count(planted(500, seed=1))
    for counts in found.values():
        assert counts.sum() == pytest.approx(500, abs=0.01)
    assert found["count4"].sum(axis=1) == pytest.approx(found["count1"], abs=0.01)
    assert found["count4"].sum(axis=0) == pytest.approx(found["count2"], abs=0.01)


@pytest.mark.parametrize(
    ("feature", "values", "cells"),
    [
        (
            {"kind": "number", "min": "0", "max": "10", "scale": "linear"},
            ["0", "9.99", "10", "-3", "99", "", "x", "inf"],
            [0, 4, 4, 0, 4, 5, 5, 5],
        ),
        (
            {"kind": "number", "min": "0", "max": "100", "scale": "root"},
            ["0", "3.9", "4.1", "63", "65", "100"],
            [0, 0, 1, 3, 4, 4],
        ),
        (
            {"kind": "integer", "min": "0", "max": "4", "scale": "root"},
            ["0", "1", "2", "3", "4", "2.0"],
            [0, 1, 2, 3, 4, 2],
        ),
        ({"kind": "boolean"}, ["True", "false", "1", "no", "", "maybe"], [1, 0, 1, 0, 5, 5]),
        ({"kind": "category", "categories": ["a", "b"]}, ["b", "a", "A", "", "c"], [1, 0, 5, 5, 5]),
    ],
)
def test_a_value_is_in_the_cell_of_its_recipe_and_what_is_unknown_in_the_last(
    feature: dict[str, Any], values: list[str], cells: list[int]
) -> None:
    assert place(pd.Series(values), feature, 5).tolist() == cells


def test_a_unit_adds_no_more_rows_than_its_bound_and_the_noise_grows_with_that() -> None:
    table = planted(300, seed=1).assign(patient="P-1")
    bound = ColumnUnit(column="patient", max_rows=2)
    found = count(table, unit=bound)
    assert all(counts.sum() == pytest.approx(2, abs=0.01) for counts in found.values())
    one = np.concatenate([c.ravel() for c in count(table.iloc[:0], noise="10").values()])
    two = np.concatenate([c.ravel() for c in count(table.iloc[:0], noise="10", unit=bound).values()])
    assert 6 < one.std() < 14
    assert 12 < two.std() < 28


def test_one_unit_more_changes_no_other_cell_than_its_own_rows() -> None:
    table = planted(90, seed=2)
    bound = ColumnUnit(column="patient", max_rows=3)
    less = table[table["patient"] != "P-7"]
    before, after = count(less, unit=bound), count(table, unit=bound)
    for name, counts in after.items():
        moved = np.rint(counts - before[name])
        assert np.linalg.norm(moved) <= 3
        assert moved.sum() == 3


def test_noise_is_drawn_anew_for_every_seed_and_lies_on_its_own_grid() -> None:
    table = planted(50, seed=1)
    first = count_private(table, orders(noise="3"), Keystream(SEED))
    again = count_private(table, orders(noise="3"), Keystream(SEED))
    other = count_private(table, orders(noise="3"), Keystream(SEED[::-1]))
    assert all((first[name] == again[name]).all() for name in first)
    assert not any((first[name] == other[name]).all() for name in first)
    grid = 2.0**-5
    assert all((np.rint(counts / grid) * grid == counts).all() for counts in first.values())


def test_data_without_the_columns_or_orders_without_noise_count_nothing(tmp_path: Path) -> None:
    (tmp_path / "0").write_text("dose,smoker\n1,True\n")
    with pytest.raises(ColumnMissingError):
        run_counting(orders(), [str(tmp_path)], seed=SEED)
    for broken in (orders() | {"private": None}, orders() | {"version": 2}):
        with pytest.raises(ValueError, match="orders"):
            run_counting(broken, [str(tmp_path)], seed=SEED)
    with pytest.raises(ValueError, match="orders"):
        run_counting(orders(), [str(tmp_path), str(tmp_path)], seed=SEED)
