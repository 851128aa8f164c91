"""How a release's privacy is judged, and who looks at it before it leaves: the parts of a policy that say so.

`none` bounds what leaves in bits; `measured` tests the model for memory of its rows; `differential` admits only recipes,
which our own trainer runs with DP-SGD under a budget. Decides nothing.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from policies.documents import StrictModel
from policies.mechanisms import Delta, PositiveDecimal

MAX_ROWS_PER_UNIT = 10_000
MAX_REVIEWERS = 16
DAY_S = 24 * 3600
Mode = Literal["none", "measured", "differential"]
PRIVACY_TESTS = (
    "rows-held-back",
    "scores-useful",
    "generalisation-gap",
    "membership-loss",
    "membership-likelihood",
    "rows-verbatim",
    "low-bits",
    "spare-tensors",
)
"""The tests of the mode `measured`, by their stable names, in order. People may let something out that did not pass these."""
ColumnName = Annotated[str, Field(min_length=1, max_length=200)]
Fraction = Annotated[str, Field(pattern=r"^0\.[0-9]{0,5}[1-9][0-9]{0,5}$")]
Address = Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$"), AfterValidator(str.lower)]


class ColumnUnit(StrictModel):
    """One unit is all rows with one value in `column`, such as a patient; at most `max_rows` of them are used.

    `count` is how many units the owner says in public that there are: batches are planned by it, in place of the number of
    rows. Noise and accounting follow from it, so a wrong one costs no privacy.
    """

    column: ColumnName
    max_rows: Annotated[int, Field(ge=1, le=MAX_ROWS_PER_UNIT)]
    count: Annotated[int, Field(ge=1)] | None = None


class MeasuredTests(StrictModel):
    """What the measured gate asks: `hold_back` is the part of the units that no algorithm sees.

    `min_rows` are needed among members and among those held back; `max_gap` bounds the difference between both in accuracy
    (or of losses, relative), `max_auc` how well a membership test may tell them apart (0.5 is chance). `target` is the column
    that a scorer of code has to tell; without it code chooses, and may choose an easy one.
    """

    hold_back: Fraction = "0.2"
    min_rows: Annotated[int, Field(ge=20, le=10**6)] = 100
    max_gap: Fraction = "0.1"
    max_auc: Fraction = "0.6"
    target: ColumnName | None = None


class PrivacyPolicy(StrictModel):
    """The mode, and what belongs to it.

    `differential`: `delta`, and `budget` for the dataset's whole life, in epsilon at that delta; `consumer_budget` for each
    consumer, `job_epsilon` for each job. `measured`: `tests`. The unit is a row, or what a column names; its `count` is for
    `differential`.
    """

    mode: Mode = "none"
    unit: Literal["row"] | ColumnUnit = "row"
    delta: Delta | None = None
    budget: PositiveDecimal | None = None
    consumer_budget: PositiveDecimal | None = None
    job_epsilon: PositiveDecimal | None = None
    tests: MeasuredTests | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        differential = self.mode == "differential"
        if differential and (self.delta is None or self.budget is None):
            raise ValueError("the mode differential needs a delta and a budget")
        if not differential and any((self.delta, self.budget, self.consumer_budget, self.job_epsilon)):
            raise ValueError(
                f"delta, budgets and job_epsilon belong to the mode differential, not to {self.mode}"
            )
        if self.mode == "none" and self.unit != "row":
            raise ValueError("a unit belongs to the modes measured and differential; none protects no unit")
        if not differential and isinstance(self.unit, ColumnUnit) and self.unit.count is not None:
            raise ValueError(f"a count of units belongs to the mode differential, not to {self.mode}")
        if self.delta is not None and Decimal(self.delta) >= Decimal("0.01"):
            raise ValueError("delta must be below 0.01, and below 1 in the number of units")
        if (self.mode == "measured") != (self.tests is not None):
            raise ValueError("tests belong to the mode measured, which needs them ({} takes every default)")
        return self


class ReviewPolicy(StrictModel):
    """People who look at a release before it leaves: `needed` of these accounts, and never the job's consumer.

    `when` is `always`, or `not-passed`: where a privacy test did not pass, in place of withholding. What is not decided
    within `within_s` is withheld.
    """

    reviewers: Annotated[tuple[Address, ...], Field(strict=False, min_length=1, max_length=MAX_REVIEWERS)]
    needed: Annotated[int, Field(ge=1, le=2)] = 1
    when: Literal["always", "not-passed"] = "always"
    within_s: Annotated[int, Field(ge=60, le=30 * DAY_S)] = 3 * DAY_S

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.reviewers)) < len(self.reviewers) or len(self.reviewers) < self.needed:
            raise ValueError(f"expected at least {self.needed} different reviewers")
        return self
