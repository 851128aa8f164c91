"""What the gate takes for weights of 100 MB, over reading and hashing the same file, and in how much memory.

`gate_ratio` is `check_release` with rounding: every check and the copy that leaves. `gate_scans_ratio` is what the mode `measured` looks
for in the file besides, stated only: the rows of the breast cancer data, and what hides in low bits. Both sides take turns, medians of `TURNS`; the
memory is what a process that does both came to, less what it had before.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from bench.figures import Pairs, Row, at_most, seconds_of
from policies.model import OutputsPolicy, WeightsAllowance
from provider.gate.decide import check_release
from provider.gate.lowbits import check_low_bits
from provider.gate.moments import MomentsOfRows
from provider.gate.report import GateVerdict
from provider.gate.safetensors import parse_header
from provider.gate.tables import join_rows
from provider.gate.textscan import TextIndex
from provider.gate.verbatim import RowIndex
from sandbox.bundle import OutputsDeclaration
from sandbox.spec import ProducedFile

ROOT = Path(__file__).resolve().parent.parent
WEIGHTS = "model.safetensors"
ELEMENTS = 2**20
TENSORS = 25
TURNS = 5
MAX_RATIO = 3
MAX_PEAK_MB = 64
MANTISSA_BITS = 8
CHUNK_BYTES = 2**20
OUTPUTS = OutputsDeclaration.model_validate(
    {
        "weights": {
            "tensors": [{"name": f"layer{n:02}", "dtype": "F32", "shape": [ELEMENTS]} for n in range(TENSORS)]
        }
    }
)


def rows() -> list[Row]:
    """Measure in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bench.privacy_gate", folder]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    found = json.loads(done.stdout)
    gate, scans = (Pairs(tuple(found[name]), tuple(found["hash"])) for name in ("gate", "scans"))
    words = "the process's most, beyond what it had before"
    return [
        gate.row("gate_ratio", MAX_RATIO),
        at_most("gate_peak_mb", found["peak_mb"], "MB", MAX_PEAK_MB, words),
        scans.row("gate_scans_ratio", None),
    ]


def main() -> None:
    """Write the file into the folder named, take turns, and print seconds and memory: what `rows` starts."""
    folder = Path(sys.argv[1])
    produced = _write(folder / "produced")
    data = [
        line.split(",") for line in (ROOT / "examples/breast_cancer/wdbc.csv").read_text().splitlines()[1:]
    ]
    before_mb = _resident_mb("VmRSS:")
    turns = [
        (
            seconds_of(lambda: _hash(produced.content)),
            seconds_of(lambda: _check(produced, folder / "released")),
            seconds_of(lambda: _scan(produced.content, data)),
        )
        for _ in range(TURNS)
    ]
    hashed, gate, scans = zip(*turns, strict=True)
    peak_mb = _resident_mb("VmHWM:") - before_mb
    print(json.dumps({"hash": hashed, "gate": gate, "scans": scans, "peak_mb": peak_mb}))


def _write(path: Path) -> ProducedFile:
    """Write random weights, tensor by tensor, and forget them."""
    entries, end = {}, 0
    for tensor in OUTPUTS.weights.tensors if OUTPUTS.weights else ():
        entries[tensor.name] = {
            "dtype": "F32",
            "shape": [ELEMENTS],
            "data_offsets": [end, end + 4 * ELEMENTS],
        }
        end += 4 * ELEMENTS
    header = json.dumps(entries).encode()
    random = np.random.default_rng(0)
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for _ in range(TENSORS):
            file.write(random.standard_normal(ELEMENTS, dtype=np.float32).tobytes())
    return ProducedFile(WEIGHTS, path.stat().st_size, f"sha256:{_hash(path)}", path)


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _check(produced: ProducedFile, folder: Path) -> None:
    weights = WeightsAllowance(max_bytes=2**30, mantissa_bits=MANTISSA_BITS)
    report = check_release(OUTPUTS, OutputsPolicy(weights=weights), [produced], folder)
    if report.verdict is not GateVerdict.RELEASED:
        raise SystemExit(f"honest weights were withheld: {report.rule}")


def _scan(path: Path, data: list[list[str]]) -> None:
    moments = MomentsOfRows(len(data[0]))
    for row in data:
        moments.show(row)
    text, index = TextIndex(join_rows(data)), RowIndex(data, moments.of_columns)
    with path.open("rb") as file:
        entries = parse_header(file, path.stat().st_size)
        random = check_low_bits(file, entries, mantissa_bits=MANTISSA_BITS)
        found = text.stands_in(file, entries, mantissa_bits=MANTISSA_BITS) or index.stands_in(file, entries)
        if found or not random:
            raise SystemExit("rows were found in random weights")


def _resident_mb(field: str) -> float:
    return int(Path("/proc/self/status").read_text().split(field)[1].split()[0]) / 1024


if __name__ == "__main__":
    main()
