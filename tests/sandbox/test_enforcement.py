"""What holds a container from outside: read from both kinds of cgroup, and of any record that an engine could give."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.enforcement import read_cgroup, read_figures, read_record
from sandbox.engine import DockerEngine
from sandbox.errors import EngineUnavailableError
from sandbox.expectation import expect_engine
from sandbox.seal import container_name
from sandbox.spec import RunSpec, Runtime
from sandbox.staging import stage
from tests.sandbox_fixtures import Bench, make_bundle, make_spec

ID = "c0" * 32
LIMITS = {
    "engine_memory": "268435456",
    "engine_swap": "0",
    "engine_pids": "64",
    "engine_cpu": "100000/100000",
}
V1 = {
    "memory/docker/ID/memory.limit_in_bytes": "268435456",
    "memory/docker/ID/memory.memsw.limit_in_bytes": "268435456",
    "pids/docker/ID/pids.max": "64",
    "cpu,cpuacct/docker/ID/cpu.cfs_quota_us": "100000",
    "cpu,cpuacct/docker/ID/cpu.cfs_period_us": "100000",
}
V2 = {
    "system.slice/docker-ID.scope/memory.max": "268435456",
    "system.slice/docker-ID.scope/memory.swap.max": "0",
    "system.slice/docker-ID.scope/pids.max": "64",
    "system.slice/docker-ID.scope/cpu.max": "100000 100000",
}
V1_GROUPS = "4:memory:/docker/ID\n3:pids:/docker/ID\n2:cpu,cpuacct:/docker/ID\n0::/docker/ID"
V2_GROUPS = "0::/system.slice/docker-ID.scope"


def machine(folder: Path, files: dict[str, str], groups: str, *, swap_kib: int = 0) -> tuple[Path, Path]:
    """Make the files of a machine whose process 7 is in `groups`; return its /proc and its /sys/fs/cgroup."""
    proc, root = folder / "proc", folder / "cgroup"
    for path, text in files.items():
        file = root / path.replace("ID", ID)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    for controller in ("cpu", "cpuacct"):
        if (root / "cpu,cpuacct").exists():
            (root / controller).symlink_to(root / "cpu,cpuacct")
    (proc / "7").mkdir(parents=True)
    (proc / "7" / "cgroup").write_text(groups.replace("ID", ID) + "\n")
    (proc / "meminfo").write_text(f"MemTotal: 8000 kB\nSwapTotal: {swap_kib} kB\n")
    return proc, root


@pytest.mark.parametrize(
    ("files", "groups"), [(V1, V1_GROUPS), (V2, V2_GROUPS)], ids=["version 1", "version 2"]
)
def test_the_limits_of_a_cgroup_are_read_in(tmp_path: Path, files: dict[str, str], groups: str) -> None:
    proc, root = machine(tmp_path, files, groups)
    assert read_cgroup(7, ID, proc=proc, root=root) == LIMITS


DIFFERENCES = {
    "no memory limit": ("engine_memory", V2_GROUPS, {"memory.max": "max"}),
    "no pids limit": ("engine_pids", V2_GROUPS, {"pids.max": "max"}),
    "no cpu limit": ("engine_cpu", V2_GROUPS, {"cpu.max": "max 100000"}),
    "swap": ("engine_swap", V2_GROUPS, {"memory.swap.max": "max"}),
}


@pytest.mark.parametrize(("check", "groups", "change"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_a_cgroup_shows(tmp_path: Path, check: str, groups: str, change: dict[str, str]) -> None:
    files = V2 | {f"system.slice/docker-ID.scope/{name}": text for name, text in change.items()}
    proc, root = machine(tmp_path, files, groups)
    found = read_cgroup(7, ID, proc=proc, root=root)
    assert {name for name in LIMITS if found[name] != LIMITS[name]} == {check}


def test_swap_that_nobody_counts_is_none_only_on_a_machine_without_any(tmp_path: Path) -> None:
    files = {path: text for path, text in V1.items() if "memsw" not in path}
    without, with_some = tmp_path / "without", tmp_path / "with"
    for folder, swap_kib, expected in ((without, 0, "0"), (with_some, 1024, "unreadable")):
        proc, root = machine(folder, files, V1_GROUPS, swap_kib=swap_kib)
        assert read_cgroup(7, ID, proc=proc, root=root)["engine_swap"] == expected


def test_a_file_that_is_not_there_is_no_limit(tmp_path: Path) -> None:
    proc, root = machine(tmp_path, {}, V2_GROUPS)
    found = read_cgroup(7, ID, proc=proc, root=root)
    assert found["engine_memory"] == found["engine_pids"] == "unreadable"


def test_the_cgroup_of_another_process_is_never_taken_for_the_containers(tmp_path: Path) -> None:
    proc, root = machine(tmp_path, V2, "0::/system.slice/something-else.service")
    assert read_cgroup(7, ID, proc=proc, root=root) == {}
    assert read_cgroup(8, ID, proc=proc, root=root) == {}


RECORDS: dict[str, Any] = {
    "an empty record": {},
    "a record of nothing": {
        "HostConfig": {},
        "Config": {},
        "NetworkSettings": {},
        "Mounts": [],
        "Args": None,
    },
}


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_what_a_record_leaves_out_is_taken_for_the_worst(tmp_path: Path, record: dict[str, Any]) -> None:
    expected = expect_engine(make_spec(tmp_path))
    found = read_record(record) | read_figures(record, {})
    assert set(found) == set(expected)
    assert {check for check in expected if found[check] == expected[check]} <= {"engine_swap"}


@pytest.fixture
def started(bench: Bench, runtime: Runtime) -> Iterator[RunSpec]:
    """Return the spec of a sealed container that waits for its orders."""
    inputs = bench._folder / "inputs"
    stage(inputs, [], make_bundle("pass", image=bench.image), {})
    spec = make_spec(inputs, run_id=f"held-{os.getpid()}-{runtime}", image=bench.image, runtime=runtime)
    session = bench.engine.start(spec)
    yield spec
    session.close()
    bench.engine.remove(spec.run_id)


def test_the_engine_and_the_kernel_agree_on_a_sealed_container(
    engine: DockerEngine, started: RunSpec
) -> None:
    name = container_name(started.run_id)
    assert engine.limits_in_force(started.run_id) == expect_engine(started)
    record = engine._api.inspect_container(name)
    stats = engine._api.stats(name, stream=False, one_shot=True)
    assert read_record(record) | read_figures(record, stats) == expect_engine(started)


def test_a_container_that_has_ended_holds_nothing(engine: DockerEngine, started: RunSpec) -> None:
    engine._api.kill(container_name(started.run_id))
    engine.get_ending(started.run_id, timeout_s=10)
    with pytest.raises(EngineUnavailableError, match="ended"):
        engine.limits_in_force(started.run_id)
