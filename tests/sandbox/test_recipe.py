"""What a recipe may say, what follows from it, and what of it a job and a dataset's schema decide."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from policies.canonical import canonical_json
from policies.errors import DocumentError
from policies.mechanisms import Gaussian, SampledGaussian
from policies.schema import DatasetSchema
from sandbox.bundle import check_parameters, parse_bundle
from sandbox.errors import BundleInvalidError
from sandbox.recipe import fits_schema, override, steps_and_rate, training_units
from sandbox.training import TrainingOrders, mechanisms, order_private
from tests.recipe_samples import (
    CATEGORY,
    NUMBERS,
    PICTURE,
    PRIVATE,
    SURVIVAL,
    YES_OR_NO,
    make_recipe,
    make_recipe_bundle,
)

AMOUNT = {"kind": "number", "column": "amount", "min": "0", "max": "4"}
CONV = {"kind": "conv", "channels": 4, "size": 3}
REGRESSION = {"task": "regression", "target": AMOUNT, "loss": {"kind": "huber"}}
CENSORED = {"task": "survival", "target": SURVIVAL}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a norm that single precision hardly knows": (
        {"privacy": {"epsilon": "1", "clipping_norm": "0.00009"}}, r"expected a norm from 0\.0001 to 10000, got 0\.00009"),
    "a norm that clips nothing": ({"privacy": {"epsilon": "1", "clipping_norm": "10000.1"}}, r"expected a norm"),
    "a layer that needs an image": ({"layers": [{"kind": "relu"}, CONV]}, r"layer 2: conv needs an image"),
    "a layer that needs a flat input": (
        {"features": [PICTURE], "layers": [CONV, {"kind": "linear", "units": 3}]}, r"layer 2: .*put flatten before"),
    "a window larger than what is left": (
        {"features": [PICTURE], "layers": [CONV, CONV, CONV, CONV]}, r"layer 4: conv: a window of 3 is larger"),
    "groups that don't divide the channels": (
        {"features": [PICTURE], "layers": [CONV, {"kind": "group-norm", "groups": 3}]}, r"layer 2: .*4 channels"),
    "a group of one number": (
        {"features": [PICTURE], "layers": [CONV | {"size": 8}, {"kind": "group-norm", "groups": 4}]},
        r"layer 2: .*one number"),
    "an instance of one number": (
        {"features": [PICTURE], "layers": [CONV | {"size": 8}, {"kind": "instance-norm"}]}, r"layer 2: .*one number"),
    "a layer that mixes the rows of a batch": ({"layers": [{"kind": "batch-norm"}]}, r"layers"),
    "the target among the features": ({"features": [*NUMBERS, YES_OR_NO]}, r"stands twice"),
    "an image beside other features": ({"features": [PICTURE, *NUMBERS]}, r"only feature"),
    "an image of another size": ({"features": [PICTURE | {"shape": [1, 8, 9]}]}, r"72 pixels, got 64"),
    "bounds the wrong way round": ({"features": [NUMBERS[0] | {"min": "4"}]}, r"min is not below max"),
    "bounds that are one number where it is computed": (
        {"features": [NUMBERS[0] | {"min": "1", "max": "1.00000000000000000001"}]}, r"min is not below max"),
    "a delta for which epsilon can't be computed": (
        {"privacy": PRIVATE | {"delta": "0.0000000001"}}, r"0.000000001 at least"),
    "a missing value outside the bounds": ({"features": [NUMBERS[0] | {"missing": "9"}]}, r"missing is not between"),
    "a target of another task": ({"target": AMOUNT}, r"can't have a target of the kind number"),
    "a loss of another task": ({"loss": {"kind": "cox"}}, r"needs a loss of: cross-entropy"),
    "the loss cox with privacy": ({**CENSORED, "loss": {"kind": "cox"}, "privacy": PRIVATE}, r"use discrete-hazard"),
    "evaluation without noise where privacy is asked for": (
        {"privacy": PRIVATE, "evaluation": {"hold_out": "0.2"}}, r"noise_multiplier belongs to privacy"),
    "noise where no privacy is asked for": (
        {"evaluation": {"hold_out": "0.2", "noise_multiplier": "1"}}, r"noise_multiplier belongs to privacy"),
    "a seed for the noise": ({"privacy": PRIVATE | {"seed": 1}}, r"seed"),
    "an epsilon of zero": ({"privacy": {"epsilon": "0"}}, r"epsilon"),
    "a number where decimal text belongs": ({"learning_rate": 0.5}, r"learning_rate"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "problem"), REFUSED.values(), ids=REFUSED)
def test_a_recipe_that_can_not_be_trained_is_refused_by_name(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        make_recipe(**changes)


OUTPUTS: dict[str, tuple[dict[str, Any], dict[str, list[int]], str | None]] = {
    "two classes": ({}, {"head.weight": [1, 4], "head.bias": [1]}, "accuracy"),
    "three classes": ({"target": CATEGORY}, {"head.weight": [3, 4], "head.bias": [3]}, "accuracy"),
    "an amount": (REGRESSION, {"head.weight": [1, 4], "head.bias": [1]}, "mean_absolute_error"),
    "hazards": (
        {**CENSORED, "loss": {"kind": "discrete-hazard", "intervals": 7}}, {"head.weight": [7, 4], "head.bias": [7]},
        "concordance",
    ),
    "an embedding": (
        {"features": [*NUMBERS, CATEGORY | {"embedding": 2}]},
        {"feature5.weight": [4, 2], "head.weight": [1, 6], "head.bias": [1]}, "accuracy",
    ),
    "a convolution": (
        {"features": [PICTURE], "layers": [CONV, {"kind": "max-pool", "size": 2}]},
        {"layer1.weight": [4, 1, 3, 3], "layer1.bias": [4], "head.weight": [1, 36], "head.bias": [1]}, "accuracy",
    ),
}  # fmt: skip


@pytest.mark.parametrize("norm", ["0.0001", "10000"])
def test_the_least_and_the_largest_norm_are_taken_and_a_job_can_not_go_past_them(norm: str) -> None:
    recipe = make_recipe(privacy=PRIVATE)
    changed = override(recipe, {"clipping_norm": norm}).privacy
    assert changed is not None
    assert changed.clipping_norm == norm
    with pytest.raises(DocumentError, match="expected a norm"):
        override(recipe, {"clipping_norm": "0." + 29 * "0" + "1"})


@pytest.mark.parametrize(("changes", "tensors", "metric"), OUTPUTS.values(), ids=OUTPUTS)
def test_what_leaves_follows_from_the_recipe(
    changes: dict[str, Any], tensors: dict[str, list[int]], metric: str
) -> None:
    outputs = make_recipe(**changes, evaluation={"hold_out": "0.2"}).outputs()
    assert outputs.weights is not None
    assert outputs.metrics is not None
    assert {tensor.name: tensor.shape for tensor in outputs.weights.tensors} == tensors
    assert [item.name for item in outputs.metrics.values] == [metric]
    assert make_recipe(**changes).outputs().metrics is None


def test_a_recipe_decides_alone_what_it_starts_and_hands_out() -> None:
    manifest = make_recipe_bundle(make_recipe()).manifest
    assert manifest.argv == ("python", "/data/transformations/algorithm")
    assert manifest.outputs == make_recipe().outputs()
    value = {
        "kind": "recipe",
        "name": "x",
        "version": "1",
        "image": manifest.image,
        "recipe": make_recipe().model_dump(mode="json"),
    }
    for name in ("main", "entrypoint", "outputs", "container", "gpus", "scorer"):
        with pytest.raises(BundleInvalidError, match=f"remove {name}"):
            parse_bundle({"algorithm.yaml": canonical_json(value | {name: None})})


def test_a_recipe_has_no_code_beside_it() -> None:
    bundle = make_recipe_bundle(make_recipe())
    with pytest.raises(
        BundleInvalidError, match=r"a recipe has no code: remove every file but algorithm\.yaml"
    ):
        parse_bundle({**bundle.files, "torch.py": b"print('hello')"})


def test_an_error_in_a_recipe_has_its_path() -> None:
    text = make_recipe_bundle(make_recipe()).files["algorithm.yaml"].replace(b'"epochs":2', b'"epochs":0')
    with pytest.raises(BundleInvalidError, match=r"recipe\..*epochs"):
        parse_bundle({"algorithm.yaml": text})


def test_a_job_may_say_otherwise_what_the_manifest_names_and_nothing_else() -> None:
    recipe = make_recipe(privacy=PRIVATE)
    bundle = make_recipe_bundle(recipe, parameters=("epochs", "epsilon"))
    parameters = {"epochs": 9, "epsilon": "1.5"}
    check_parameters(bundle.manifest, parameters)
    changed = override(recipe, parameters)
    assert changed.epochs == 9
    assert changed.privacy is not None
    assert (changed.privacy.epsilon, changed.privacy.clipping_norm) == ("1.5", "0.5")
    others: list[dict[str, Any]] = [{"seed": 3}, {"epochs": 0}, {"epsilon": "-1"}, {"layers": []}]
    for refused in others:
        with pytest.raises(BundleInvalidError):
            check_parameters(bundle.manifest, refused)
    with pytest.raises(DocumentError):
        override(make_recipe(), {"epsilon": "1"})  # no privacy, nothing to change in it
    with pytest.raises(BundleInvalidError, match="parameters of a recipe are"):
        make_recipe_bundle(recipe, parameters=("features",))


COLUMNS = [
    *({"name": item["column"], "kind": "number", "min": "-1.0", "max": "3"} for item in NUMBERS),
    {"name": "c", "kind": "category", "categories": ["red", "green", "blue"]},
    {"name": "y", "kind": "boolean"},
    {"name": "t", "kind": "integer", "min": "0", "max": "10"},
    {"name": "e", "kind": "boolean"},
]
DIFFERING: dict[str, tuple[dict[str, Any], str]] = {
    "a bound": ({"features": [NUMBERS[0] | {"max": "3.5"}]}, "max is 3.5 in the recipe and 3 in the schema"),
    "a category left out": ({"features": [CATEGORY | {"categories": ["red", "blue"]}]}, "categories"),
    "categories in another order": ({"target": CATEGORY | {"categories": ["blue", "green", "red"]}}, "categories"),
    "a column that isn't there": ({"target": YES_OR_NO | {"column": "z"}}, "no column 'z'"),
    "a column of another kind": ({"features": [NUMBERS[0] | {"kind": "integer"}]}, "kind is integer"),
    "pixels of other bounds": (
        {"features": [PICTURE | {"pixels": ["n0", "n1"], "shape": [1, 1, 2], "max": "4"}]}, "column 'n0': min"),
    "an event that is a category": (
        {**CENSORED, "target": SURVIVAL | {"event": "c"}, "loss": {"kind": "cox"}}, "column 'c': kind"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "problem"), DIFFERING.values(), ids=DIFFERING)
def test_a_recipe_for_other_data_is_told_in_words(changes: dict[str, Any], problem: str) -> None:
    schema = DatasetSchema.model_validate({"columns": COLUMNS})
    assert fits_schema(make_recipe(features=[*NUMBERS, CATEGORY]), schema) is None
    assert fits_schema(make_recipe(**CENSORED, loss={"kind": "cox"}), schema) is None
    assert problem in (fits_schema(make_recipe(**changes), schema) or "")


@given(units=st.integers(1, 10**7), batch=st.integers(1, 10**5), epochs=st.integers(1, 1000))
def test_steps_make_the_epochs_and_no_unit_is_taken_more_often_than_the_batch_asks_for(
    units: int, batch: int, epochs: int
) -> None:
    recipe = make_recipe(batch_size=batch, epochs=epochs, privacy=PRIVATE)
    steps, text = steps_and_rate(recipe, units)
    rate = Decimal(text)
    assert 0 < rate <= 1
    assert rate * units <= batch
    assert steps == 10**7 or abs(steps * rate - epochs) <= 1
    orders = order_private(recipe, units=units, noise_multiplier="1.5", unit="row")
    assert mechanisms(orders) == (SampledGaussian(noise_multiplier="1.5", sampling_rate=text, steps=steps),)


def test_evaluation_is_a_mechanism_of_its_own_and_holds_units_out_of_training() -> None:
    recipe = make_recipe(privacy=PRIVATE, evaluation={"hold_out": "0.2", "noise_multiplier": "8"})
    assert training_units(recipe, 1000) == 800
    assert steps_and_rate(recipe, 1000) == (100, "0.02")
    orders = order_private(recipe, units=1000, noise_multiplier="1.5", unit="row")
    assert mechanisms(orders)[1] == Gaussian(noise_multiplier="8")


def test_there_are_no_orders_to_train_with_privacy_but_without_noise() -> None:
    with pytest.raises(ValidationError, match="not trained without it"):
        TrainingOrders(recipe=make_recipe(privacy=PRIVATE))
    assert mechanisms(TrainingOrders(recipe=make_recipe())) == ()
