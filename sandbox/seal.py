"""The seal: every option of a sealed container, in one place; `reasons` says why of each. Pure.

Nothing here reads the machine, the clock or the environment. A run spec chooses the image, the runtime, the limits and
the staged inputs; it can't choose a network, a capability, a mount, a user, or a variable of the environment.
"""

from __future__ import annotations

import json
import mmap
from typing import Any

from policies.canonical import canonical_json, digest_of
from sandbox.determinism import variables
from sandbox.guest import guest_digest
from sandbox.reasons import SEAL_REASONS
from sandbox.seccomp import seccomp_profile
from sandbox.spec import MAX_INTEGER, NANO, Limits, RunSpec, Runtime

NAME_PREFIX = "sealroom-"
LABEL_OWNER = "org.sealroom.owner"
LABEL_RUN = "org.sealroom.run"
HOSTNAME = "sealed"
USER_ID = 65532
SHM_BYTES = 64 * 1024 * 1024
TMP_BYTES = 64 * 1024 * 1024
LOGS_BYTES = 1024 * 1024
# No core dump of any kind. 0 would stop files only: a dump that the host pipes to a program of its own isn't held by the
# limit (core(5)), but for this value, by which Linux knows such a program's own crash (fs/coredump.c).
CORE_BYTES = 1
SCRATCH_INODES = 65536
SMALL_INODES = 4096
FOLDER_INODES = 64
CPU_PERIOD_US = 100_000
GVISOR_THREADS_PER_PID = 4
GVISOR_THREADS = 256
PATH = "/opt/venv/bin:/usr/local/bin:/usr/bin:/bin"
READ_ONLY_MOUNTS = {
    "/data/ddos": "data/ddos",
    "/data/inputs": "data/inputs",
    "/data/transformations": "data/transformations",
    "/sealroom": "sealroom",
}
SECCOMP = "seccomp="
NO_NEW_PRIVILEGES = "no-new-privileges:true"
# Docker's own list, and what else tells of the host's hardware, its other work, or its kernel's build.
MASKED_PATHS = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/buddyinfo",
    "/proc/cmdline",
    "/proc/config.gz",
    "/proc/diskstats",
    "/proc/dma",
    "/proc/interrupts",
    "/proc/iomem",
    "/proc/ioports",
    "/proc/kallsyms",
    "/proc/kcore",
    "/proc/key-users",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/locks",
    "/proc/modules",
    "/proc/partitions",
    "/proc/pressure",
    "/proc/sched_debug",
    "/proc/schedstat",
    "/proc/scsi",
    "/proc/softirqs",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/vmallocinfo",
    "/proc/zoneinfo",
    "/sys/devices/virtual/dmi",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/kernel",
)
READ_ONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
ID_VARIABLES = frozenset({"DIDS", "TRANSFORMATION_DID"})
GUEST_COMMAND = ["python3", "-I", "-S", "-B", "/sealroom/init.py"]


def container_name(run_id: str) -> str:
    """Return the container's name: the same run always has the same, so a replay can't leave a second one behind."""
    return NAME_PREFIX + run_id


def container_options(spec: RunSpec) -> dict[str, Any]:
    """Return the body of the engine's "create container" call (Docker Engine API 1.41) for `spec`."""
    return {
        "Image": spec.image,
        "Entrypoint": GUEST_COMMAND,
        "Cmd": [],
        "Env": [f"PATH={PATH}"],
        "User": f"{USER_ID}:{USER_ID}",
        "WorkingDir": "/scratch",
        "Hostname": HOSTNAME,
        "Labels": {LABEL_OWNER: spec.owner, LABEL_RUN: spec.run_id},
        "Tty": False,
        "OpenStdin": True,
        "StdinOnce": True,
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": False,
        "NetworkDisabled": True,
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": _isolation() | _limits(spec) | _places(spec),
    }


def seal_table(spec: RunSpec) -> list[tuple[str, str, str]]:
    """Return (option, value, reason) of every option, for people: without ids, host paths and the whole seccomp profile."""
    options = _without_ids(spec)
    host = options.pop("HostConfig")
    host["SecurityOpt"] = [
        SECCOMP + "ours" if text.startswith(SECCOMP) else text for text in host["SecurityOpt"]
    ]
    return [(name, _shown(value), SEAL_REASONS[name]) for name, value in (options | host).items()]


def _isolation() -> dict[str, Any]:
    """Return what no run spec can change."""
    return {
        "NetworkMode": "none",
        "Dns": ["127.0.0.1"],
        "DnsSearch": ["."],
        "DnsOptions": [],
        "ExtraHosts": [],
        "Links": [],
        "PublishAllPorts": False,
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "CapAdd": [],
        "GroupAdd": [],
        "Privileged": False,
        "SecurityOpt": [NO_NEW_PRIVILEGES, SECCOMP + json.dumps(seccomp_profile())],
        "MaskedPaths": list(MASKED_PATHS),
        "ReadonlyPaths": list(READ_ONLY_PATHS),
        "PidMode": "",
        "IpcMode": "private",
        "UTSMode": "",
        "UsernsMode": "",
        "CgroupnsMode": "private",
        "Sysctls": {},
        "Devices": [],
        "DeviceCgroupRules": [],
        "LogConfig": {"Type": "none", "Config": {}},
        "RestartPolicy": {"Name": "no"},
        "AutoRemove": False,
        "Init": False,
    }


def _limits(spec: RunSpec) -> dict[str, Any]:
    limits = spec.limits
    return {
        "Runtime": spec.runtime.value,
        "PidsLimit": _pids(spec),
        "Memory": limits.memory_bytes,
        "MemorySwap": limits.memory_bytes,
        "OomKillDisable": False,
        "CpuPeriod": CPU_PERIOD_US,
        "CpuQuota": cpu_quota(limits),
        "ShmSize": SHM_BYTES,
        "Ulimits": [
            {"Name": name, "Soft": value, "Hard": value}
            for name, value in sorted(resource_limits(limits).items())
        ],
        "DeviceRequests": _device_requests(spec.gpus),
    }


def _places(spec: RunSpec) -> dict[str, Any]:
    return {
        "Tmpfs": {path: _tmpfs_options(*size) for path, size in writable_places(spec.limits).items()},
        "Mounts": [
            {
                "Type": "bind",
                "Source": str(spec.inputs / source),
                "Target": target,
                "ReadOnly": True,
                "BindOptions": {"Propagation": "rprivate"},
            }
            for target, source in READ_ONLY_MOUNTS.items()
        ],
    }


def environment(spec: RunSpec) -> dict[str, str]:
    """Return the algorithm's whole environment; ids and limits are all that a run can vary."""
    return {
        "PATH": PATH,
        "LANG": "C.UTF-8",
        "DIDS": json.dumps(list(spec.dataset_ids)),
        "TRANSFORMATION_DID": spec.algorithm_id,
        "VOLUME": "/data",
        "INPUTS": "/data/inputs",
        "OUTPUTS": "/data/outputs",
        "LOGS": "/data/logs",
        "HOME": "/tmp",  # noqa: S108 - inside the container
        "MPLCONFIGDIR": "/tmp",  # noqa: S108 - inside the container
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        **variables(spec.limits.threads),
    }


def writable_places(limits: Limits) -> dict[str, tuple[int, int]]:
    """Return every folder that can be written, with its size in bytes (whole pages) and its number of inodes."""
    return {
        "/data/logs": (LOGS_BYTES, SMALL_INODES),
        "/data/outputs": (_pages(limits.output_bytes), limits.output_files + FOLDER_INODES),
        "/scratch": (_pages(limits.scratch_bytes), SCRATCH_INODES),
        "/tmp": (TMP_BYTES, SMALL_INODES),  # noqa: S108 - inside the container
    }


def resource_limits(limits: Limits) -> dict[str, int]:
    """Return the limits on one process. Not `nproc`: that counts a user over the whole host, so runs would starve each other."""
    return {"core": CORE_BYTES, "fsize": limits.file_bytes, "nofile": limits.open_files}


def cpu_quota(limits: Limits) -> int:
    """Return the microseconds of CPU per period of 100 ms."""
    return max(1000, limits.nano_cpus * CPU_PERIOD_US // NANO)


def seal_digest(spec: RunSpec) -> str:
    """Return the digest over all that seals a run and makes it repeatable: options, the algorithm's environment, the guest.

    Without ids and host paths, so that it is the same for every run of one kind.
    """
    environ = {name: value for name, value in environment(spec).items() if name not in ID_VARIABLES}
    parts = {"options": _without_ids(spec), "environment": environ, "guest": guest_digest()}
    return digest_of(canonical_json(parts))


def _without_ids(spec: RunSpec) -> dict[str, Any]:
    options = container_options(spec)
    del options["Labels"]
    options["HostConfig"]["Mounts"] = [
        {**mount, "Source": READ_ONLY_MOUNTS[mount["Target"]]} for mount in options["HostConfig"]["Mounts"]
    ]
    return options


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _device_requests(gpus: int) -> list[dict[str, Any]]:
    """Return the request for `gpus` graphics processors, none for 0; the engine finds the driver by the capabilities.

    Only "compute", said here so that the image's environment can't ask for more: no display or graphics device, and no
    socket of the driver's daemon on the host (libnvidia-container mounts that one for "utility").
    """
    if gpus == 0:
        return []
    return [
        {"Driver": "", "Count": gpus, "DeviceIDs": [], "Capabilities": [["gpu", "compute"]], "Options": {}}
    ]


def _pids(spec: RunSpec) -> int:
    """Return the pids limit: gVisor's own kernel takes several host threads for each thread inside, and some for itself."""
    if spec.runtime is Runtime.RUNSC:
        return min(MAX_INTEGER, GVISOR_THREADS_PER_PID * spec.limits.pids + GVISOR_THREADS)
    return spec.limits.pids


def _pages(size_bytes: int) -> int:
    return -(-size_bytes // mmap.PAGESIZE) * mmap.PAGESIZE


def _tmpfs_options(size_bytes: int, inodes: int) -> str:
    owner = f"uid={USER_ID},gid={USER_ID},mode=0700"
    return f"rw,nosuid,nodev,noexec,size={size_bytes},nr_inodes={inodes},{owner}"
