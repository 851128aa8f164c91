from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from bench.gas import PAGE, REGRESSION, RESULTS, TARGETS, find_regressions, missed
from bench.gas_page import make_page


@pytest.fixture
def document() -> dict[str, Any]:
    value: dict[str, Any] = json.loads(RESULTS.read_text())
    return value


def test_the_page_on_gas_is_made_of_the_figures(document: dict[str, Any]) -> None:
    assert PAGE.read_text() == make_page(document), "run make gas"


def test_every_row_has_its_target_and_holds(document: dict[str, Any]) -> None:
    assert {row["name"]: row["target"] for row in document["rows"]} == TARGETS
    assert missed(document) == []
    for row in document["rows"]:
        assert row["holds"] is (None if row["target"] is None else row["value"] <= row["target"])


def test_no_step_is_cheaper_than_the_floor_that_the_page_states(document: dict[str, Any]) -> None:
    values = {row["name"]: row["value"] for row in document["rows"]}
    assert all(values[name] >= floor for name, floor in document["details"]["floors"].items())


def test_a_figure_that_is_two_percent_worse_is_a_regression_and_one_percent_is_none(
    document: dict[str, Any],
) -> None:
    for factor, count in ((1.01, 0), (REGRESSION + 0.001, 10)):
        worse = copy.deepcopy(document)
        for row in worse["rows"]:
            row["value"] = int(row["value"] * factor) + 1
        assert len(find_regressions(worse, document)) == count


def test_a_row_over_its_target_is_named(document: dict[str, Any]) -> None:
    document["rows"][0] |= {"value": 300_001, "holds": False}
    assert [row["name"] for row in missed(document)] == ["register"]
