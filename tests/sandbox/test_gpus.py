"""GPUs, as far as a machine without one can show: what the engine is handed, and what the probe makes of the devices."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sandbox.engine import DockerEngine
from sandbox.errors import DeviceMissingError
from sandbox.expectation import expect_engine
from sandbox.run import run_sealed
from sandbox.spec import ExitReason, RunReport, RunSpec, Runtime
from sandbox.staging import stage
from tests.sandbox_fixtures import LIMITS, OWNER, Bench, make_bundle, make_spec, printed

TWO_GPUS = ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools")
LISTING = "import os; print(*sorted(name for name in os.listdir('/dev') if name.startswith('nvidia')))"


class Pretending(DockerEngine):
    """An engine that says it has GPUs, and makes `devices` in their place: nodes with their names, behind them nothing."""

    def __init__(self, devices: Sequence[str]) -> None:
        super().__init__()
        self._devices = devices

    def options(self, spec: RunSpec) -> dict[str, Any]:
        options = super().options(spec)
        options["HostConfig"]["DeviceRequests"] = []
        options["HostConfig"]["Devices"] = [
            {"PathOnHost": "/dev/null", "PathInContainer": f"/dev/{name}", "CgroupPermissions": "rwm"}
            for name in self._devices
        ]
        return options

    def limits_in_force(self, run_id: str) -> dict[str, str]:
        asked = expect_engine(make_spec(Path("/staged"), gpus=2))
        return super().limits_in_force(run_id) | {"engine_devices": asked["engine_devices"]}


def run_with(engine: DockerEngine, image: str, folder: Path, *, gpus: int) -> RunReport:
    bundle = make_bundle(LISTING, image=image)
    staged = stage(folder / "inputs", [], bundle, {})
    spec = make_spec(
        staged.root, run_id=folder.name.lower().replace("_", "-")[:100], image=image, argv=bundle.manifest.argv,
        dataset_ids=(), limits=dataclasses.replace(LIMITS, time_s=10), gpus=gpus,
    )  # fmt: skip
    try:
        return run_sealed(
            engine, spec, folder=folder / "outputs", on_event=lambda _: None, cancelled=lambda: False
        )
    finally:
        engine.remove(spec.run_id)


def rows_of(report: RunReport) -> dict[str, tuple[str, bool]]:
    assert report.probe is not None
    return {row.check: (row.seen, row.ok) for row in report.probe.rows}


def test_the_engine_is_handed_a_request_in_its_own_form(tmp_path: Path, engine: DockerEngine) -> None:
    options = engine.options(make_spec(tmp_path, gpus=2))
    assert options["HostConfig"]["DeviceRequests"] == [
        {"Driver": "", "Count": 2, "DeviceIDs": [], "Capabilities": [["gpu", "compute"]], "Options": {}}
    ]
    assert engine.options(make_spec(tmp_path))["HostConfig"]["DeviceRequests"] == []


@pytest.mark.skipif(
    shutil.which("nvidia-container-runtime-hook") is not None, reason="this machine may have a GPU to give"
)
def test_an_engine_without_gpus_starts_nothing(bench: Bench, tmp_path: Path, engine: DockerEngine) -> None:
    with pytest.raises(DeviceMissingError, match=r"set the policy's limits\.gpus to 0"):
        run_with(engine, bench.image, tmp_path, gpus=1)
    assert not (tmp_path / "outputs").exists()
    assert engine.reap(OWNER) == []


def test_with_the_devices_of_its_gpus_and_no_other_an_algorithm_runs(bench: Bench, tmp_path: Path) -> None:
    with closing(Pretending(TWO_GPUS)) as engine:
        report = run_with(engine, bench.image, tmp_path, gpus=2)
    assert report.reason is ExitReason.COMPLETED, report.probe
    assert printed(report).split() == sorted(TWO_GPUS)
    assert rows_of(report)["devices"] == (
        "full null nvidia-uvm nvidia-uvm-tools nvidia0 nvidia1 nvidiactl random tty urandom zero",
        True,
    )


WRONG = {
    "one GPU more": (*TWO_GPUS, "nvidia2"),
    "one GPU less": TWO_GPUS[1:],
    "another GPU": ("nvidia0", "nvidia3", *TWO_GPUS[2:]),
    "a display's device": (*TWO_GPUS, "nvidia-modeset"),
    "a part of a GPU": (*TWO_GPUS, "nvidia-caps/nvidia-cap1"),
    "a graphics device": (*TWO_GPUS, "dri/card0"),
    "none": (),
}


@pytest.mark.parametrize("devices", WRONG.values(), ids=WRONG)
def test_with_any_other_devices_it_does_not(bench: Bench, tmp_path: Path, devices: tuple[str, ...]) -> None:
    with closing(Pretending(devices)) as engine:
        report = run_with(engine, bench.image, tmp_path, gpus=2)
    assert report.reason is ExitReason.PROBE_FAILED
    assert [check for check, (_, ok) in rows_of(report).items() if not ok] == ["devices"]
    assert printed(report) == ""


def test_without_gpus_asked_for_no_device_of_one_is_let_in(bench: Bench, tmp_path: Path) -> None:
    class Adding(Pretending):
        def limits_in_force(self, run_id: str) -> dict[str, str]:
            return super().limits_in_force(run_id) | {"engine_devices": "none"}

    with closing(Adding(["nvidia0"])) as engine:
        report = run_with(engine, bench.image, tmp_path, gpus=0)
    assert report.reason is ExitReason.PROBE_FAILED
    assert rows_of(report)["devices"][1] is False
    assert printed(report) == ""


def test_a_request_for_other_gpus_is_seen_from_outside_before_any_order_is_given() -> None:
    table = expect_engine(make_spec(Path("/staged"), gpus=2))
    assert table["engine_devices"] != expect_engine(make_spec(Path("/staged"), gpus=1))["engine_devices"]
    assert expect_engine(make_spec(Path("/staged"), runtime=Runtime.RUNSC))["engine_devices"] == "none"
