"""What holds a running container from outside: the engine's own record of it, and its cgroup as the kernel enforces it.

Complements the probe, which looks from inside: gVisor's kernel shows no cgroup of the host, and an engine can record a
limit that no kernel enforces. Reads, judges nothing. Not checked here: anything that only the inside can show.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.seal import NO_NEW_PRIVILEGES, SECCOMP
from sandbox.seccomp import seccomp_profile

NONE = "none"
OWN = "rprivate"
UNREADABLE = "unreadable"
PROC = Path("/proc")
CGROUP = Path("/sys/fs/cgroup")


def read_record(record: Mapping[str, Any]) -> dict[str, str]:
    """Return what the engine says it did, from its description of a container (Docker Engine API 1.41, "inspect").

    What the record leaves out is taken for the worst that it could be.
    """
    host = record.get("HostConfig", {})
    return {
        "engine_runtime": str(host.get("Runtime", UNREADABLE)),
        "engine_image": str(record.get("Image", UNREADABLE)),
        "engine_command": " ".join([str(record.get("Path", UNREADABLE)), *(record.get("Args") or [])]),
        "engine_user": str(record.get("Config", {}).get("User", UNREADABLE)),
        "engine_log": str((host.get("LogConfig") or {}).get("Type", UNREADABLE)),
        "engine_root": "ro" if host.get("ReadonlyRootfs") is True else "rw",
        "engine_namespaces": _namespaces(record),
        "engine_privileges": _privileges(host),
        "engine_mounts": _mounts(record),
        "engine_tmpfs": _tmpfs(host),
        "engine_devices": _devices(host),
    }


def read_cgroup(pid: int, container_id: str, *, proc: Path = PROC, root: Path = CGROUP) -> dict[str, str]:
    """Return the limits on the cgroup of the container's first process, from the kernel's own files.

    Empty when the process is not in a cgroup of that container: then the engine is on another machine, or this process
    sees other pids than the engine does, and the figures have to come from the engine.
    """
    try:
        groups = _groups(proc / str(pid) / "cgroup")
    except OSError:
        return {}
    memory = _folder(groups, "memory", container_id, root)
    pids = _folder(groups, "pids", container_id, root)
    cpu = _folder(groups, "cpu", container_id, root)
    if memory is None or pids is None or cpu is None:
        return {}
    return {
        "engine_memory": _read(memory / "memory.max", memory / "memory.limit_in_bytes"),
        "engine_swap": _swap(memory, proc),
        "engine_pids": _read(pids / "pids.max"),
        "engine_cpu": _cpu(cpu),
    }


def read_memory(pid: int, container_id: str, *, proc: Path = PROC, root: Path = CGROUP) -> int:
    """Return the bytes of memory that the container's cgroup holds now, 0 where they can't be read."""
    try:
        folder = _folder(_groups(proc / str(pid) / "cgroup"), "memory", container_id, root)
    except OSError:
        return 0
    used = _read(folder / "memory.current", folder / "memory.usage_in_bytes") if folder else UNREADABLE
    return int(used) if used.isdigit() else 0


def read_figures(record: Mapping[str, Any], stats: Mapping[str, Any]) -> dict[str, str]:
    """Return the same limits in the engine's words: its statistics of the cgroup, and its record where they say nothing."""
    host = record.get("HostConfig", {})
    return {
        "engine_memory": str(stats.get("memory_stats", {}).get("limit", UNREADABLE)),
        "engine_swap": str(host.get("MemorySwap", 0) - host.get("Memory", 0)),
        "engine_pids": str(stats.get("pids_stats", {}).get("limit", UNREADABLE)),
        "engine_cpu": f"{host.get('CpuQuota', UNREADABLE)}/{host.get('CpuPeriod', UNREADABLE)}",
    }


def _namespaces(record: Mapping[str, Any]) -> str:
    """Return which namespaces are the container's own. `none` is the network that has nothing but a loopback."""
    host = record.get("HostConfig", {})
    networks = {
        *(record.get("NetworkSettings", {}).get("Networks") or {}),
        host.get("NetworkMode", UNREADABLE),
    }
    found = {
        "cgroup": host.get("CgroupnsMode", UNREADABLE),
        "ipc": host.get("IpcMode", UNREADABLE),
        "network": ",".join(sorted(networks)),
        "pid": host.get("PidMode", UNREADABLE) or "private",
        "uts": host.get("UTSMode", UNREADABLE) or "private",
    }
    return " ".join(f"{name}:{value}" for name, value in sorted(found.items()))


def _privileges(host: Mapping[str, Any]) -> str:
    """Return everything that gives the container a right which the seal doesn't."""
    options = list(host.get("SecurityOpt") or [])
    profiles = [option.removeprefix(SECCOMP) for option in options if option.startswith(SECCOMP)]
    found = [f"capability:{name}" for name in host.get("CapAdd") or []]
    found += [f"group:{name}" for name in host.get("GroupAdd") or []]
    if host.get("Privileged") is not False:
        found.append("privileged")
    if list(host.get("CapDrop") or []) != ["ALL"]:
        found.append("capabilities")
    if NO_NEW_PRIVILEGES not in options:
        found.append("new-privileges")
    if len(profiles) != 1 or profiles[0] != json.dumps(seccomp_profile()):
        found.append("seccomp")
    if len(options) != len(profiles) + 1:
        found.append("options")
    return " ".join(sorted(found)) or NONE


def _mounts(record: Mapping[str, Any]) -> str:
    """Return where something of the host is mounted, and how; never what: a host path is nobody's business."""
    found = []
    for mount in record.get("Mounts", []):
        access = "rw" if mount.get("RW") is not False else "ro"
        propagation = mount.get("Propagation", UNREADABLE)
        found.append(":".join([mount["Destination"], access, *([propagation] if propagation != OWN else [])]))
    return " ".join(sorted(found)) or UNREADABLE


def _tmpfs(host: Mapping[str, Any]) -> str:
    places = host.get("Tmpfs") or {}
    return " ".join(f"{path}:{options}" for path, options in sorted(places.items())) or NONE


def _devices(host: Mapping[str, Any]) -> str:
    if not {"Devices", "DeviceCgroupRules", "DeviceRequests"} <= set(host):
        return UNREADABLE
    found = [str(device["PathInContainer"]) for device in host["Devices"] or []]
    found += [f"rule:{rule}" for rule in host["DeviceCgroupRules"] or []]
    found += [f"request:{request['Count']}" for request in host["DeviceRequests"] or []]
    return " ".join(sorted(found)) or NONE


def _groups(path: Path) -> dict[str, str]:
    """Return controller to cgroup path; the unified hierarchy has no controller's name. cgroups(7), /proc/pid/cgroup."""
    groups = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        _, controllers, group = line.split(":", 2)
        groups.update(dict.fromkeys(controllers.split(","), group))
    return groups


def _folder(groups: Mapping[str, str], controller: str, container_id: str, root: Path) -> Path | None:
    """Return the folder that limits the container, when its name says that it is the container's."""
    group = groups.get(controller, groups.get("", ""))
    if container_id not in group:
        return None
    return (root / controller if controller in groups else root) / group.lstrip("/")


def _read(*paths: Path) -> str:
    for path in paths:
        try:
            return path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
    return UNREADABLE


def _swap(memory: Path, proc: Path) -> str:
    """Return the bytes of swap that may be used; a kernel that doesn't count them may have none to give."""
    both = _read(memory / "memory.memsw.limit_in_bytes")
    alone = _read(memory / "memory.limit_in_bytes")
    if both.isdigit() and alone.isdigit():
        return str(int(both) - int(alone))
    limit = _read(memory / "memory.swap.max")
    words = _read(proc / "meminfo").split()
    if limit == UNREADABLE and "SwapTotal:" in words:
        return "0" if words[words.index("SwapTotal:") + 1] == "0" else UNREADABLE
    return limit


def _cpu(folder: Path) -> str:
    unified = _read(folder / "cpu.max")
    if unified != UNREADABLE:
        return unified.replace(" ", "/")
    return f"{_read(folder / 'cpu.cfs_quota_us')}/{_read(folder / 'cpu.cfs_period_us')}"
