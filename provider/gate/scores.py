"""Reads what a scorer wrote, strictly: one line for each row, one plain decimal number for each class, and nothing else."""

from __future__ import annotations

import re

import numpy as np

from provider.gate.errors import ScoresRefusedError
from provider.gate.membership import Floats

MAX_NUMBER_CHARS = 40
MAX_SUM_ERROR = 1e-3
_NUMBER = r"-?[0-9]{1,12}(?:\.[0-9]{1,18})?(?:e-?[0-9]{1,2})?"


def parse_scores(data: bytes, *, rows: int, columns: int) -> Floats:
    """Return the scores, shape (rows, columns).

    Raises:
        ScoresRefusedError: another number of lines or fields, or anything that is not a plain number.
    """
    if len(data) > rows * columns * (MAX_NUMBER_CHARS + 1):
        raise ScoresRefusedError("are longer than so many numbers")
    line = re.compile(f"{_NUMBER}(?:,{_NUMBER}){{{columns - 1}}}")
    lines = data.decode("ascii", errors="replace").split("\n")
    if lines.pop() or len(lines) != rows:
        raise ScoresRefusedError("are not one line for each row")
    if not all(line.fullmatch(text) for text in lines):
        raise ScoresRefusedError("hold something that is not a plain number for each class")
    scores = np.array([text.split(",") for text in lines], dtype=np.float64)
    if not np.isfinite(scores).all():
        raise ScoresRefusedError("are not finite")
    return scores


def check_probabilities(scores: Floats) -> Floats:
    """Return probabilities whose rows add up to exactly 1.

    Raises:
        ScoresRefusedError: one is outside 0 to 1, or a row doesn't add up to 1.
    """
    sums = scores.sum(axis=1, keepdims=True)
    if (scores < 0).any() or (scores > 1).any() or (abs(sums - 1) > MAX_SUM_ERROR).any():
        raise ScoresRefusedError("are not probabilities")
    normalised: Floats = scores / sums
    return normalised
