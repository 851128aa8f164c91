"""Deliberately mis-sealed containers: each is refused, from outside and from inside, and the algorithm never starts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sandbox.engine import DockerEngine
from sandbox.errors import EngineUnavailableError, RuntimeMissingError
from sandbox.expectation import NOT_SEEN, expect_engine
from sandbox.seal import SECCOMP
from sandbox.seccomp import seccomp_profile
from sandbox.spec import ExitReason, RunReport, RunSpec, Runtime
from tests.sandbox_fixtures import ASSET, Bench, list_runtimes, printed

Change = Callable[[dict[str, Any]], None]
RUNC, RUNSC = Runtime.RUNC, Runtime.RUNSC
HOST_FOLDER = "/HOST_FOLDER"  # replaced by a folder of the test's own
MIB = 1024 * 1024


class MisSealing(DockerEngine):
    """An engine that asks for something other than the seal; a lying one also says that all is as it should be."""

    def __init__(self, change: Change, folder: Path, *, lies: bool = False) -> None:
        super().__init__()
        self._change = change
        self._folder = folder
        self._lies = lies
        self._spec: RunSpec | None = None

    def options(self, spec: RunSpec) -> dict[str, Any]:
        self._spec = spec
        options = super().options(spec)
        self._change(options)
        for mount in options["HostConfig"]["Mounts"]:
            mount["Source"] = mount["Source"].replace(HOST_FOLDER, str(self._folder))
        return options

    def limits_in_force(self, run_id: str) -> dict[str, str]:
        found = super().limits_in_force(run_id)
        return expect_engine(self._spec) if self._lies and self._spec else found


def _host(**changes: Any) -> Change:
    return lambda options: options["HostConfig"].update(changes)


def _mount(target: str, *, source: str = HOST_FOLDER, read_only: bool = False) -> Change:
    mount = {"Type": "bind", "Source": source, "Target": target, "ReadOnly": read_only}
    return lambda options: options["HostConfig"]["Mounts"].append(dict(mount))


def _mounts(**changes: Any) -> Change:
    def change(options: dict[str, Any]) -> None:
        for mount in options["HostConfig"]["Mounts"]:
            mount.update(changes)

    return change


def _tmpfs(path: str, options_text: str) -> Change:
    return lambda options: options["HostConfig"]["Tmpfs"].update({path: options_text})


def _network(mode: str) -> Change:
    def change(options: dict[str, Any]) -> None:
        options.update(NetworkDisabled=False)
        options["HostConfig"].update(NetworkMode=mode)

    return change


def _resolver(**changes: Any) -> Change:
    """A network that is set up has its files, even one that leads nowhere."""

    def change(options: dict[str, Any]) -> None:
        options.update(NetworkDisabled=False)
        options["HostConfig"].update(changes)

    return change


def _host_name(options: dict[str, Any]) -> None:
    del options["Hostname"]
    options["HostConfig"]["UTSMode"] = "host"


def _tmpfs_with(word: str, other: str) -> Change:
    def change(options: dict[str, Any]) -> None:
        places = options["HostConfig"]["Tmpfs"]
        for path, text in places.items():
            places[path] = ",".join(other if part.startswith(word) else part for part in text.split(","))

    return change


def _seccomp(*profile: str) -> Change:
    return _host(SecurityOpt=["no-new-privileges:true", *profile])


DEVICE = {"PathOnHost": "/dev/loop-control", "PathInContainer": "/dev/disk", "CgroupPermissions": "r"}
LIMIT_FROM_OUTSIDE = "gVisor's kernel shows no cgroup of the host: its limits are seen from outside"
OWN_NAMESPACES = "gVisor's kernel has namespaces of its own, whatever the host's are"
OWN_NETWORK = "gVisor is registered with no network of its own, so the engine's doesn't appear inside"
NO_SOCKETS = "gVisor mounts no socket of the host"
OWN_KERNEL = "the files are of gVisor's own kernel, which knows nothing of the host"


@dataclass(frozen=True)
class MisSeal:
    """A change to the seal, the check from inside and the one from outside that catch it.

    `unseen` says why a runtime shows nothing of it inside; there the container is as closed as one that was sealed.
    `never` says why no container starts there at all.
    """

    change: Change
    inside: str
    outside: str = ""
    unseen: dict[Runtime, str] = field(default_factory=dict)
    never: dict[Runtime, str] = field(default_factory=dict)
    inside_on: dict[Runtime, str] = field(default_factory=dict)

    def check_inside(self, runtime: Runtime) -> str:
        """Return the check that catches it on a runtime."""
        return self.inside_on.get(runtime, self.inside)


MIS_SEALED = {
    "a network": MisSeal(_network("bridge"), "interfaces", "engine_namespaces", {RUNSC: OWN_NETWORK}),
    "the host's network": MisSeal(_network("host"), "interfaces", "engine_namespaces", {RUNSC: OWN_NETWORK}),
    "a name server": MisSeal(_resolver(Dns=["192.0.2.53"]), "dns"),
    "a search domain": MisSeal(_resolver(DnsSearch=["ward.example"]), "dns"),
    "an address of the host's network": MisSeal(_resolver(ExtraHosts=["records:192.0.2.7"]), "hosts"),
    "a capability": MisSeal(_host(CapDrop=[], CapAdd=["SYS_ADMIN"]), "capabilities", "engine_privileges"),
    "a single capability": MisSeal(_host(CapAdd=["SYS_PTRACE"]), "capabilities", "engine_privileges"),
    "every privilege": MisSeal(_host(Privileged=True), "capabilities", "engine_privileges"),
    "new privileges": MisSeal(
        _host(SecurityOpt=[SECCOMP + json.dumps(seccomp_profile())]),
        "",
        "engine_privileges",
        {RUNSC: "gVisor always sets it for itself"},
        {RUNC: "the engine gives up rights by calls that our profile refuses, unless none can come back"},
    ),
    "new privileges and no seccomp profile": MisSeal(
        _host(SecurityOpt=["seccomp=unconfined"]),
        "no_new_privileges",
        "engine_privileges",
        inside_on={RUNSC: "seccomp"},
    ),
    "no seccomp profile": MisSeal(_seccomp("seccomp=unconfined"), "seccomp", "engine_privileges"),
    "another seccomp profile": MisSeal(_seccomp(), "refused_calls", "engine_privileges"),
    "root": MisSeal(lambda options: options.update(User="0:0"), "user", "engine_user"),
    "another group": MisSeal(_host(GroupAdd=["0"]), "other_groups", "engine_privileges"),
    "a writable root": MisSeal(_host(ReadonlyRootfs=False), "root", "engine_root"),
    "writable inputs": MisSeal(_mounts(ReadOnly=False), "inputs", "engine_mounts"),
    "a folder of the host": MisSeal(_mount("/mnt"), "host_paths", "engine_mounts"),
    "a folder of the host to read": MisSeal(_mount("/mnt", read_only=True), "host_paths", "engine_mounts"),
    "a folder of the host instead of the dataset": MisSeal(
        _mount(f"/data/inputs/{ASSET}", read_only=True), "host_paths", "engine_mounts"
    ),
    "the engine's socket": MisSeal(
        _mount("/run/docker.sock", source="/var/run/docker.sock"),
        "engine_sockets",
        "engine_mounts",
        never={RUNSC: NO_SOCKETS},
    ),
    "the engine's socket under another name": MisSeal(
        _mount("/mnt/s", source="/var/run/docker.sock"),
        "host_paths",
        "engine_mounts",
        never={RUNSC: NO_SOCKETS},
    ),
    "mounts that follow the host's": MisSeal(
        _mounts(BindOptions={"Propagation": "private"}),
        "",
        "engine_mounts",
        {RUNC: "nothing has been mounted yet", RUNSC: "nothing has been mounted yet"},
    ),
    "the host's processes": MisSeal(
        _host(PidMode="host"), "pid", "engine_namespaces", {RUNSC: OWN_NAMESPACES}
    ),
    "the host's shared memory": MisSeal(_host(IpcMode="host"), "writable", "engine_namespaces"),
    "the host's own name": MisSeal(_host_name, "hostname", "engine_namespaces"),
    "another host name": MisSeal(lambda options: options.update(Hostname="ward-7"), "hostname"),
    "the host's control groups": MisSeal(
        _host(CgroupnsMode="host"), "cgroups", "engine_namespaces", {RUNSC: LIMIT_FROM_OUTSIDE}
    ),
    "no pids limit": MisSeal(_host(PidsLimit=0), "pids_limit", "engine_pids", {RUNSC: LIMIT_FROM_OUTSIDE}),
    "no memory limit": MisSeal(
        _host(Memory=0, MemorySwap=0), "memory_limit", "engine_memory", {RUNSC: LIMIT_FROM_OUTSIDE}
    ),
    "a larger memory limit": MisSeal(
        _host(Memory=512 * MIB, MemorySwap=512 * MIB),
        "memory_limit",
        "engine_memory",
        {RUNSC: LIMIT_FROM_OUTSIDE},
    ),
    "swap": MisSeal(_host(MemorySwap=-1), "swap", "engine_swap", {RUNSC: LIMIT_FROM_OUTSIDE}),
    "no cpu limit": MisSeal(
        _host(CpuQuota=0, CpuPeriod=0), "cpu_limit", "engine_cpu", {RUNSC: LIMIT_FROM_OUTSIDE}
    ),
    "no limit on files": MisSeal(_host(Ulimits=[]), "resource_limits"),
    "core dumps to a program of the host": MisSeal(
        lambda options: options["HostConfig"]["Ulimits"][0].update(Soft=0, Hard=0), "resource_limits"
    ),
    "a larger scratch": MisSeal(
        _tmpfs("/scratch", "rw,nosuid,nodev,noexec,size=1g"), "writable", "engine_tmpfs"
    ),
    "a scratch without a limit": MisSeal(_tmpfs_with("size=", "size=0"), "writable", "engine_tmpfs"),
    "set-user-ID programs": MisSeal(
        _tmpfs_with("nosuid", "suid"),
        "writable",
        "engine_tmpfs",
        {RUNSC: "gVisor's mounts don't show the flag; without new privileges it changes nothing"},
    ),
    "programs in scratch": MisSeal(_tmpfs_with("noexec", "exec"), "writable", "engine_tmpfs"),
    "another place to write": MisSeal(_tmpfs("/opt/more", "rw,size=1m"), "host_paths", "engine_tmpfs"),
    "more shared memory": MisSeal(_host(ShmSize=128 * MIB), "writable"),
    "a device": MisSeal(
        _host(Devices=[DEVICE]), "devices", "engine_devices", {RUNSC: "gVisor's kernel has no such device"}
    ),
    "the kernel's files of the host": MisSeal(
        _host(MaskedPaths=[]), "kernel_files", unseen={RUNSC: OWN_KERNEL}
    ),
    "the kernel's settings": MisSeal(_host(ReadonlyPaths=[]), "kernel_settings", unseen={RUNSC: OWN_KERNEL}),
    "another first process": MisSeal(_host(Init=True), "pid"),
    "a copy of the stream on the host": MisSeal(
        _host(LogConfig={"Type": "json-file", "Config": {}}),
        "",
        "engine_log",
        {RUNC: "the inside can't know who listens", RUNSC: "the inside can't know who listens"},
    ),
}
HOSTILE = """
import os
print("it ran")
for place in ("/mnt/ran", f"/data/inputs/{os.listdir('/data/inputs')[0]}/ran", "/data/outputs/ran"):
    try: open(place, "w").write("it ran")
    except OSError: pass
"""
EVERYWHERE = [(case, runtime) for case in MIS_SEALED for runtime in list_runtimes()]
NEVER = [(case, runtime) for case, runtime in EVERYWHERE if runtime in MIS_SEALED[case].never]
STARTED = [pair for pair in EVERYWHERE if pair not in NEVER]
UNSEEN_INSIDE = [(case, runtime) for case, runtime in STARTED if runtime in MIS_SEALED[case].unseen]
SEEN_INSIDE = [pair for pair in STARTED if pair not in UNSEEN_INSIDE]
CAUGHT = [
    (case, runtime) for case, runtime in STARTED if MIS_SEALED[case].outside or (case, runtime) in SEEN_INSIDE
]


@pytest.fixture
def host_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "of the host"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    return folder


def _run(bench: Bench, runtime: Runtime, engine: MisSealing) -> RunReport:
    try:
        return bench.run(HOSTILE, runtime, engine=engine)
    finally:
        engine.close()


def _assert_refused(bench: Bench, report: RunReport, check: str, host_folder: Path) -> None:
    """By that check, which looked, before any byte of the algorithm ran."""
    assert report.reason is ExitReason.PROBE_FAILED
    assert not report.reason.ran
    assert report.probe is not None
    found = {row.check: row.seen for row in report.probe.rows if not row.ok}
    assert found.get(check, NOT_SEEN) != NOT_SEEN
    assert (printed(report), report.outputs) == ("", ())
    assert bench.events == ["starting", "ended"]
    assert list(host_folder.iterdir()) == []


@pytest.mark.parametrize(("case", "on"), CAUGHT)
def test_nothing_runs_in_a_container_with(bench: Bench, on: Runtime, case: str, host_folder: Path) -> None:
    mis_seal = MIS_SEALED[case]
    report = _run(bench, on, MisSealing(mis_seal.change, host_folder))
    _assert_refused(bench, report, mis_seal.outside or mis_seal.check_inside(on), host_folder)


@pytest.mark.parametrize(("case", "on"), SEEN_INSIDE)
def test_the_probe_alone_catches_behind_an_engine_that_lies(
    bench: Bench, on: Runtime, case: str, host_folder: Path
) -> None:
    mis_seal = MIS_SEALED[case]
    report = _run(bench, on, MisSealing(mis_seal.change, host_folder, lies=True))
    _assert_refused(bench, report, mis_seal.check_inside(on), host_folder)


@pytest.mark.parametrize(("case", "on"), UNSEEN_INSIDE)
def test_what_a_runtime_does_not_show_inside_it_does_not_let_inside(
    bench: Bench, on: Runtime, case: str, host_folder: Path
) -> None:
    """The reasons in the table hold: nothing inside differs but names that the host's network brings along."""
    report = _run(bench, on, MisSealing(MIS_SEALED[case].change, host_folder, lies=True))
    assert report.probe is not None
    assert {row.check for row in report.probe.rows if not row.ok} <= {"dns", "hosts"}
    assert report.reason is (ExitReason.COMPLETED if report.probe.passed else ExitReason.PROBE_FAILED)
    assert list(host_folder.iterdir()) == []


@pytest.mark.parametrize(("case", "on"), NEVER)
def test_no_container_starts_with(bench: Bench, on: Runtime, case: str, host_folder: Path) -> None:
    with pytest.raises(EngineUnavailableError) as caught:
        _run(bench, on, MisSealing(MIS_SEALED[case].change, host_folder, lies=True))
    assert not isinstance(caught.value, RuntimeMissingError)


def test_a_runtime_other_than_the_one_asked_for_is_seen(
    bench: Bench, runtime: Runtime, host_folder: Path
) -> None:
    other = _host(Runtime=(RUNC if runtime is RUNSC else RUNSC).value)
    if len(list_runtimes()) == 1:
        with pytest.raises(RuntimeMissingError):
            _run(bench, runtime, MisSealing(other, host_folder))
        return
    report = _run(bench, runtime, MisSealing(other, host_folder))
    _assert_refused(bench, report, "engine_runtime", host_folder)
    report = _run(bench, runtime, MisSealing(other, host_folder, lies=True))
    _assert_refused(bench, report, "kernel", host_folder)
