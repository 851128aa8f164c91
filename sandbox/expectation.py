"""What must be seen of a sealed container, check by check, and the verdict on what was seen. Pure.

From inside by the probe, and from outside, `engine_…`, by the engine and the kernel. The same table for every run of a
spec. Under gVisor the cgroup's files are left out, which its kernel doesn't show: there the limits are seen from outside.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping

from policies.canonical import canonical_json, digest_of
from sandbox.seal import (
    CPU_PERIOD_US,
    GUEST_COMMAND,
    HOSTNAME,
    READ_ONLY_MOUNTS,
    SHM_BYTES,
    USER_ID,
    container_options,
    cpu_quota,
    resource_limits,
    writable_places,
)
from sandbox.spec import ProbeReport, ProbeRow, RunSpec, Runtime

NONE = "none"
NOT_SEEN = "not seen"
MAX_SEEN_LENGTH = 2000
DEVICES = ("full", "null", "random", "tty", "urandom", "zero")
GPU_DEVICES = ("nvidia-uvm", "nvidia-uvm-tools", "nvidiactl")
"""What every program that computes on a GPU opens besides the GPU itself; not nvidia-modeset, which is for displays."""
LINUX_FLAGS = "nodev,noexec,nosuid"
GVISOR_FLAGS = "noexec"


def expect(spec: RunSpec) -> dict[str, str]:
    """Return check name to the one acceptable finding from inside."""
    ids = f"{USER_ID} {USER_ID} {USER_ID}"
    limits = " ".join(f"{name}={value}" for name, value in sorted(resource_limits(spec.limits).items()))
    table = {
        "pid": "1",
        "processes": "own",
        "user": f"{ids} {ids}",
        "other_groups": NONE,
        "capabilities": NONE,
        "no_new_privileges": "1",
        "seccomp": "filter",
        "refused_calls": "all",
        "hostname": HOSTNAME,
        "interfaces": "lo",
        "routes": NONE,
        "dns": NONE,
        "hosts": NONE,
        "cgroups": NONE,
        "kernel_settings": NONE,
        "root": "ro",
        "inputs": " ".join(f"{target}:ro" for target in sorted(READ_ONLY_MOUNTS)),
        "writable": _writable(spec),
        "devices": " ".join(sorted([*DEVICES, *_gpus(spec.gpus)])),
        "engine_sockets": NONE,
        "resource_limits": limits,
    }
    if (
        not spec.gpus
    ):  # their driver's libraries are mounted by the engine, under names that its version chooses
        table["host_paths"] = NONE
    return table | (_gvisor() if spec.runtime is Runtime.RUNSC else _linux(spec))


def expect_engine(spec: RunSpec) -> dict[str, str]:
    """Return check name to the one acceptable finding from outside, see `Engine.limits_in_force`."""
    host = container_options(spec)["HostConfig"]
    return {
        "engine_runtime": spec.runtime.value,
        "engine_image": spec.image,
        "engine_command": " ".join(GUEST_COMMAND),
        "engine_user": f"{USER_ID}:{USER_ID}",
        "engine_log": NONE,
        "engine_root": "ro",
        "engine_namespaces": "cgroup:private ipc:private network:none pid:private uts:private",
        "engine_privileges": NONE,
        "engine_mounts": " ".join(f"{target}:ro" for target in sorted(READ_ONLY_MOUNTS)),
        "engine_tmpfs": " ".join(f"{path}:{options}" for path, options in sorted(host["Tmpfs"].items())),
        "engine_devices": f"request:{spec.gpus}" if spec.gpus else NONE,
        "engine_memory": str(spec.limits.memory_bytes // mmap.PAGESIZE * mmap.PAGESIZE),
        "engine_swap": "0",
        "engine_pids": str(host["PidsLimit"]),
        "engine_cpu": f"{cpu_quota(spec.limits)}/{CPU_PERIOD_US}",
    }


def judge(spec: RunSpec, seen: Mapping[str, str]) -> ProbeReport:
    """Compare what was seen, from inside and from outside, with what must be; a check without a finding fails."""
    rows = tuple(
        ProbeRow(check, expected, finding := seen.get(check, NOT_SEEN)[:MAX_SEEN_LENGTH], finding == expected)
        for check, expected in sorted((expect(spec) | expect_engine(spec)).items())
    )
    digest = digest_of(canonical_json([[row.check, row.expected, row.seen, row.ok] for row in rows]))
    return ProbeReport(rows, all(row.ok for row in rows), digest)


def _linux(spec: RunSpec) -> dict[str, str]:
    limits = spec.limits
    return {
        "kernel": "linux",
        "kernel_files": NONE,
        "pids_limit": str(limits.pids),
        "memory_limit": str(limits.memory_bytes // mmap.PAGESIZE * mmap.PAGESIZE),
        "swap": "0",
        "cpu_limit": f"{cpu_quota(limits)}/{CPU_PERIOD_US}",
    }


def _gvisor() -> dict[str, str]:
    return {"kernel": "gvisor"}


def _gpus(gpus: int) -> list[str]:
    """Return the device nodes of the GPUs asked for alone; the engine gives the first ones."""
    return sorted([*(f"nvidia{number}" for number in range(gpus)), *(GPU_DEVICES if gpus else ())])


def _writable(spec: RunSpec) -> str:
    gvisor = spec.runtime is Runtime.RUNSC
    flags = GVISOR_FLAGS if gvisor else LINUX_FLAGS
    places = {path: size for path, (size, _) in writable_places(spec.limits).items()}
    places["/dev/shm"] = SHM_BYTES  # noqa: S108 - inside the container
    if not gvisor:
        places["/dev/mqueue"] = 0
    return " ".join(f"{path}:{size}:{flags}" for path, size in sorted(places.items()))
