"""Reads safetensors files strictly and writes the one canonical file for a declaration. Never unpickles, never executes.

- The file is 8 bytes little-endian header length, a JSON header, then the tensors' bytes, and nothing else.
- The tensors cover the data exactly: no gap, no overlap, nothing after the end; the header holds no metadata.
- What leaves is written anew: header and order of tensors follow from the declaration alone, so white space, key order
  and the order of the data carry nothing. Only the values are copied, in pieces, and each must be a finite number.

Format: the safetensors README; the canonical form is the byte-exact output of its reference implementation.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from provider.gate.errors import OutputRefusedError
from provider.gate.mantissa import FORMATS, is_finite, round_numbers
from provider.receipts.errors import MalformedError
from provider.receipts.strictjson import JsonLimits, parse_json_strict
from sandbox.bundle import TensorDeclaration
from sandbox.declaration import MAX_RANK

MAX_HEADER_BYTES = 4 * 2**20
MAX_HEADER_DEPTH = 3
CHUNK_BYTES = 2**20
LENGTH_BYTES = 8
ITEM_BYTES = {
    "I64": 8,
    "F64": 8,
    "F32": 4,
    "I32": 4,
    "BF16": 2,
    "F16": 2,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
}
"""Bytes of one element, in the order in which the reference implementation lays out the types."""
_RANKS = {dtype: rank for rank, dtype in enumerate(ITEM_BYTES)}
_FORMAT = "weights-safetensors"
_DECLARED = "weights-declared"
_FINITE = "weights-finite"
_ENTRY_KEYS = {"dtype", "shape", "data_offsets"}


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """One tensor of a file; `begin` and `end` are byte offsets from the start of the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def _refuse(problem: str) -> OutputRefusedError:
    return OutputRefusedError(_FORMAT, problem)


def parse_header(file: BinaryIO, size: int) -> list[TensorEntry]:
    """Read the header of a file of `size` bytes and return its tensors in the order of their data.

    Raises:
        OutputRefusedError: `weights-safetensors`, for anything that the module refuses.
    """
    file.seek(0)
    prefix = file.read(LENGTH_BYTES)
    length = int.from_bytes(prefix, "little")
    if len(prefix) < LENGTH_BYTES or not 2 <= length <= min(MAX_HEADER_BYTES, size - LENGTH_BYTES):  # noqa: PLR2004 - {}
        raise _refuse("the header's length is not that of a safetensors file")
    text = file.read(length)
    if not text.startswith(b"{"):
        raise _refuse("the header is not a JSON object")
    try:
        header = parse_json_strict(text, limits=JsonLimits(MAX_HEADER_BYTES, MAX_HEADER_DEPTH))
    except MalformedError as exc:
        raise _refuse(f"the header {exc.problem}") from exc
    start = LENGTH_BYTES + length
    entries = [_parse_entry(name, value, start) for name, value in header.items()]
    return _check_coverage(entries, start, size)


def _parse_entry(name: str, value: object, start: int) -> TensorEntry:
    if name == "__metadata__":
        raise _refuse("the header holds metadata")
    if not isinstance(value, dict) or value.keys() != _ENTRY_KEYS:
        raise _refuse("a tensor has other keys than dtype, shape and data_offsets")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
        raise _refuse("a tensor has an unknown dtype")
    if not _is_counts(shape) or not _is_counts(offsets) or len(offsets) != 2 or len(shape) > MAX_RANK:  # noqa: PLR2004 - begin, end
        raise _refuse("a tensor's shape or offsets are not whole numbers")
    if offsets[1] - offsets[0] != math.prod(shape) * ITEM_BYTES[dtype]:
        raise _refuse("a tensor's offsets don't fit its shape")
    return TensorEntry(name, dtype, tuple(shape), start + offsets[0], start + offsets[1])


def _is_counts(value: object) -> bool:
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)


def _check_coverage(entries: list[TensorEntry], start: int, size: int) -> list[TensorEntry]:
    ordered = sorted(entries, key=lambda entry: (entry.begin, entry.end))
    position = start
    for entry in ordered:
        if entry.begin != position:
            raise _refuse("the tensors leave a gap or overlap")
        position = entry.end
    if position != size:
        raise _refuse("the file goes on after the last tensor, or ends before it")
    return ordered


def check_declared(entries: Sequence[TensorEntry], declared: Sequence[TensorDeclaration]) -> None:
    """Check that a file holds exactly the declared tensors.

    Raises:
        OutputRefusedError: `weights-declared`, for a name, dtype or shape that differs, is missing or is extra.
    """
    expected = {(item.name, item.dtype, tuple(item.shape)) for item in declared}
    got = {(entry.name, entry.dtype, entry.shape) for entry in entries}
    if expected != got or len(expected) != len(declared) or len(got) != len(entries):
        raise OutputRefusedError(_DECLARED, "the tensors are not exactly those declared")


def order_canonically(declared: Sequence[TensorDeclaration]) -> list[TensorDeclaration]:
    """Return the tensors as they are laid out: wider types first, then by name."""
    return sorted(declared, key=lambda item: (_RANKS[item.dtype], item.name))


def canonical_header(declared: Sequence[TensorDeclaration]) -> bytes:
    """Return length, header and padding of the file that holds the declared tensors."""
    header: dict[str, object] = {}
    position = 0
    for item in order_canonically(declared):
        end = position + tensor_bytes(item)
        header[item.name] = {"dtype": item.dtype, "shape": list(item.shape), "data_offsets": [position, end]}
        position = end
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % LENGTH_BYTES)
    return len(text).to_bytes(LENGTH_BYTES, "little") + text


def tensor_bytes(declared: TensorDeclaration) -> int:
    """Return how many bytes the tensor's values take."""
    return math.prod(declared.shape) * ITEM_BYTES[declared.dtype]


def released_bytes(declared: Sequence[TensorDeclaration]) -> int:
    """Return the exact size of the file that would be released, header included."""
    return len(canonical_header(declared)) + sum(tensor_bytes(item) for item in declared)


def write_canonical(
    source: BinaryIO,
    entries: Sequence[TensorEntry],
    declared: Sequence[TensorDeclaration],
    target: BinaryIO,
    *,
    mantissa_bits: int | None = None,
) -> str:
    """Copy the declared tensors' values into `target` in canonical form and return the SHA-256 in hex.

    Floats are rounded to `mantissa_bits` of fraction on the way, and not at all without it. Needs no more memory than a
    few pieces of `CHUNK_BYTES`, however large the file.

    Raises:
        OutputRefusedError: `weights-finite` for NaN, an infinity, a number that rounds to one, or a BOOL that is neither
            0 nor 1; `weights-safetensors` when the file ends early.
    """
    digest = hashlib.sha256()
    by_name = {entry.name: entry for entry in entries}
    header = canonical_header(declared)
    digest.update(header)
    target.write(header)
    for item in order_canonically(declared):
        for piece in read_pieces(source, by_name[item.name]):
            content = _clean(piece, item.dtype, mantissa_bits)
            digest.update(content)
            target.write(content)
    return digest.hexdigest()


def read_pieces(source: BinaryIO, entry: TensorEntry) -> Iterator[bytes]:
    """Give a tensor's bytes in pieces of at most `CHUNK_BYTES`, each of whole elements.

    Raises:
        OutputRefusedError: `weights-safetensors` when the file ends early.
    """
    source.seek(entry.begin)
    for begin in range(entry.begin, entry.end, CHUNK_BYTES):
        wanted = min(CHUNK_BYTES, entry.end - begin)
        piece = source.read(wanted)
        if len(piece) != wanted:
            raise _refuse("the file ends inside a tensor")
        yield piece


def read_joined(
    source: BinaryIO, entries: Sequence[TensorEntry], *, carry: int
) -> Iterator[tuple[str, bytes]]:
    """Give the tensors' pieces with their types, each after the last `carry` elements of what was before it of its type.

    So a sequence that goes on from one piece or tensor into the next, as they lie in the file, is seen.

    Raises:
        OutputRefusedError: `weights-safetensors` when the file ends early.
    """
    carried: dict[str, bytes] = {}
    for entry in entries:
        for piece in read_pieces(source, entry):
            joined = carried.get(entry.dtype, b"") + piece
            carried[entry.dtype] = joined[-carry * ITEM_BYTES[entry.dtype] :]
            yield entry.dtype, joined


def _clean(piece: bytes, dtype: str, mantissa_bits: int | None) -> bytes | memoryview:
    """Return what leaves of a piece, or refuse it."""
    if dtype == "BOOL":
        _check_finite(finite=bool((np.frombuffer(piece, dtype=np.uint8) <= 1).all()))
    if dtype not in FORMATS:
        return piece
    known = FORMATS[dtype]
    numbers = np.frombuffer(piece, dtype=known.bits)
    _check_finite(finite=is_finite(numbers, known))
    if mantissa_bits is None or mantissa_bits >= known.fraction:
        return piece
    rounded = round_numbers(numbers, known, mantissa_bits)
    _check_finite(finite=is_finite(rounded, known))
    return rounded.data


def _check_finite(*, finite: bool) -> None:
    if not finite:
        raise OutputRefusedError(_FINITE, "a value is not a finite number of its type")
