"""What a job does to privacy, as facts that an accountant composes: the mechanism and its numbers, no implementation.

Decimal text throughout: the same digits stand in the ledger and in the receipt. One unit is added or removed between
neighbours (Dwork and Roth 2014, definition 2.4, "add or remove one"); the policy says what a unit is.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from policies.documents import StrictModel

PositiveDecimal = Annotated[
    str, Field(pattern=r"^(?:0\.[0-9]{0,29}[1-9][0-9]{0,29}|[1-9][0-9]{0,9}(?:\.[0-9]{1,30})?)$")
]
MIN_DELTA = Decimal("0.000000001")


def _check_delta(text: str) -> str:
    if Decimal(text) < MIN_DELTA:
        raise ValueError(
            f"delta must be {MIN_DELTA:f} at least: for less, epsilon can't be computed well enough"
        )
    return text


Delta = Annotated[PositiveDecimal, AfterValidator(_check_delta)]
"""A delta that somebody asks for."""


class SampledGaussian(StrictModel):
    """DP-SGD: `steps` sums of vectors clipped to norm C, each plus Gaussian noise of deviation `noise_multiplier` x C.

    A unit is in each sum with probability `sampling_rate`, independently (Abadi et al. 2016, algorithm 1; Mironov et al. 2019).
    """

    kind: Literal["sampled-gaussian"] = "sampled-gaussian"
    noise_multiplier: PositiveDecimal
    sampling_rate: PositiveDecimal
    steps: Annotated[int, Field(ge=1, le=10**8)]


class Gaussian(StrictModel):
    """A vector of L2 sensitivity C released `count` times with Gaussian noise of deviation `noise_multiplier` x C."""

    kind: Literal["gaussian"] = "gaussian"
    noise_multiplier: PositiveDecimal
    count: Annotated[int, Field(ge=1, le=10**6)] = 1


Mechanism = Annotated[SampledGaussian | Gaussian, Field(discriminator="kind")]
"""One use of the data; a job is a tuple of them."""


class PrivacyCost(StrictModel):
    """What one job costs: its mechanisms, composed to (epsilon, delta), and what counts as one unit."""

    epsilon: PositiveDecimal
    delta: PositiveDecimal
    mechanisms: Annotated[tuple[Mechanism, ...], Field(strict=False, min_length=1, max_length=16)]
