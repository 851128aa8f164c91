"""What the seal fixes so that the same training gives the same weights, seen from inside; and classes of processors."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from sandbox.determinism import (
    FIXED_VARIABLES,
    THREAD_VARIABLES,
    Processor,
    load_processor,
    parse_processor,
    variables,
)
from sandbox.engine import DockerEngine
from sandbox.run import run_sealed
from sandbox.seal import environment, seal_digest
from sandbox.spec import ExitReason, RunReport, Runtime
from sandbox.staging import stage_datasets, stage_job
from sandbox.warm import PRELOAD_LABEL, Recipe, start_warm
from tests.sandbox_fixtures import ASSET, LIMITS, MIB, OWNER, Bench, make_bundle, make_spec, printed

PATIENCE_S = 60.0
# Without the seal's variables the first three of these differ from run to run with two threads, and so does the last.
VARIES = """
import hashlib
import torch
torch.manual_seed(1)
places, values = torch.randint(0, 50, (200_000,)), torch.randn(200_000)
sums = {
    "index_put": torch.zeros(50).index_put_((places,), values, accumulate=True),
    "put": torch.zeros(50).put_(places, values, accumulate=True),
    "index_copy": torch.zeros(50).index_copy_(0, places, values),
    "product": torch.randn(400, 300) @ torch.randn(300, 400),
}
for name, tensor in sums.items():
    print(name, hashlib.sha256(tensor.numpy().tobytes()).hexdigest())
print("set", "".join({str(number) for number in range(100)}))
print("threads", torch.get_num_threads())
print("deterministic", torch.are_deterministic_algorithms_enabled())
print("only warns", torch.is_deterministic_algorithms_warn_only_enabled())
"""
ROOMY = dataclasses.replace(
    LIMITS, time_s=120, memory_bytes=1024 * MIB, cpus="2.0", pids=128, open_files=1024
)
V2 = "cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3"
V3 = f"{V2} abm avx avx2 bmi1 bmi2 f16c fma movbe xsave"
V4 = f"{V3} avx512bw avx512cd avx512dq avx512f avx512vl"


class PreloadsTorch(DockerEngine):
    """The real engine, whose images ask for PyTorch to be loaded ahead and for nothing else."""

    def image_labels(self, image: str) -> Mapping[str, str]:
        return {**super().image_labels(image), PRELOAD_LABEL: "torch"}


def run_warm(engine: DockerEngine, bench: Bench, folder: Path) -> RunReport:
    recipe = Recipe(bench.image, Runtime.RUNC, ROOMY, (ASSET,), "the data")
    stage_datasets(folder / "inputs", [bench.dataset(b"x,y\n1,2\n")])
    container = start_warm(
        engine, recipe, name=f"{OWNER}-torch", owner=OWNER, inputs=folder / "inputs", now=0.0
    )
    deadline = time.monotonic() + PATIENCE_S
    while not container.is_ready and time.monotonic() < deadline:
        container.advance(0.1)
    bundle = make_bundle(VARIES, image=bench.image)
    stage_job(container.inputs, bundle, {})
    spec = make_spec(container.inputs, image=bench.image, limits=ROOMY, argv=bundle.manifest.argv)
    return run_sealed(
        engine,
        container.fit(spec),
        folder=folder / "outputs",
        on_event=lambda _: None,
        cancelled=lambda: False,
        waiting=container.channel,
    )


def test_what_threads_and_hashes_make_vary_elsewhere_is_the_same_in_the_seal_cold_or_warm(
    bench: Bench, tmp_path: Path
) -> None:
    limits = {name: getattr(ROOMY, name) for name in ROOMY.__slots__}
    reports = [bench.run(VARIES, Runtime.RUNC, **limits) for _ in range(2)]
    with closing(PreloadsTorch()) as engine:
        reports.append(run_warm(engine, bench, tmp_path / "warm"))
    said = [printed(report) for report in reports]
    assert [report.reason for report in reports] == [ExitReason.COMPLETED] * 3
    assert said[0] == said[1] == said[2]
    assert said[0].endswith("threads 2\ndeterministic True\nonly warns True\n")
    assert {report.determinism.threads for report in reports} == {2}


def test_an_algorithm_finds_one_folder_of_the_guest_on_its_search_path_and_none_of_its_programs(
    bench: Bench,
) -> None:
    report = bench.run(
        "import sys\nfor n in ('init', 'probe', 'warm'):\n  print(n in sys.modules, end=' ')\n"
        "import importlib.util as u\nprint(*[u.find_spec(n) for n in ('init', 'probe', 'children')])\n",
        Runtime.RUNC,
    )
    assert printed(report) == "False False False None None None\n"


@pytest.mark.parametrize(("cpus", "threads"), [("0.5", 1), ("1", 1), ("1.9", 1), ("2", 2), ("16", 16)])
def test_libraries_use_as_many_threads_as_there_are_whole_processors(
    tmp_path: Path, cpus: str, threads: int
) -> None:
    spec = make_spec(tmp_path, limits=dataclasses.replace(LIMITS, cpus=cpus))
    found = environment(spec)
    assert {found[name] for name in THREAD_VARIABLES} == {str(threads)}
    assert {name: found[name] for name in FIXED_VARIABLES} == FIXED_VARIABLES


def test_a_seal_that_fixes_something_else_has_another_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec(tmp_path)
    before = seal_digest(spec)
    monkeypatch.setattr(
        "sandbox.seal.variables", lambda threads: variables(threads) | {"PYTHONHASHSEED": "1"}
    )
    assert seal_digest(spec) != before


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        ("", Processor("x86_64", "unknown", "unknown")),
        (
            f"vendor_id\t: AuthenticAMD\nflags\t\t: {V3} sse\n",
            Processor("x86_64", "AuthenticAMD", "x86-64-v3"),
        ),
        (
            f"vendor_id\t: GenuineIntel\nflags\t\t: {V2} avx\n",
            Processor("x86_64", "GenuineIntel", "x86-64-v2"),
        ),
        (f"vendor_id\t: GenuineIntel\nflags\t\t: {V4}\n", Processor("x86_64", "GenuineIntel", "x86-64-v4")),
        (f"flags\t: {V4} amx_tile\nflags\t: {V2}\n", Processor("x86_64", "unknown", "x86-64-v4+amx")),
        ("vendor_id : a b\x00\nflags : fpu\n", Processor("x86_64", "unknown", "unknown")),
    ],
    ids=["no file", "avx2", "no avx2", "avx512", "the first of several", "junk"],
)
def test_a_processor_is_known_by_its_maker_and_the_best_instructions_it_has_all_of(
    cpuinfo: str, expected: Processor
) -> None:
    assert parse_processor(cpuinfo, "x86_64") == expected


def test_an_arm_processor_is_known_too() -> None:
    cpuinfo = "CPU implementer\t: 0x41\nFeatures\t: fp asimd sve\n"
    assert parse_processor(cpuinfo, "aarch64") == Processor("aarch64", "0x41", "armv8+sve")


def test_this_machines_processor_is_known() -> None:
    assert "unknown" not in (load_processor().architecture, load_processor().level)
