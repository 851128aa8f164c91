"""Writes what a scorer is asked about: the weights that would leave, and copies in each of which one tensor is overwritten.

A tensor whose overwriting changes no score does nothing for the model, so whatever it holds is there for another reason.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from random import SystemRandom

import numpy as np

from provider.gate.mantissa import FORMATS
from provider.gate.safetensors import CHUNK_BYTES, ITEM_BYTES, TensorEntry, parse_header, read_pieces

MAX_CANDIDATES = 64
MAX_BYTES = 512 * 2**20
RELEASE, AGAIN = "", " again"
"""The weights themselves, twice: a scorer that answers differently can't be judged. No tensor has such a name."""
_ONE = {
    "F64": np.float64(1).tobytes(),
    "F32": np.float32(1).tobytes(),
    "F16": np.float16(1).tobytes(),
    "BF16": b"\x80\x3f",
}


def write_candidates(release: Path, folder: Path, random: SystemRandom) -> Mapping[str, Path]:
    """Write the candidates into `folder` under numbers in a secret order, and return them by the tensor overwritten.

    Where they would be more than `MAX_CANDIDATES` or `MAX_BYTES`, only the weights themselves are there.
    """
    with release.open("rb") as file:
        entries = parse_header(file, release.stat().st_size)
    names = [RELEASE, AGAIN, *(entry.name for entry in entries if entry.end > entry.begin)]
    if len(names) > MAX_CANDIDATES or len(names) * release.stat().st_size > MAX_BYTES:
        names = [RELEASE, AGAIN]
    numbers = list(range(len(names)))
    random.shuffle(numbers)
    found = {name: folder / f"{number}.safetensors" for name, number in zip(names, numbers, strict=True)}
    by_name = {entry.name: entry for entry in entries}
    for name, path in found.items():
        shutil.copyfile(release, path)
        if name in by_name:
            _overwrite(path, by_name[name])
    return found


def _overwrite(path: Path, entry: TensorEntry) -> None:
    """Fill a tensor with zeros; one that is zero throughout with ones."""
    with path.open("r+b") as file:
        is_zero = not any(np.frombuffer(piece, dtype=np.uint8).any() for piece in read_pieces(file, entry))
        one = _ONE[entry.dtype] if entry.dtype in FORMATS else (1).to_bytes(ITEM_BYTES[entry.dtype], "little")
        unit = one if is_zero else bytes(len(one))
        block = unit * (CHUNK_BYTES // len(unit))
        file.seek(entry.begin)
        for begin in range(entry.begin, entry.end, CHUNK_BYTES):
            file.write(block[: min(CHUNK_BYTES, entry.end - begin)])
