"""Deliberately mis-sealed containers: the probe sees each, and the algorithm never starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.engine import DockerEngine
from sandbox.spec import ExitReason, RunSpec, Runtime
from tests.sandbox_fixtures import Bench, printed

Change = Callable[[dict[str, Any]], None]


class MisSealing(DockerEngine):
    """An engine that asks for something other than the seal."""

    def __init__(self, change: Change) -> None:
        super().__init__()
        self._change = change

    def options(self, spec: RunSpec) -> dict[str, Any]:
        options = super().options(spec)
        self._change(options)
        return options


def _host(**changes: Any) -> Change:
    return lambda options: options["HostConfig"].update(changes)


def _network(options: dict[str, Any]) -> None:
    options["NetworkDisabled"] = False
    options["HostConfig"]["NetworkMode"] = "bridge"


def _capability(options: dict[str, Any]) -> None:
    options["HostConfig"].update(CapDrop=[], CapAdd=["SYS_ADMIN"])


def _writable_inputs(options: dict[str, Any]) -> None:
    for mount in options["HostConfig"]["Mounts"]:
        mount["ReadOnly"] = False


def _host_folder(options: dict[str, Any]) -> None:
    options["HostConfig"]["Mounts"].append(
        {"Type": "bind", "Source": "/var/tmp", "Target": "/mnt", "ReadOnly": False}  # noqa: S108 - it is there everywhere
    )


def _root(options: dict[str, Any]) -> None:
    options["User"] = "0:0"


MIS_SEALED: dict[str, tuple[str, Change]] = {
    "a network": ("interfaces", _network),
    "a capability": ("capabilities", _capability),
    "a writable root": ("root", _host(ReadonlyRootfs=False)),
    "the host's processes": ("pid", _host(PidMode="host")),
    "no seccomp profile": ("seccomp", _host(SecurityOpt=["no-new-privileges:true", "seccomp=unconfined"])),
    "another seccomp profile": ("refused_calls", _host(SecurityOpt=["no-new-privileges:true"])),
    "new privileges": ("no_new_privileges", lambda o: o["HostConfig"]["SecurityOpt"].pop(0)),
    "no pids limit": ("pids_limit", _host(PidsLimit=0)),
    "no memory limit": ("memory_limit", _host(Memory=0, MemorySwap=0)),
    "no cpu limit": ("cpu_limit", _host(CpuQuota=0, CpuPeriod=0)),
    "no limit on files": ("resource_limits", _host(Ulimits=[])),
    "a larger scratch": ("writable", lambda o: o["HostConfig"]["Tmpfs"].update({"/scratch": "rw,size=1g"})),
    "writable inputs": ("inputs", _writable_inputs),
    "a folder of the host": ("writable", _host_folder),
    "root": ("user", _root),
    "another group": ("other_groups", _host(GroupAdd=["0"])),
    "a host name": ("hostname", lambda o: o.update(Hostname="ward-7")),
    "a device": (
        "devices",
        _host(
            Devices=[
                {"PathOnHost": "/dev/loop-control", "PathInContainer": "/dev/disk", "CgroupPermissions": "r"}
            ]
        ),
    ),
}
REACH = """
import socket
try: socket.create_connection(("172.17.0.1", 22), timeout=3); print("reached")
except ConnectionRefusedError: print("reached")
except OSError: print("refused")
"""
UNDER_GVISOR = (
    "a capability",
    "a writable root",
    "a larger scratch",
    "writable inputs",
    "root",
    "no limit on files",
    "no seccomp profile",
    "another seccomp profile",
)


def _check(bench: Bench, runtime: Runtime, case: str) -> None:
    check, change = MIS_SEALED[case]
    engine = MisSealing(change)
    try:
        report = bench.run("print('it ran')", runtime, engine=engine)
    finally:
        engine.close()
    assert report.reason is ExitReason.PROBE_FAILED
    assert not report.reason.ran
    assert report.probe is not None
    assert check in {row.check for row in report.probe.rows if not row.ok}
    assert printed(report) == ""


@pytest.mark.parametrize("case", MIS_SEALED)
def test_the_probe_catches(bench: Bench, case: str) -> None:
    _check(bench, Runtime.RUNC, case)


@pytest.mark.parametrize("case", UNDER_GVISOR)
def test_the_probe_catches_on_every_runtime(bench: Bench, runtime: Runtime, case: str) -> None:
    _check(bench, runtime, case)


def test_hole_13_an_open_network_is_caught_or_not_there(bench: Bench, runtime: Runtime) -> None:
    """A peer reused an existing network without checking that it was closed.

    gVisor is registered with no network of its own, so an open one of the engine's doesn't appear inside.
    """
    engine = MisSealing(_network)
    try:
        report = bench.run(REACH, runtime, engine=engine)
    finally:
        engine.close()
    if report.reason is not ExitReason.PROBE_FAILED:
        assert runtime is Runtime.RUNSC
        assert printed(report) == "refused\n"


def test_a_runtime_other_than_the_one_asked_for_is_seen(bench: Bench) -> None:
    engine = MisSealing(_host(Runtime="runc"))
    try:
        report = (
            bench.run("print('it ran')", Runtime.RUNSC, engine=engine)
            if Runtime.RUNSC in engine.runtimes()
            else None
        )
    finally:
        engine.close()
    assert report is None or (report.reason, printed(report)) == (ExitReason.PROBE_FAILED, "")
