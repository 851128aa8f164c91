"""The example algorithms, on the real data, sealed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from sandbox.bundle import check_parameters, load_bundle
from sandbox.spec import ExitReason, Runtime
from sandbox.staging import StagedDataset
from tests.sandbox_fixtures import ASSET, MIB, ROOT, Bench, printed

DATA = ROOT / "examples" / "breast_cancer" / "wdbc.csv"
ALGORITHMS = sorted(
    path.name for path in (ROOT / "examples" / "algorithms").iterdir() if not path.name.startswith("ocean_")
)
TYPES = {"F32": "float32"}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_an_example_trains_and_keeps_its_declaration(bench: Bench, runtime: Runtime, name: str) -> None:
    bundle = load_bundle(ROOT / "examples" / "algorithms" / name, image=bench.image)
    parameters = {"seed": 1}
    check_parameters(bundle.manifest, parameters)
    dataset = StagedDataset(ASSET, (DATA,), (DATA.name,), "Breast cancer")
    reports = [
        bench.run(
            "", runtime, bundle=bundle, datasets=[dataset], parameters=parameters,
            time_s=120, memory_bytes=2048 * MIB, scratch_bytes=64 * MIB, file_bytes=64 * MIB, open_files=1024,
        )
        for _ in range(2 if runtime is Runtime.RUNC else 1)
    ]  # fmt: skip
    assert [report.reason for report in reports] == [ExitReason.COMPLETED] * len(reports), printed(reports[0])
    assert len({tuple(output.digest for output in report.outputs) for report in reports}) == 1
    outputs = {output.path: output.content for output in reports[0].outputs}
    assert set(outputs) == {"metrics.json", "model.safetensors"}
    metrics = json.loads(outputs["metrics.json"].read_text())
    assert set(metrics) == {"accuracy", "auc"}
    assert metrics["accuracy"] > 0.9
    assert metrics["auc"] > 0.95
    assert bundle.manifest.outputs.weights is not None
    _check_tensors(outputs["model.safetensors"], bundle.manifest.outputs.weights.tensors)


LOADER = """
import os, torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

class Rows(Dataset):
    def __len__(self): return 256
    def __getitem__(self, number):
        generator = torch.Generator().manual_seed(number)
        row = torch.randn(8, generator=generator)
        return row, (row.sum() > 0).float(), os.getpid()

torch.manual_seed(1)
model = torch.nn.Linear(8, 1)
optimiser = torch.optim.SGD(model.parameters(), lr=0.5)
workers = set()
for epoch in range(2):
    for rows, labels, pids in DataLoader(Rows(), batch_size=64, num_workers=2, {options}):
        workers.update(pids.tolist())
        optimiser.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model(rows).squeeze(1), labels)
        loss.backward()
        optimiser.step()
print("trained" if loss < 0.6 and os.getpid() not in workers and len(workers) > 1 else (loss, workers))
"""
LOADERS = {"of one epoch": "", "that live on": "persistent_workers=True"}
NAMED_FILES = "worker_init_fn=lambda _: torch.multiprocessing.set_sharing_strategy('file_system')"


@pytest.mark.parametrize("options", LOADERS.values(), ids=LOADERS)
def test_a_data_loader_trains_with_two_workers(bench: Bench, runtime: Runtime, options: str) -> None:
    _assert_loads(bench, runtime, options)


def test_a_data_loader_shares_tensors_by_file_name(bench: Bench) -> None:
    """Not on gVisor, where PyTorch's own manager of such files ends early, with our profile or without."""
    _assert_loads(bench, Runtime.RUNC, NAMED_FILES)


def _assert_loads(bench: Bench, runtime: Runtime, options: str) -> None:
    report = bench.run(
        LOADER.replace("{options}", options),
        runtime,
        time_s=120,
        memory_bytes=2048 * MIB,
        pids=128,
        open_files=1024,
    )
    assert (report.reason, printed(report)) == (ExitReason.COMPLETED, "trained\n")


def _check_tensors(path: Path, declared: object) -> None:
    tensors = {name: (str(value.dtype), list(value.shape)) for name, value in load_file(path).items()}
    assert isinstance(declared, list)
    assert tensors == {tensor.name: (TYPES[tensor.dtype], tensor.shape) for tensor in declared}


def test_the_example_data_is_what_its_script_says() -> None:
    lines = DATA.read_text().splitlines()
    assert len(lines) == 570
    assert lines[0].split(",")[-1] == "malignant"
    assert sum(line.endswith(",1") for line in lines[1:]) == 212
