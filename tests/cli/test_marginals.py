"""Rows drawn from noisy counts: what was planted comes through at a generous epsilon, and rows stay valid at a small one."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from cli.errors import InputError
from cli.marginals import Floats, decode, draw_measured, read_counts
from sandbox.counting import NumberCells, SynthesisRecipe
from sandbox.guest.trainer.counting import place
from tests.schema_samples import every_kind
from tests.synthesis_samples import STAGES, make_recipe, planted

ROWS = 3000


def count(recipe: SynthesisRecipe, rows: pd.DataFrame, *, deviation: float) -> dict[str, Floats]:
    """Count in the plainest way, with noise from a generator that is good enough for a test."""
    source = np.random.default_rng(1)
    cells = {
        "dose": np.minimum((rows["dose"] / 1.5).astype(int), 6),
        "smoker": rows["smoker"].astype(int),
        "stage": rows["stage"].map(STAGES.index),
    }
    found = {}
    for number, names in enumerate(recipe.histograms, start=1):
        counts = np.zeros(recipe.shape_of(names))
        np.add.at(counts, tuple(cells[name] for name in names), 1)
        found[f"count{number}"] = counts + source.normal(0, deviation, counts.shape)
    return found


def draw(deviation: float) -> pd.DataFrame:
    recipe = make_recipe()
    counts = count(recipe, planted(ROWS, seed=1), deviation=deviation)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # within the library
        return draw_measured(recipe, every_kind(), counts, 2000, seed=5)


def test_marginals_and_a_planted_dependency_come_through_a_little_noise() -> None:
    real, made = planted(ROWS, seed=1), draw(deviation=5)
    assert abs(made["smoker"].mean() - real["smoker"].mean()) < 0.04
    assert abs((made["stage"] == "IV").mean() - (real["stage"] == "IV").mean()) < 0.04
    smokers, others = made[made["smoker"].astype(bool)], made[~made["smoker"].astype(bool)]
    assert (smokers["dose"] > 6).mean() > 0.95
    assert (others["dose"] < 4.5).mean() > 0.95
    assert (smokers["stage"] == "IV").mean() > 0.75
    assert (others["stage"] == "I").mean() > 0.75


def test_rows_from_almost_nothing_but_noise_are_still_rows_of_the_schema() -> None:
    made = draw(deviation=5000)
    assert list(made.columns) == [column.name for column in every_kind().columns]
    assert made["dose"].between(0, 10.5).all()
    assert set(made["stage"]) <= set(STAGES)
    assert set(made["smoker"]) <= {True, False}
    assert made["age"].between(0, 120).all()


def test_a_whole_number_lies_in_its_cell() -> None:
    feature = NumberCells(kind="integer", column="age", min="0", max="120", bins=16)
    cells = np.arange(16).repeat(50)
    values = decode(feature, cells, np.random.default_rng(1))
    assert all(cell * 7.5 <= value <= (cell + 1) * 7.5 for cell, value in zip(cells, values, strict=True))
    assert set(
        decode(
            NumberCells(kind="integer", column="x", min="0", max="3"), np.arange(4), np.random.default_rng(1)
        )
    ) == {0, 1, 2, 3}


def test_a_number_of_which_the_root_was_taken_lies_in_its_cell() -> None:
    feature = NumberCells(kind="number", column="x", min="0", max="100", bins=10, scale="root")
    cells = np.arange(10).repeat(20)
    values = decode(feature, cells, np.random.default_rng(1))
    found = place(values.astype(str), feature.model_dump(), 10)
    assert (found == cells).all()
    assert values[cells == 0].max() <= 1


def test_what_was_released_is_read_as_the_recipe_declares_it(tmp_path: Path) -> None:
    recipe = make_recipe()
    tensors = {
        f"count{number}": np.full(recipe.shape_of(names), number, np.float32)
        for number, names in enumerate(recipe.histograms, start=1)
    }
    save_file(tensors, tmp_path / "model.safetensors")
    found = read_counts(tmp_path / "model.safetensors", recipe)
    assert {name: value.shape for name, value in found.items()} == {
        name: value.shape for name, value in tensors.items()
    }
    assert float(found["count4"][0, 0]) == 4
    with pytest.raises(InputError, match="is not what this recipe releases"):
        read_counts(tmp_path / "model.safetensors", make_recipe(target=None))


def test_a_recipe_for_another_schema_is_refused() -> None:
    recipe = make_recipe(target=None, features=[{"kind": "boolean", "column": "stage"}])
    with pytest.raises(InputError, match="not for this dataset: column 'stage'"):
        draw_measured(recipe, every_kind(), {}, 10, seed=1)


def test_without_the_library_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jax", None)
    recipe = make_recipe()
    counts = count(recipe, planted(50, seed=1), deviation=1)
    with pytest.raises(InputError) as caught:
        draw_measured(recipe, every_kind(), counts, 10, seed=1)
    assert "sealroom[synth]" in caught.value.remedy
