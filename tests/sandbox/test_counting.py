"""What a synthesis recipe counts, and all that leaves of it, follow from the recipe alone."""

from __future__ import annotations

from typing import Any

import pytest

from policies.errors import DocumentError
from policies.mechanisms import Gaussian
from policies.privacy import ColumnUnit
from sandbox.bundle import parse_bundle
from sandbox.counting import BooleanCells, CategoryCells, NumberCells, SynthesisRecipe
from sandbox.errors import BundleInvalidError
from sandbox.recipe import fits_schema, override
from sandbox.training import PrivateCounting, TrainingOrders, mechanisms, order_private
from tests.schema_samples import every_kind
from tests.synthesis_samples import FEATURES, make_recipe

MANIFEST = """\
kind: recipe
name: ward-counts
version: "1"
image: sha256:{image}
parameters: {{type: object, additionalProperties: false, properties: {{epsilon: {{type: string}}}}}}
recipe:
  task: synthesis
  features:
    - {{kind: number, column: dose, min: "0", max: "10.5", bins: 7}}
    - {{kind: boolean, column: smoker}}
  target: smoker
  privacy: {{epsilon: 1}}
"""


def test_each_column_and_each_pair_with_the_target_has_a_histogram_with_a_cell_for_what_is_missing() -> None:
    recipe = make_recipe()
    assert recipe.histograms == (
        ("dose",),
        ("smoker",),
        ("stage",),
        ("dose", "smoker"),
        ("stage", "smoker"),
    )
    weights = recipe.outputs().weights
    assert weights is not None
    assert [(tensor.name, tensor.shape) for tensor in weights.tensors] == [
        ("count1", [8]),
        ("count2", [3]),
        ("count3", [5]),
        ("count4", [8, 3]),
        ("count5", [5, 3]),
    ]
    assert recipe.outputs().metrics is None


@pytest.mark.parametrize(
    ("kind", "low", "high", "bins", "width"),
    [
        ("number", "0", "1", 4, 4),
        ("integer", "0", "3", 16, 4),
        ("integer", "0", "120", 16, 16),
        ("integer", "0.5", "3.5", 16, 3),
        ("integer", "-2", "2", 5, 5),
    ],
)
def test_whole_numbers_have_a_cell_each_where_there_are_few(
    kind: Any, low: str, high: str, bins: int, width: int
) -> None:
    assert NumberCells(kind=kind, column="x", min=low, max=high, bins=bins).width == width


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"target": "age"}, "the target 'age' is not among features"),
        ({"pairs": [["dose", "stage"]]}, "the pair 'dose', 'stage' closes a circle"),
        ({"pairs": [["dose", "dose"]]}, "closes a circle"),
        ({"pairs": [["dose", "age"]]}, "names a column that is not among features"),
        ({"features": [FEATURES[0], FEATURES[0]], "target": None}, "a column stands twice"),
        ({"features": []}, "features"),
        ({"privacy": None}, "privacy"),
        ({"privacy": {"epsilon": "1", "clipping_norm": "1"}}, "unknown key"),
        ({"privacy": {"epsilon": "1", "delta": "0.0000000009"}}, "0.000000001 at least"),
        ({"features": [FEATURES[0] | {"bins": 1001}], "target": None}, "bins"),
        (
            {"features": [FEATURES[0] | {"min": "1", "max": "1.00000000000000000001"}], "target": None},
            "min is not below max",
        ),
        ({"features": [FEATURES[0] | {"embedding": 2}], "target": None}, "unknown key"),
    ],
)
def test_a_recipe_that_does_not_hold_is_refused_with_the_reason(
    changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(DocumentError) as caught:
        make_recipe(**changes)
    assert problem in str(caught.value)


def test_pairs_without_a_target_may_make_any_tree() -> None:
    recipe = make_recipe(target=None, pairs=[["dose", "stage"], ["stage", "smoker"]])
    assert recipe.paired == (("dose", "stage"), ("stage", "smoker"))


def test_more_cells_than_leave_are_refused() -> None:
    wide = [{"kind": "number", "column": f"c{at}", "min": "0", "max": "1", "bins": 1000} for at in range(20)]
    with pytest.raises(DocumentError, match="cells"):
        make_recipe(features=wide, target="c0")


def test_it_fits_a_schema_whose_columns_it_has_as_they_are() -> None:
    assert fits_schema(make_recipe(), every_kind()) is None
    wider = make_recipe(features=[FEATURES[0] | {"max": "11"}], target=None)
    assert "max is 11 in the recipe and 10.5 in the schema" in (fits_schema(wider, every_kind()) or "")


@pytest.mark.parametrize("unit", ["row", ColumnUnit(column="patient", max_rows=3)])
def test_the_orders_name_every_histogram_and_cost_one_gaussian_mechanism_for_each(unit: Any) -> None:
    orders = order_private(make_recipe(), units=100, noise_multiplier="2.5", unit=unit)
    assert isinstance(orders.private, PrivateCounting)
    assert [(item.columns, item.shape) for item in orders.private.histograms][3] == (
        ("dose", "smoker"),
        (8, 3),
    )
    assert mechanisms(orders) == (Gaussian(noise_multiplier="2.5", count=5),)


def test_orders_of_one_task_are_not_those_of_another() -> None:
    orders = order_private(make_recipe(), units=100, noise_multiplier="2.5", unit="row")
    with pytest.raises(ValueError, match="noise belongs to a recipe with privacy"):
        TrainingOrders(recipe=make_recipe())
    training = {"noise_multiplier": "1", "sampling_rate": "0.1", "steps": 10, "divisor": "10"}
    with pytest.raises(ValueError, match="histograms belong to the task synthesis"):
        TrainingOrders.model_validate(orders.document() | {"private": training})


def test_a_bundle_of_it_has_its_outputs_computed_and_takes_another_epsilon_alone() -> None:
    bundle = parse_bundle({"algorithm.yaml": MANIFEST.format(image="0" * 64).encode()})
    recipe = bundle.manifest.recipe
    assert isinstance(recipe, SynthesisRecipe)
    assert bundle.manifest.outputs == recipe.outputs()
    assert override(recipe, {"epsilon": "2"}).privacy == recipe.privacy.model_copy(update={"epsilon": "2"})
    for name in ("clipping_norm", "epochs", "seed"):
        with pytest.raises(DocumentError):
            override(recipe, {name: 1})
    with pytest.raises(BundleInvalidError):
        parse_bundle({"algorithm.yaml": MANIFEST.format(image="0" * 64).encode() + b"outputs: {}\n"})


def test_cells_of_other_kinds_are_their_values() -> None:
    assert BooleanCells(column="x").width == 2
    assert CategoryCells(column="x", categories=("a", "b", "c")).width == 3
