"""What the page on schemas and data to develop on says can be typed, and its documents hold."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import get_args

import pytest
import yaml

from policies.schema import Kind, parse_schema
from provider.tableschema import FITTING
from sandbox.bundle import parse_bundle
from sandbox.recipe import fits_schema
from tests.test_readme import parse, typed

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "datasets.md").read_text()
COMMANDS = sorted(set(re.findall(r"^    sealroom (.+)$", PAGE, re.MULTILINE)))
SCHEMA, RECIPE = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_on_the_page_is_one(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shlex.split(line)
    parse(typed(line), monkeypatch)


def test_the_recipe_on_the_page_is_one_for_its_schema() -> None:
    image = "sha256:" + "0" * 64
    manifest = parse_bundle({"algorithm.yaml": RECIPE.replace("IMAGE", image).encode()}).manifest
    assert manifest.recipe is not None
    assert fits_schema(manifest.recipe, parse_schema(SCHEMA.encode())) is None


def test_every_kind_is_on_the_page_in_the_schema_and_in_the_table() -> None:
    kinds = set(get_args(Kind))
    assert {column["kind"] for column in yaml.safe_load(SCHEMA)["columns"]} == kinds == set(FITTING)
    assert set(re.findall(r"^\| `([a-z]+)` \| .* \| .*\|$", PAGE, re.MULTILINE)) == kinds
