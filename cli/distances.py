"""How far apart a released file and its repetition are: tensor by tensor, metric by metric. Prints and keeps no value of either.

Both files are read in pieces, so memory stays flat. Numbers that can't be measured, because a value is not finite, are None.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from cli.errors import InputError
from cli.repetition import RepeatedFile
from provider.gate.errors import OutputRefusedError
from provider.gate.metrics import MAX_METRICS_BYTES, parse_metrics
from provider.gate.safetensors import ITEM_BYTES, TensorEntry, parse_header
from sandbox.bundle import MetricDeclaration, OutputsDeclaration

CHUNK_ELEMENTS = 2**18
_NUMPY = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U8": "u1",
    "BOOL": "u1",
}
Wide = NDArray[np.longdouble]


@dataclass(frozen=True, slots=True)
class TensorDistance:
    """One tensor in both files. `problem` says why it can't be measured; `differing` counts elements of other bytes.

    `max_relative` is the largest |a - b| / max(|a|, |b|); `cosine` is 1 for the same direction.
    """

    name: str
    problem: str = ""
    elements: int = 0
    differing: int = 0
    max_absolute: float | None = None
    max_relative: float | None = None
    cosine: float | None = None


@dataclass(frozen=True, slots=True)
class MetricDistance:
    """One metric: by how much the repetition's is larger, as decimal text."""

    name: str
    difference: str


@dataclass(slots=True)
class _Sums:
    """What is added up over the pieces of one tensor."""

    differing: int = 0
    max_absolute: np.longdouble = field(default_factory=np.longdouble)
    max_relative: np.longdouble = field(default_factory=np.longdouble)
    product: np.longdouble = field(default_factory=np.longdouble)
    left: np.longdouble = field(default_factory=np.longdouble)
    right: np.longdouble = field(default_factory=np.longdouble)

    def add(self, left: Wide, right: Wide) -> None:
        """Take in one piece of both tensors."""
        apart, size = np.abs(left - right), np.maximum(np.abs(left), np.abs(right))
        relative = np.divide(apart, size, out=np.zeros_like(apart), where=size != 0)
        self.max_absolute = np.maximum(self.max_absolute, apart.max())
        self.max_relative = np.maximum(self.max_relative, relative.max())
        self.product += np.dot(left, right)
        self.left += np.dot(left, left)
        self.right += np.dot(right, right)

    @property
    def cosine(self) -> float | None:
        """The cosine of the angle between both; None where one of them is zero everywhere."""
        lengths = np.sqrt(self.left) * np.sqrt(self.right)
        return _finite(self.product / lengths) if lengths else None


Distance = TensorDistance | MetricDistance


def measure_files(
    files: Sequence[RepeatedFile], released: Path, outputs: OutputsDeclaration
) -> dict[str, tuple[Distance, ...]]:
    """Return how far each file of the replay is from the one in `released`, by name; equal ones are left out.

    Raises:
        InputError: one of them is not what the gate writes.
    """
    found: dict[str, tuple[Distance, ...]] = {}
    for file in files:
        if file.file is None or file.receipt is None or file.is_same:
            continue
        before, after = released / file.name, file.file.path
        if outputs.metrics is not None and file.name == outputs.metrics.file:
            found[file.name] = measure_metrics(before, after, outputs.metrics.values)
        else:
            found[file.name] = measure_weights(before, after)
    return found


def measure_weights(released: Path, repeated: Path) -> tuple[TensorDistance, ...]:
    """Compare two safetensors files, by name of tensor.

    Raises:
        InputError: one of them is not a safetensors file as the gate writes it.
    """
    with released.open("rb") as left, repeated.open("rb") as right:
        before, after = _read_header(left, released), _read_header(right, repeated)
        names = sorted(before.keys() | after.keys())
        return tuple(_measure(name, left, before.get(name), right, after.get(name)) for name in names)


def measure_metrics(
    released: Path, repeated: Path, declared: list[MetricDeclaration]
) -> tuple[MetricDistance, ...]:
    """Compare two metrics files of one declaration.

    Raises:
        InputError: one of them doesn't hold exactly the declared metrics.
    """
    before, after = (_read_metrics(path, declared) for path in (released, repeated))
    return tuple(MetricDistance(name, f"{after[name] - before[name]:f}") for name in sorted(before))


def _read_header(file: BinaryIO, path: Path) -> dict[str, TensorEntry]:
    try:
        return {entry.name: entry for entry in parse_header(file, path.stat().st_size)}
    except OutputRefusedError as exc:
        raise InputError(f"{path}: {exc.problem}", code="weights-unreadable") from exc


def _read_metrics(path: Path, declared: list[MetricDeclaration]) -> dict[str, Decimal]:
    try:
        with path.open("rb") as file:
            return parse_metrics(file.read(MAX_METRICS_BYTES + 1), declared)
    except OutputRefusedError as exc:
        raise InputError(f"{path}: {exc.problem}", code="metrics-unreadable") from exc


def _measure(
    name: str, left: BinaryIO, before: TensorEntry | None, right: BinaryIO, after: TensorEntry | None
) -> TensorDistance:
    if before is None or after is None:
        return TensorDistance(name, problem="only in the replay" if before is None else "only in the release")
    if (before.dtype, before.shape) != (after.dtype, after.shape):
        shapes = (f"{entry.dtype} {list(entry.shape)}" for entry in (before, after))
        return TensorDistance(name, problem=" there, ".join(shapes) + " here")
    sums = _Sums()
    with np.errstate(all="ignore"):  # what isn't finite ends as None
        for piece, other in zip(_pieces(left, before), _pieces(right, after), strict=True):
            sums.differing += int(np.count_nonzero(_raw(piece, before.dtype) != _raw(other, after.dtype)))
            sums.add(_values(piece, before.dtype), _values(other, after.dtype))
        return TensorDistance(
            name,
            elements=math.prod(before.shape),
            differing=sums.differing,
            max_absolute=_finite(sums.max_absolute),
            max_relative=_finite(sums.max_relative),
            cosine=sums.cosine,
        )


def _pieces(file: BinaryIO, entry: TensorEntry) -> Iterator[bytes]:
    step = CHUNK_ELEMENTS * ITEM_BYTES[entry.dtype]
    for begin in range(entry.begin, entry.end, step):
        file.seek(begin)
        yield file.read(min(step, entry.end - begin))


def _raw(piece: bytes, dtype: str) -> NDArray[np.unsignedinteger]:
    """Return the elements as whole numbers of the same bytes: minus zero is not zero."""
    return np.frombuffer(piece, dtype=f"<u{ITEM_BYTES[dtype]}")


def _values(piece: bytes, dtype: str) -> Wide:
    if dtype == "BF16":  # the upper half of a float
        widened = np.frombuffer(piece, dtype="<u2").astype("<u4") << 16
        return widened.view("<f4").astype(np.longdouble)
    return np.frombuffer(piece, dtype=_NUMPY[dtype]).astype(np.longdouble)


def _finite(value: np.longdouble) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None
