"""The trainer as a whole, on the host: what it reads, what it never takes from data, and that it gives what is declared."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from provider.gate.scores import check_probabilities, parse_scores
from sandbox.guest.trainer import main as trainer
from sandbox.guest.trainer.encoding import encode
from sandbox.guest.trainer.losses import cox, discrete_hazard
from sandbox.guest.trainer.model import MaxPool, Model
from sandbox.guest.trainer.noise import Keystream
from sandbox.guest.trainer.scoring import score
from sandbox.guest.trainer.tables import ColumnMissingError, read_tables
from sandbox.guest.trainer.training import train_private
from sandbox.guest.trainer.units import each_row, gather_units, split_units
from sandbox.recipe import TrainingRecipe
from sandbox.training import TrainingOrders
from tests.recipe_samples import (
    CATEGORY,
    NUMBERS,
    PICTURE,
    PRIVATE,
    SURVIVAL,
    YES_OR_NO,
    make_orders,
    make_recipe,
    make_recipe_bundle,
    make_table,
)

SEED = bytes(range(32))
AMOUNT = {"kind": "number", "column": "amount", "min": "0", "max": "4"}


def train(
    folder: Path, orders: TrainingOrders, *, seed: bytes = SEED, table: pd.DataFrame | None = None
) -> dict[str, Any]:
    """Train on a table, and return what was written: tensors by name, and metrics."""
    data, outputs = folder / "data", folder / "outputs"
    for made in (data, outputs):
        made.mkdir(parents=True, exist_ok=True)
    (make_table() if table is None else table).to_csv(data / "0", index=False)
    trainer.write(*trainer.run(orders.document(), [str(data)], seed=seed), str(outputs))
    metrics = outputs / "metrics.json"
    found: dict[str, Any] = dict(load_file(outputs / "model.safetensors"))
    return found | ({"metrics": json.loads(metrics.read_text())} if metrics.exists() else {})


LAYERS = st.lists(
    st.sampled_from(
        [
            {"kind": "linear", "units": 3},
            {"kind": "layer-norm"},
            {"kind": "relu"},
            {"kind": "dropout", "rate": "0.5"},
            {"kind": "flatten"},
        ]
    ),
    max_size=4,
)
IMAGE_LAYERS = st.permutations(
    [
        {"kind": "max-pool", "size": 2},
        {"kind": "average-pool", "size": 2},
        {"kind": "conv", "channels": 4, "size": 3, "padding": 1},
        {"kind": "group-norm", "groups": 1},
        {"kind": "layer-norm"},
        {"kind": "tanh"},
    ]
).flatmap(lambda layers: st.integers(0, 4).map(lambda count: layers[:count]))
TASKS: list[dict[str, Any]] = [
    {"target": YES_OR_NO},
    {"target": CATEGORY},
    {"task": "regression", "target": AMOUNT, "loss": {"kind": "huber"}},
    {"task": "survival", "target": SURVIVAL, "loss": {"kind": "discrete-hazard", "intervals": 4}},
]
INPUTS: list[dict[str, Any]] = [
    NUMBERS[0] | {"indicator": True},
    NUMBERS[1],
    CATEGORY,
    CATEGORY | {"embedding": 2},
]
FEATURES = st.lists(
    st.sampled_from(INPUTS),
    min_size=1,
    max_size=3,
    unique_by=lambda item: str(item["column"]),
)


@st.composite
def recipes(draw: st.DrawFn) -> TrainingRecipe:
    is_image = draw(st.booleans())
    task = draw(st.sampled_from(TASKS))
    features: list[dict[str, Any]] = [PICTURE] if is_image else draw(FEATURES)
    if task["target"] is CATEGORY:
        features = [item for item in features if item["kind"] != "category"] or NUMBERS
    private = draw(st.booleans())
    evaluation = {"hold_out": "0.3"} | ({"noise_multiplier": "1"} if private else {})
    return make_recipe(
        **task,
        features=features,
        layers=draw(IMAGE_LAYERS if is_image else LAYERS),
        optimizer=draw(st.sampled_from([{"kind": "sgd", "momentum": "0.5"}, {"kind": "adam"}])),
        privacy=PRIVATE if private else None,
        evaluation=draw(st.sampled_from([None, evaluation])),
        average_last=draw(st.sampled_from([None, "0.5", "1"])),
        epochs=1,
    )


@settings(max_examples=25, deadline=None)
@given(recipes())
def test_what_is_written_is_what_was_declared(
    tmp_path_factory: pytest.TempPathFactory, recipe: TrainingRecipe
) -> None:
    written = train(tmp_path_factory.mktemp("trained"), make_orders(recipe))
    declared = recipe.outputs()
    assert declared.weights is not None
    metrics = written.pop("metrics", {})
    assert {name: list(value.shape) for name, value in written.items()} == {
        tensor.name: tensor.shape for tensor in declared.weights.tensors
    }
    assert {value.dtype for value in written.values()} == {np.dtype(np.float32)}
    ranges = {item.name: item for item in declared.metrics.values} if declared.metrics else {}  # noqa: PD011 - no frame
    assert metrics.keys() == ranges.keys()
    for name, value in metrics.items():
        assert float(ranges[name].min) <= value <= float(ranges[name].max)


def test_a_seed_decides_everything_without_privacy_and_neither_noise_nor_sampling_with_it(
    tmp_path: Path,
) -> None:
    plain, private = make_orders(make_recipe()), make_orders(make_recipe(privacy=PRIVATE))
    other = bytes(32)
    assert np.array_equal(
        train(tmp_path, plain)["head.weight"], train(tmp_path, plain, seed=other)["head.weight"]
    )
    first, second = (train(tmp_path, private, seed=seed)["head.weight"] for seed in (SEED, other))
    assert not np.array_equal(first, second)


def test_a_batch_of_nobody_is_noise_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[torch.Tensor] = []
    monkeypatch.setattr(
        "sandbox.guest.trainer.training.Steps.apply", lambda _, gradient: steps.append(gradient)
    )
    recipe = make_recipe(privacy=PRIVATE)
    orders = make_orders(recipe, steps=200).document()
    data = encode(make_table(), orders["recipe"])
    train_private(Model(orders["recipe"]), data, each_row(0), orders, Keystream(SEED))
    spread = torch.stack(steps).std() * 16 / 0.5
    assert len(steps) == 200
    assert abs(float(spread) / 0.5 - 1) < 0.1


NONSENSE = {
    "empty": "", "text": "abc", "not a number": "nan", "infinite": "-inf", "huge": "1e999", "far outside": "1e6",
    "quoted": '"', "null byte": "\0",
}  # fmt: skip


@pytest.mark.parametrize("value", NONSENSE.values(), ids=NONSENSE)
def test_whatever_stands_in_a_row_is_clipped_or_replaced_and_ends_nothing(tmp_path: Path, value: str) -> None:
    table = make_table().astype(str)
    table.iloc[3] = value
    recipe = make_recipe(
        features=[*NUMBERS, CATEGORY],
        privacy=PRIVATE,
        evaluation={"hold_out": "0.3", "noise_multiplier": "1"},
    )
    written = train(tmp_path, make_orders(recipe), table=table)
    assert np.isfinite(written["head.weight"]).all()


def test_a_row_is_encoded_by_the_recipe_alone() -> None:
    recipe = make_recipe(
        features=[*NUMBERS, CATEGORY | {"embedding": None}, {"kind": "boolean", "column": "e"}]
    )
    table, document = make_table(), recipe.model_dump(mode="json")
    whole = encode(table, document)
    for row in (0, 7, 59):
        alone = encode(table.iloc[[row]].reset_index(drop=True), document)
        assert torch.equal(alone.inputs[0], whole.inputs[row])
        assert torch.equal(alone.targets[0], whole.targets[row])
    assert whole.inputs.abs().max() <= 1


def test_numbers_are_scaled_between_their_bounds_and_missing_ones_are_what_the_recipe_says() -> None:
    feature = {
        "kind": "number",
        "column": "n",
        "min": "10",
        "max": "20",
        "missing": "12.5",
        "indicator": True,
    }
    recipe = make_recipe(features=[feature]).model_dump(mode="json")
    table = pd.DataFrame({"n": ["10", "15", "20", "1000", "", "x"], "y": "true"})
    assert encode(table, recipe).inputs.tolist() == [[-1, 0], [0, 0], [1, 0], [1, 0], [-0.5, 1], [-0.5, 1]]


def test_categories_have_their_places_and_unknown_ones_none() -> None:
    table = pd.DataFrame({"c": ["green", "red", "violet", ""], "y": "true"})
    one_hot = encode(table, make_recipe(features=[CATEGORY]).model_dump(mode="json"))
    assert one_hot.inputs.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]]
    embedded = encode(table, make_recipe(features=[CATEGORY | {"embedding": 2}]).model_dump(mode="json"))
    assert embedded.codes[:, 0].tolist() == [2, 1, 0, 0]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_tables_of_both_forms_are_read_in_the_order_of_their_numbers(tmp_path: Path, form: str) -> None:
    for number in (0, 10, 2):
        table = pd.DataFrame({"b": [number, number], "a": ["x", "NA"]})
        content = io.BytesIO()
        table.to_csv(content, index=False) if form == "csv" else table.to_parquet(content, index=False)
        (tmp_path / str(number)).write_bytes(content.getvalue())
    read = read_tables(str(tmp_path), ["a", "b"])
    assert [int(value) for value in read["b"]] == [0, 0, 2, 2, 10, 10]
    assert list(read["a"]) == ["x", "NA"] * 3  # a category may be called so


def test_a_table_without_a_column_is_refused_without_a_word_about_it(tmp_path: Path) -> None:
    (tmp_path / "0").write_text("a,b\n4711,2\n")
    with pytest.raises(ColumnMissingError) as caught:
        read_tables(str(tmp_path), ["a", "c"])
    assert "4711" not in str(caught.value)


def test_units_have_all_their_rows_up_to_the_most_and_no_others() -> None:
    table = make_table(300)
    units = gather_units(table, {"column": "who", "max_rows": 3}, Keystream(SEED))
    kept = [units.take(np.array([unit])).used().tolist() for unit in range(len(units))]
    owners = [{table["who"][row] for row in rows} for rows in kept]
    assert all(len(owner) == 1 for owner in owners)
    counts = table["who"].value_counts()
    assert {next(iter(owner)): len(rows) for owner, rows in zip(owners, kept, strict=True)} == counts.clip(
        upper=3
    ).to_dict()


def test_a_unit_has_room_for_its_own_rows_whatever_the_others_have() -> None:
    owner = ["a"] + 2 * ["b"] + 3 * ["c"] + 5 * ["d"] + 500 * ["e"]
    units = gather_units(pd.DataFrame({"who": owner}), {"column": "who", "max_rows": 300}, Keystream(SEED))
    widths, used = {}, []
    for block in units.blocks():
        for rows, present in zip(block.rows.tolist(), block.present.tolist(), strict=True):
            (name,) = {owner[row] for row in rows}
            widths[name] = len(rows), sum(present)
            used += [row for row, is_there in zip(rows, present, strict=True) if is_there]
    assert widths == {"a": (1, 1), "b": (2, 2), "c": (4, 3), "d": (8, 5), "e": (512, 300)}
    assert sorted(used) == sorted(units.used().tolist())


def test_a_unit_is_held_out_with_all_its_rows_or_not_at_all() -> None:
    units = gather_units(make_table(300), {"column": "who", "max_rows": 3}, Keystream(SEED))
    trained, held_out = split_units(units, "0.3", Keystream(SEED))
    assert len(trained) + len(held_out) == len(units)
    assert 0.15 < len(held_out) / len(units) < 0.45
    assert sorted([*trained.used().tolist(), *held_out.used().tolist()]) == sorted(units.used().tolist())


def test_training_with_units_of_several_rows_learns(tmp_path: Path) -> None:
    recipe = make_recipe(
        privacy=PRIVATE | {"clipping_norm": "2"}, evaluation={"hold_out": "0.3", "noise_multiplier": "1"}
    )
    orders = make_orders(recipe, steps=60, noise_multiplier="0.3", unit={"column": "who", "max_rows": 5})
    assert train(tmp_path, orders, table=make_table(600))["metrics"]["accuracy"] > 0.8


def test_cox_is_the_partial_likelihood() -> None:
    targets = torch.tensor([[1.0, 1], [2.0, 0], [3.0, 1], [4.0, 1]])
    risk = torch.tensor([[0.3], [-0.2], [0.5], [0.1]])
    e = torch.exp(risk[:, 0])
    expected = -(torch.log(e[0] / e.sum()) + torch.log(e[2] / (e[2] + e[3]))) / 3
    assert torch.allclose(cox(risk, targets), expected)


def test_a_hazard_is_the_likelihood_of_what_was_survived_and_what_came() -> None:
    said = torch.tensor([[0.0, 1.0, 2.0, 3.0]]).repeat(3, 1)
    targets = torch.tensor(
        [[-0.25, 1.0], [-0.25, 0.0], [0.1, 0.0]]
    )  # of 8: at 3 with the event, at 3 and 4.4 censored
    hazard = torch.sigmoid(said[0])
    survived = torch.log(1 - hazard)
    expected = torch.stack(
        [-(survived[0] + torch.log(hazard[1])), -(survived[0] + survived[1]), -(survived[0] + survived[1])]
    )
    assert torch.allclose(discrete_hazard(said, targets), expected)


@pytest.mark.parametrize(
    ("size", "shape"), [(2, (3, 2, 7, 8)), (3, (2, 1, 9, 10))], ids=["of two", "of three"]
)
def test_pooling_is_pytorchs_and_so_is_its_gradient(size: int, shape: tuple[int, ...]) -> None:
    images = torch.randn(shape, generator=torch.Generator().manual_seed(1)).requires_grad_()
    ours, theirs = MaxPool(size)(images), torch.nn.MaxPool2d(size)(images)
    assert torch.equal(ours, theirs)
    weights = torch.randn(ours.shape, generator=torch.Generator().manual_seed(2))
    gradients = [torch.autograd.grad((said * weights).sum(), images)[0] for said in (ours, theirs)]
    assert torch.equal(*gradients)


def test_an_unexpected_end_says_its_kind_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    trainer._say_kind(ValueError, ValueError("the patient is 47 years old"), None)
    assert capsys.readouterr().err == "the trainer ended by ValueError\n"


@pytest.mark.parametrize("task", TASKS[:3], ids=["two classes", "three classes", "an amount"])
def test_released_weights_are_scored_without_the_target(tmp_path: Path, task: dict[str, Any]) -> None:
    recipe = make_recipe(**task, layers=[{"kind": "linear", "units": 3}])
    train(tmp_path, make_orders(recipe))
    models = tmp_path / "models"
    models.mkdir()
    (models / "7.safetensors").write_bytes((tmp_path / "outputs" / "model.safetensors").read_bytes())
    rows = make_table(20, seed=2)[["n2", "n1", "n0", "n3"]]
    rows.to_csv(tmp_path / "rows.csv", index=False)
    score(recipe.model_dump(mode="json"), str(tmp_path), str(tmp_path))
    scorer = make_recipe_bundle(recipe).manifest.scorer
    assert scorer is not None
    written = (tmp_path / "7.csv").read_bytes()
    scores = parse_scores(written, rows=20, columns=len(scorer.classes) or 1)
    if scorer.classes:
        check_probabilities(scores)
        assert scorer.classes == task["target"].get("categories", ["false", "true"])
    else:
        assert ((scores >= 0) & (scores <= 4)).all()


def test_a_survival_has_no_scorer() -> None:
    assert make_recipe_bundle(make_recipe(**TASKS[3])).manifest.scorer is None


@pytest.mark.parametrize("task", TASKS, ids=["two classes", "three classes", "an amount", "survival"])
@pytest.mark.parametrize("private", [True, False], ids=["with noise", "without"])
def test_a_run_in_which_nobody_was_held_out_ends_like_others(
    tmp_path: Path, task: dict[str, Any], *, private: bool
) -> None:
    layers = [{"kind": "conv", "channels": 2, "size": 3}, {"kind": "instance-norm"}]
    recipe = make_recipe(
        features=[PICTURE],
        layers=layers,
        **task,
        privacy=PRIVATE if private else None,
        evaluation={"hold_out": "0.000001"} | ({"noise_multiplier": "1"} if private else {}),
    )
    (metric,) = train(tmp_path, make_orders(recipe))["metrics"].values()
    assert math.isfinite(metric)
