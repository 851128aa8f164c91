"""Looks at the places of a sealed container: mounts, devices, and what the kernel shows as files. Judges nothing itself."""

from __future__ import annotations

import os
import stat

GVISOR_DEVICES = ("fuse", "net/tun")
INPUTS = ("/data/ddos", "/data/inputs", "/data/transformations", "/sealroom")
OWN_MOUNTS = {"/", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf", *INPUTS}
OWN_FILE_SYSTEMS = {
    "/proc": {"proc"},
    "/sys": {"sysfs"},
    "/dev": {"tmpfs"},
    "/dev/pts": {"devpts"},
    "/dev/shm": {"tmpfs"},  # noqa: S108 - inside the container
    "/dev/mqueue": {"mqueue"},
    "/data/logs": {"tmpfs"},
    "/data/outputs": {"tmpfs"},
    "/scratch": {"tmpfs"},
    "/tmp": {"tmpfs"},  # noqa: S108 - inside the container
}
CGROUP_KINDS = {"cgroup", "cgroup2"}
KERNEL_MOUNTS = {"/proc": {"proc", "tmpfs"}, "/sys": {"tmpfs", *CGROUP_KINDS}}
ENGINE_SOCKETS = (
    "/var/run/docker.sock",
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/crio/crio.sock",
)
KERNEL_SETTINGS = (
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/kernel/hostname",
    "/proc/sys/kernel/sysrq",
    "/proc/sys/vm/drop_caches",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/net/ipv4/ip_forward",
    "/proc/sysrq-trigger",
    "/sys/kernel/uevent_helper",
    "/sys/power/state",
)
READ_ONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
KERNEL_FILES = (
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
GVISOR_VERSION = "Sun Jan 10 15:06:54 PST 2016"


def read(path: str) -> str:
    """Return a file's text, without the space around it."""
    with open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read().strip()


def read_lines(path: str) -> list[str]:
    """Return a file's lines; none of one that isn't there, which says as little."""
    try:
        return read(path).splitlines()
    except FileNotFoundError:
        return []


def name_kernel() -> str:
    """Return whose kernel this is: the host's, "linux", or "gvisor"."""
    return "gvisor" if read("/proc/version").endswith(GVISOR_VERSION) else "linux"


def _mounts() -> list[tuple[str, list[str], str]]:
    """Return (mount point, its own options, file system) of every mount, in order; proc(5), mountinfo."""
    rows = [line.split() for line in read("/proc/self/mountinfo").splitlines()]
    return [(row[4], row[5].split(","), row[row.index("-") + 1]) for row in rows]


def _access_of(point: str, mounts: list[tuple[str, list[str], str]]) -> str:
    options = [options for mounted, options, _ in mounts if mounted == point]
    return "missing" if not options else "ro" if "ro" in options[-1] else "rw"


def show_root() -> str:
    """Return how the root is mounted: "ro" or "rw"."""
    return _access_of("/", _mounts())


def show_inputs() -> str:
    """Return how each of the staged inputs is mounted."""
    mounts = _mounts()
    return " ".join(f"{point}:{_access_of(point, mounts)}" for point in INPUTS)


def list_writable() -> str:
    """Return every mounted place that can be written, with its size in bytes and the flags that protect it."""
    found = {}
    for point, options, _ in _mounts():
        if "ro" in options or stat.S_ISCHR(os.stat(point).st_mode) or not os.access(point, os.W_OK):
            continue
        size = os.statvfs(point)
        flags = ",".join(sorted({"nosuid", "nodev", "noexec"}.intersection(options)))
        found[point] = f"{point}:{size.f_blocks * size.f_frsize}:{flags}"
    return " ".join(found[point] for point in sorted(found)) or "none"


def list_host_paths() -> str:
    """Return every mount that a sealed container doesn't have, with its file system."""
    return (
        " ".join(sorted(f"{point}:{kind}" for point, _, kind in _mounts() if not _is_known(point, kind)))
        or "none"
    )


def _is_known(point: str, kind: str) -> bool:
    if point in OWN_MOUNTS:
        return True
    if point in OWN_FILE_SYSTEMS:
        return kind in OWN_FILE_SYSTEMS[point]
    return any(point.startswith(folder + "/") and kind in kinds for folder, kinds in KERNEL_MOUNTS.items())


def list_cgroups() -> str:
    """Return the control groups that can be changed, and those whose place in the host's tree is seen."""
    found = [point for point, options, kind in _mounts() if kind in CGROUP_KINDS and "ro" not in options]
    paths = {line.split(":", 2)[2] for line in read_lines("/proc/self/cgroup")}
    found += sorted(paths - {"/"})
    return " ".join(found) or "none"


def list_kernel_files() -> str:
    """Return what of the kernel's files about the host has content; see `seal.MASKED_PATHS`."""
    return " ".join(path for path in KERNEL_FILES if _has_content(path)) or "none"


def _has_content(path: str) -> bool:
    try:
        if os.path.isdir(path):
            return bool(os.listdir(path))
        with open(path, "rb") as stream:
            return bool(stream.read(1))
    except (FileNotFoundError, PermissionError):
        return False


def list_kernel_settings() -> str:
    """Return the kernel's settings that can be opened for writing, or could by somebody with more rights.

    Opening changes nothing yet. gVisor's settings are its own: changing one changes nothing on the host.
    """
    found = []
    if name_kernel() == "linux":
        found += [path for path in READ_ONLY_PATHS if os.path.exists(path) and not _is_on_read_only(path)]
    for path in KERNEL_SETTINGS:
        try:
            os.close(os.open(path, os.O_WRONLY))
            found.append(path)
        except OSError:
            continue
    return " ".join(found) or "none"


def _is_on_read_only(path: str) -> bool:
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def list_devices() -> str:
    """Return the device nodes, without those that gVisor's kernel makes up: no device of the host is behind them."""
    made_up = GVISOR_DEVICES if name_kernel() == "gvisor" else ()
    found = []
    for folder, folders, files in os.walk("/dev"):
        folders[:] = [name for name in folders if name not in {"pts", "shm", "mqueue"}]
        for name in files:
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
                found.append(path[len("/dev/") :])
    return " ".join(sorted(set(found).difference(made_up))) or "none"


def list_engine_sockets() -> str:
    """Return the sockets that lead to a container engine."""
    return " ".join(path for path in ENGINE_SOCKETS if os.path.lexists(path)) or "none"
