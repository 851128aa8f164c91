"""The egress gate: looks at what a run produced and either writes the files that may leave, or withholds everything.

- All checks are made and listed; one that fails, crashes or can't be made counts as not passed, and withholds.
- All or nothing: no file stays in the release folder unless every check passed.
- What leaves besides the files is the name of the first broken rule, from a fixed list: no detail that could carry data.

Not checked here: what the values mean. How much they can say is bounded by `information_bits`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from policies.canonical import DIGEST_PREFIX, digest_of
from policies.decide import find_information_excess, find_metrics_excess, find_weights_excess
from policies.egress import ENDING_BITS
from policies.model import OutputsPolicy
from provider.gate.declaration import (
    effective_mantissa_bits,
    information_bits,
    weights_bytes,
)
from provider.gate.errors import OutputRefusedError
from provider.gate.metrics import MAX_METRICS_BYTES, parse_metrics, round_metrics, serialise_metrics
from provider.gate.report import GateCheck, GateReport, GateVerdict, ReleasedFile
from provider.gate.safetensors import TensorEntry, check_declared, parse_header, write_canonical
from sandbox.bundle import MetricDeclaration, OutputsDeclaration, TensorDeclaration
from sandbox.spec import ProducedFile

COLLECTION_REFUSED = "collection-refused"
COLLECTION_RULES = frozenset(
    {"symbolic-link", "hard-link", "special-file", "file-name", "depth", "unreadable", COLLECTION_REFUSED}
)
"""What the collection of outputs may have found; any other name leaves as `collection-refused`."""
RELEASE_MODE = 0o600


@dataclass(frozen=True, slots=True)
class _Case:
    outputs: OutputsDeclaration
    allowance: OutputsPolicy
    produced: tuple[ProducedFile, ...]
    folder: Path
    side_bits: int
    released: dict[str, ReleasedFile]

    @property
    def tensors(self) -> Sequence[TensorDeclaration]:
        """Declared tensors; none when no weights are declared."""
        return self.outputs.weights.tensors if self.outputs.weights else ()

    @property
    def metrics(self) -> Sequence[MetricDeclaration]:
        """Declared metrics; none when none are declared."""
        return self.outputs.metrics.values if self.outputs.metrics else ()

    def get_produced(self, name: str) -> ProducedFile:
        """Return the one file of this name, or refuse."""
        found = [item for item in self.produced if item.path == name]
        if len(found) != 1:
            raise OutputRefusedError("all-declared-present", "a declared file is not there exactly once")
        return found[0]


def _check(rule: str, problem: str | None) -> None:
    if problem is not None:
        raise OutputRefusedError(rule, problem)


def _check_only_declared(case: _Case) -> None:
    extra = {item.path for item in case.produced} - set(case.outputs.files)
    _check("only-declared-files", "a file is not declared" if extra else None)


def _check_all_present(case: _Case) -> None:
    for name in case.outputs.files:
        case.get_produced(name)


@contextmanager
def _open_source(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        yield file, os.fstat(descriptor).st_size


def _parse_weights(case: _Case, file: BinaryIO, size: int) -> list[TensorEntry]:
    entries = parse_header(file, size)
    check_declared(entries, case.tensors)
    return entries


def _check_weights_format(case: _Case) -> None:
    if case.outputs.weights:
        with _open_source(case.get_produced(case.outputs.weights.file).content) as (file, size):
            parse_header(file, size)


def _check_weights_declared(case: _Case) -> None:
    if case.outputs.weights:
        with _open_source(case.get_produced(case.outputs.weights.file).content) as (file, size):
            _parse_weights(case, file, size)


def _check_weights_size(case: _Case) -> None:
    _check("weights-size", find_weights_excess(case.allowance, weights_bytes(case.outputs)))


def _release_weights(case: _Case) -> None:
    """Check and round every value while copying it into the release folder."""
    if not case.outputs.weights:
        return
    produced = case.get_produced(case.outputs.weights.file)
    with _open_source(produced.content) as (file, size), _create(case.folder, produced.path) as target:
        entries = _parse_weights(case, file, size)
        kept = effective_mantissa_bits(case.outputs, case.allowance)
        digest = write_canonical(file, entries, case.tensors, target, mantissa_bits=kept)
    _record(case, produced, DIGEST_PREFIX + digest)


def _read_metrics(case: _Case, name: str) -> bytes:
    with _open_source(case.get_produced(name).content) as (file, _size):
        return file.read(MAX_METRICS_BYTES + 1)


def _check_metrics_allowed(case: _Case) -> None:
    digits = max((item.digits for item in case.metrics), default=0)
    _check("metrics-allowed", find_metrics_excess(case.allowance, len(case.metrics), digits))


def _check_metrics_declared(case: _Case) -> None:
    if case.outputs.metrics:
        parse_metrics(_read_metrics(case, case.outputs.metrics.file), case.metrics)


def _release_metrics(case: _Case) -> None:
    """Check ranges, round, and write the numbers into the release folder."""
    if not case.outputs.metrics:
        return
    produced = case.get_produced(case.outputs.metrics.file)
    values = parse_metrics(_read_metrics(case, produced.path), case.metrics)
    content = serialise_metrics(round_metrics(values, case.metrics))
    with _create(case.folder, produced.path) as target:
        target.write(content)
    _record(case, produced, digest_of(content))


def _check_information(case: _Case) -> None:
    bits = information_bits(case.outputs, case.allowance) + case.side_bits
    _check("information-bits", find_information_excess(case.allowance, bits))


CHECKS: tuple[tuple[str, Callable[[_Case], None]], ...] = (
    ("only-declared-files", _check_only_declared),
    ("all-declared-present", _check_all_present),
    ("weights-size", _check_weights_size),
    ("metrics-allowed", _check_metrics_allowed),
    ("information-bits", _check_information),
    ("weights-safetensors", _check_weights_format),
    ("weights-declared", _check_weights_declared),
    ("weights-finite", _release_weights),
    ("metrics-declared", _check_metrics_declared),
    ("metrics-range", _release_metrics),
)
"""Every check by its rule's stable name, in order; the names are `GATE_CHECKS`. A check of an output that is not declared has nothing to refuse."""


@contextmanager
def _create(folder: Path, name: str) -> Iterator[BinaryIO]:
    """Write a file of the release folder under a passing name, and give it its own when it is whole."""
    part = folder / f".{name}.part"
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, RELEASE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        yield file
    part.replace(folder / name)


def _record(case: _Case, produced: ProducedFile, digest: str) -> None:
    path = case.folder / produced.path
    size_bytes = path.stat().st_size
    case.released[produced.path] = ReleasedFile(produced.path, path, digest, size_bytes, produced.digest)


def _passes(check: Callable[[_Case], None], case: _Case) -> bool:
    """Tell whether a check passed; one that crashed did not."""
    try:
        check(case)
    except OutputRefusedError:
        return False
    except Exception:  # noqa: BLE001 - hole 17: a check that can't be finished, for whatever reason, withholds
        return False
    return True


def _clear(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)
        (folder / f".{name}.part").unlink(missing_ok=True)


def check_release(
    outputs: OutputsDeclaration,
    allowance: OutputsPolicy,
    produced: Sequence[ProducedFile],
    folder: Path,
    refused: Sequence[str] = (),
    side_bits: int = 0,
) -> GateReport:
    """Judge what a run produced, and write what may leave into `folder`.

    Args:
        outputs: what the approved algorithm declares.
        allowance: what the datasets' policies let out, combined.
        produced: the files as collected from the run.
        folder: where the released files go; made when missing, left without them when withheld. Repeatable.
        refused: names of the rules that the collection already found broken, such as `symbolic-link`.
        side_bits: what the consumer can learn besides, from an open log or of overruled tests, which counts against the cap.
    """
    names = outputs.files
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _clear(folder, names)
    case = _Case(outputs, allowance, tuple(produced), folder, side_bits, {})
    found = [rule if rule in COLLECTION_RULES else COLLECTION_REFUSED for rule in refused]
    checks = [GateCheck(rule, ok=False) for rule in found]
    checks += [GateCheck(name, ok=_passes(check, case)) for name, check in CHECKS]
    broken = next((item.name for item in checks if not item.ok), "")
    released = tuple(case.released[name] for name in names if name in case.released)
    if broken or len(released) != len(names):
        _clear(folder, names)
        return GateReport(
            GateVerdict.WITHHELD, broken or "all-declared-present", tuple(checks), (), ENDING_BITS
        )
    bits = information_bits(outputs, allowance)
    return GateReport(GateVerdict.RELEASED, "", tuple(checks), released, bits)
