"""Output declarations, honest outputs for them, and the pieces to build hostile ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import deserialize
from safetensors.numpy import save

from policies.canonical import digest_of
from policies.model import MetricsAllowance, OutputsPolicy, WeightsAllowance
from provider.gate.decide import check_release
from provider.gate.report import GateReport
from sandbox.bundle import OutputsDeclaration
from sandbox.spec import ProducedFile

WEIGHTS, METRICS = "model.safetensors", "metrics.json"
OUTPUTS = OutputsDeclaration.model_validate(
    {
        "weights": {
            "tensors": [
                {"name": "layer.bias", "dtype": "F32", "shape": [2]},
                {"name": "layer.weight", "dtype": "F32", "shape": [2, 3]},
                {"name": "steps", "dtype": "I64", "shape": []},
            ]
        },
        "metrics": {
            "values": [
                {"name": "accuracy", "min": 0, "max": 1, "digits": 3},
                {"name": "rows", "min": 0, "max": 100, "digits": 0},
            ]
        },
    }
)
ALLOWANCE = OutputsPolicy(
    weights=WeightsAllowance(max_bytes=4096),
    metrics=MetricsAllowance(max_count=2, max_digits=3),
    max_information_bits=1000,
)
TENSORS: dict[str, np.ndarray] = {
    "layer.bias": np.array([0.5, -1.5], dtype=np.float32),
    "layer.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "steps": np.array(7, dtype=np.int64),
}
HONEST_WEIGHTS = save(TENSORS)
HONEST_METRICS = b'{"accuracy": 0.91249, "rows": 42}'
HONEST = {WEIGHTS: HONEST_WEIGHTS, METRICS: HONEST_METRICS}


def build_file(header: Mapping[str, Any] | bytes, data: bytes) -> bytes:
    """Put a safetensors file together from any header and any data."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def split_file(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Take a safetensors file apart."""
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def write_outputs(folder: Path, files: Mapping[str, bytes]) -> list[ProducedFile]:
    """Write produced files as the collection leaves them: numbered, not named by the algorithm."""
    folder.mkdir(parents=True, exist_ok=True)
    produced = []
    for position, (name, content) in enumerate(files.items()):
        path = folder / str(position)
        path.write_bytes(content)
        produced.append(ProducedFile(name, len(content), digest_of(content), path))
    return produced


def release(folder: Path, files: Mapping[str, bytes], **options: Any) -> GateReport:
    """Send produced files through the gate."""
    produced = write_outputs(folder / "produced", files)
    outputs = options.pop("outputs", OUTPUTS)
    allowance = options.pop("allowance", ALLOWANCE)
    return check_release(outputs, allowance, produced, folder / "released", **options)


def read_reference(content: bytes) -> list[tuple[str, dict[str, Any]]]:
    """Read a file as the reference implementation does: name, and dtype, shape and data of each tensor."""
    return list(deserialize(content))  # type: ignore[no-untyped-call]  # it ships no types
