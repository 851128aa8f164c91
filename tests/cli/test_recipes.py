"""A recipe's draft becomes a bundle: bounds and categories come from the schema, and what doesn't fit is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.context import Session
from cli.errors import ExitCode, InputError
from cli.main import run
from cli.output import Output
from cli.recipes import fill_recipe
from cli.recipewords import describe_recipe
from policies.schema import parse_schema
from sandbox.bundle import load_bundle
from sandbox.recipe import TrainingRecipe, fits_schema

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "sha256:" + "0" * 64
SCHEMA = parse_schema(b"""
columns:
  - {name: patient, kind: identifier}
  - {name: age, kind: integer, min: "0", max: "120"}
  - {name: dose, kind: number, min: "0", max: "5.5"}
  - {name: sex, kind: category, categories: [female, male]}
  - {name: smoker, kind: boolean}
  - {name: note, kind: text}
  - {name: days, kind: integer, min: "0", max: "3650"}
  - {name: died, kind: boolean}
""")
DRAFT = """
name: tested
version: "1"
image: IMAGE
parameters: [epochs, seed]
recipe:
  task: %(task)s
  features: %(features)s
  target: %(target)s
  loss: {kind: %(loss)s}
  optimizer: {kind: sgd}
  epochs: 1
  batch_size: 8
  learning_rate: 1
"""


def fill(
    *,
    task: str = "classification",
    features: str = "all",
    target: str = "smoker",
    loss: str = "cross-entropy",
) -> TrainingRecipe:
    draft = DRAFT % {"task": task, "features": features, "target": target, "loss": loss}
    recipe = fill_recipe(draft.encode(), SCHEMA, image=IMAGE).manifest.recipe
    assert isinstance(recipe, TrainingRecipe)
    assert fits_schema(recipe, SCHEMA) is None
    return recipe


def test_all_features_are_those_that_a_model_can_be_given_without_the_target() -> None:
    assert fill().columns == ("age", "dose", "sex", "days", "died", "smoker")


def test_named_features_keep_their_order_and_their_own_settings() -> None:
    recipe = fill(
        features="[sex, {column: dose, scale: root, indicator: true}, {column: age, missing: '40'}]"
    )
    assert recipe.columns == ("sex", "dose", "age", "smoker")
    assert [feature.width for feature in recipe.features] == [2, 2, 1]
    dose = recipe.features[1].model_dump(exclude_defaults=True)
    assert dose == {
        "kind": "number",
        "column": "dose",
        "min": "0",
        "max": "5.5",
        "scale": "root",
        "indicator": True,
    }


def test_settings_for_every_number_leave_other_features_alone() -> None:
    recipe = fill(features="{columns: [age, sex], scale: root}")
    assert recipe.features[0].model_dump()["scale"] == "root"
    assert "scale" not in recipe.features[1].model_dump()


def test_a_survival_is_a_time_and_an_event() -> None:
    recipe = fill(task="survival", target="{time: days, event: died}", loss="cox")
    assert recipe.columns == ("age", "dose", "sex", "smoker", "days", "died")


REFUSED = {
    "a column that isn't there": ({"features": "[weight]"}, "no column 'weight'"),
    "an identifier": ({"features": "[patient]"}, "'patient' is of the kind identifier"),
    "a text as the target": ({"target": "note"}, "'note' is of the kind text"),
    "pixels of different bounds": (
        {"features": "[{image: [age, dose], shape: [1, 1, 2]}]"},
        "different bounds",
    ),
    "no list": ({"features": "3"}, "neither a list nor"),
    "a feature that is none": ({"features": "[[age]]"}, "write a column's name"),
    "a target that is none": ({"target": "[smoker]"}, "target is no column"),
}


@pytest.mark.parametrize(("changes", "problem"), REFUSED.values(), ids=REFUSED)
def test_a_draft_that_the_schema_has_no_answer_to_is_refused(changes: dict[str, str], problem: str) -> None:
    with pytest.raises(InputError) as caught:
        fill(**changes)
    assert problem in f"{caught.value} {caught.value.remedy}"


def test_the_same_draft_gives_the_same_digest_and_the_words_say_what_it_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("algorithm", "recipe", str(ROOT / "examples" / "recipes" / "breast_cancer_logistic.yaml"),
             "--schema", str(ROOT / "examples" / "breast_cancer" / "schema.yaml"), "--image", IMAGE)  # fmt: skip
    for name in ("a", "b"):
        session = Session({}, Output(), interactive=False, home_path=tmp_path / "home")
        assert run([*words, "--output", str(tmp_path / name)], session) is ExitCode.OK
    bundle = load_bundle(tmp_path / "a")
    assert bundle.digest == load_bundle(tmp_path / "b").digest
    shown = capsys.readouterr().out
    assert bundle.digest in shown
    for said in (
        "no code of the consumer runs",
        "malignant",
        "30 inputs, 1 outputs, 31 learnt numbers",
        "epsilon 3",
    ):
        assert said in shown


def test_a_recipe_needs_one_schema(tmp_path: Path) -> None:
    session = Session({}, Output(), interactive=False, home_path=tmp_path / "home")
    draft = str(ROOT / "examples" / "recipes" / "breast_cancer_logistic.yaml")
    assert run(["algorithm", "recipe", draft, "--output", str(tmp_path / "a")], session) is ExitCode.USAGE


def test_a_recipe_without_privacy_says_so() -> None:
    assert "nothing bounds what the weights say of one row" in describe_recipe(fill())
