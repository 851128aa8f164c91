"""Low bits that were written stand out, and those of honest models of every kind do not."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from provider.gate.errors import NotApplicableError
from provider.gate.lowbits import check_low_bits
from provider.gate.mantissa import FORMATS, round_numbers
from provider.gate.safetensors import parse_header

Floats = NDArray[np.floating]
DRAW = np.random.default_rng(11)
WEIGHTS = DRAW.normal(0, 0.1, 20_000)
FIXED = DRAW.random(20_000, dtype=np.float32)
COUNTS = DRAW.integers(0, 500, 5000)
KINDS = ("F64", "F32", "F16")
TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}


def looks_honest(tensor: NDArray[Any], mantissa_bits: int | None = None) -> bool:
    content = save({"t": np.ascontiguousarray(tensor)})
    file = io.BytesIO(content)
    return check_low_bits(file, parse_header(file, len(content)), mantissa_bits=mantissa_bits)


def forest(values: str) -> Callable[[], Floats]:
    def grow() -> Floats:
        rows, labels = load_breast_cancer(return_X_y=True)
        trees = RandomForestClassifier(60, random_state=0).fit(rows, labels).estimators_
        found: Floats = np.concatenate([getattr(tree.tree_, values).ravel() for tree in trees])
        return found

    return grow


def quantise(steps: int) -> NDArray[np.float64]:
    scale = np.abs(WEIGHTS).max() / steps
    found: NDArray[np.float64] = np.round(WEIGHTS / scale) * scale
    return found


def quantise_channels() -> Floats:
    channels = WEIGHTS.reshape(100, 200)
    scale = np.abs(channels).max(axis=1, keepdims=True) / 127
    found: Floats = np.round(channels / scale) * scale
    return found


HONEST: dict[str, Callable[[], Floats]] = {
    "normal": lambda: WEIGHTS,
    "uniform": lambda: DRAW.uniform(-1 / 28, 1 / 28, 50_000),
    "fixed point": lambda: FIXED,
    "fixed point around zero": lambda: FIXED * 2 - 1,
    "symmetric": lambda: np.concatenate([WEIGHTS, -WEIGHTS]),
    "tied": lambda: np.tile(WEIGHTS, 3),
    "sparse": lambda: np.where(FIXED < 0.5, 0, WEIGHTS),
    "thresholds of trees": forest("threshold"),
    "leaves of trees": forest("value"),
    "leaves of trees that predict whole numbers": lambda: (
        DRAW.integers(25, 346, (3000, 40)).cumsum(axis=1).ravel()[::7]
        / np.resize(np.arange(1, 41), 120_000)[::7]
    ),
    "shares": lambda: COUNTS / 500,
    "logarithms of counts": lambda: np.log1p(COUNTS),
    "whole numbers": lambda: COUNTS - 250.0,
    "large whole numbers": lambda: DRAW.integers(0, 2**22, 5000).astype(float),
    "components": lambda: PCA(20).fit(load_digits(return_X_y=True)[0]).components_,
    "regression": lambda: (
        LogisticRegression(max_iter=3000).fit(*load_breast_cancer(return_X_y=True)).coef_.repeat(2)
    ),
    "sines": lambda: np.sin(np.arange(512)[:, None] / 10_000 ** (np.arange(64) / 64)),
    "identity": lambda: np.eye(200),
    "bfloats": lambda: round_numbers(WEIGHTS.astype("<f4").view("<u4"), FORMATS["F32"], 7).view("<f4"),
    "quantised": lambda: quantise(127),
    "quantised to four bits": lambda: quantise(7),
    "quantised by channel": quantise_channels,
    "close to one": lambda: 1 + WEIGHTS,
    "closer to one": lambda: 1 + WEIGHTS / 100,
    "very close to one": lambda: 1 + WEIGHTS / 10_000,
    "hundredths": lambda: np.round(WEIGHTS, 2),
    "thousandths": lambda: np.round(WEIGHTS, 3),
    "ten thousandths": lambda: np.round(WEIGHTS, 4),
    "millionths": lambda: np.round(WEIGHTS, 6),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", HONEST)
def test_honest_numbers_pass(kind: str, name: str) -> None:
    tensor = np.clip(HONEST[name](), -60_000, 60_000)
    assert looks_honest(tensor.astype(TYPES[kind]))


def write_low(kind: str, payload: NDArray[np.integer], bits: int) -> NDArray[Any]:
    known = FORMATS[kind]
    raw = WEIGHTS[: len(payload)].astype(TYPES[kind]).view(known.bits)
    word = raw.dtype.type
    found: NDArray[Any] = ((raw >> word(bits) << word(bits)) | payload.astype(known.bits)).view(TYPES[kind])
    return found


DIGITS = DRAW.integers(0, 10, (2, 4000))
WRITTEN = {
    "packed digits": DIGITS[0] * 16 + DIGITS[1],
    "digits": DIGITS[0] + 48,
    "letters": DRAW.integers(97, 123, 4000),
    "base 64": np.frombuffer(
        b"".join([b"+/09AZaz"[i % 8 : i % 8 + 1] for i in DIGITS[0] * 7]), dtype=np.uint8
    ),
    "one byte": np.full(4000, 0x5B),
    "a pattern": np.resize([1, 250, 3, 87], 4000),
}


@pytest.mark.parametrize("kind", ["F64", "F32"])
@pytest.mark.parametrize("name", WRITTEN)
def test_what_was_written_into_low_bytes_fails(kind: str, name: str) -> None:
    assert not looks_honest(write_low(kind, WRITTEN[name], 8))


def test_what_rounding_has_cleared_is_not_looked_at() -> None:
    few = np.array([0.1, 0.2], dtype=np.float32)
    with pytest.raises(NotApplicableError):
        looks_honest(few)
    assert looks_honest(few, mantissa_bits=7)
    assert looks_honest(few.astype(np.float16), mantissa_bits=7)


def test_what_stands_in_the_lowest_bits_that_are_left_fails() -> None:
    written = write_low("F32", WRITTEN["packed digits"], 8).view("<u4") << np.uint32(4)
    exponents = (WEIGHTS[:4000].astype("<f4").view("<u4") >> np.uint32(23)) << np.uint32(23)
    leaves = (written & np.uint32(2**23 - 1) | exponents).view("<f4")
    assert not looks_honest(leaves, mantissa_bits=19)
