"""Looks at the container from inside and says what is there: one short text per check. Judges nothing itself.

Runs before any algorithm exists. What can't be read is said as such, which no expectation matches.
"""

from __future__ import annotations

import ctypes
import os
import resource
import socket
import stat
from collections.abc import Callable

PR_GET_SECCOMP = 21
PR_GET_NO_NEW_PRIVS = 39
CLONE_NEWUSER = 0x10000000
CLONE_NEWNS = 0x00020000
UNREADABLE = "unreadable"
CGROUP = "/sys/fs/cgroup"
GVISOR_VERSION = "Sun Jan 10 15:06:54 PST 2016"
GVISOR_DEVICES = ("fuse", "net/tun")
ENGINE_SOCKETS = (
    "/var/run/docker.sock",
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/crio/crio.sock",
)
# What no sealed process may do, tried once: (name, attempt). Numbers are those of x86-64.
FORBIDDEN_SOCKETS = {"inet": 2, "inet6": 10, "netlink": 16, "packet": 17, "alg": 38, "vsock": 40}
FORBIDDEN_CALLS = {
    "unshare-user": (272, CLONE_NEWUSER),
    "unshare-mount": (272, CLONE_NEWNS),
    "setns": (308, 0),
    "mount": (165, 0),
    "ptrace": (101, 0),
    "process_vm_readv": (310, 1),
    "keyctl": (250, 0),
    "add_key": (248, 0),
    "bpf": (321, 0),
    "perf_event_open": (298, 0),
    "io_uring_setup": (425, 1),
    "userfaultfd": (323, 0),
    "init_module": (175, 0),
    "kexec_load": (246, 0),
    "open_by_handle_at": (304, 0),
    "mq_open": (240, 0),
}
EPERM = 1

libc = ctypes.CDLL(None, use_errno=True)


def look(checks: list[str], *, own_pids: tuple[int, ...]) -> dict[str, str]:
    """Return what is seen for each of `checks`; `own_pids` are the processes that the init knows of, itself included."""
    return {check: _processes(own_pids) if check == "processes" else _look(check) for check in checks}


def _look(check: str) -> str:
    try:
        return LOOKS[check]()
    except KeyError:
        return "no such check"
    except (OSError, ValueError, IndexError) as exc:
        return f"{UNREADABLE}: {type(exc).__name__}"


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read().strip()


def _processes(own_pids: tuple[int, ...]) -> str:
    """Return "own", or the processes that are not."""
    try:
        found = {int(name) for name in os.listdir("/proc") if name.isdigit()}
    except OSError as exc:
        return f"{UNREADABLE}: {type(exc).__name__}"
    return " ".join(str(pid) for pid in sorted(found.difference(own_pids))) or "own"


def _user() -> str:
    return " ".join(str(number) for number in (*os.getresuid(), *os.getresgid()))


def _other_groups() -> str:
    return " ".join(str(group) for group in sorted(os.getgroups()) if group != os.getgid()) or "none"


def _capabilities() -> str:
    lines = [line.split() for line in _read("/proc/self/status").splitlines() if line.startswith("Cap")]
    if not lines:
        return UNREADABLE
    return " ".join(f"{name}{value}" for name, value in lines if int(value, 16)) or "none"


def _no_new_privileges() -> str:
    return str(libc.prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0))


def _seccomp() -> str:
    mode = libc.prctl(PR_GET_SECCOMP, 0, 0, 0, 0)
    return {0: "none", 2: "filter"}.get(mode, str(mode))


def _kernel() -> str:
    return "gvisor" if _read("/proc/version").endswith(GVISOR_VERSION) else "linux"


def _interfaces() -> str:
    names = [line.split(":")[0].strip() for line in _read("/proc/net/dev").splitlines()[2:]]
    return " ".join(sorted(names)) or "none"


def _routes() -> str:
    return " ".join(line.split()[0] for line in _read("/proc/net/route").splitlines()[1:]) or "none"


def _mounts() -> list[tuple[str, list[str]]]:
    """Return (mount point, its own options) of every mount, in order; proc(5), mountinfo."""
    rows = [line.split() for line in _read("/proc/self/mountinfo").splitlines()]
    return [(row[4], row[5].split(",")) for row in rows]


def _access_of(point: str, mounts: list[tuple[str, list[str]]]) -> str:
    options = [options for mounted, options in mounts if mounted == point]
    return "missing" if not options else "ro" if "ro" in options[-1] else "rw"


def _root() -> str:
    return _access_of("/", _mounts())


def _inputs() -> str:
    mounts = _mounts()
    points = ("/data/ddos", "/data/inputs", "/data/transformations", "/sealroom")
    return " ".join(f"{point}:{_access_of(point, mounts)}" for point in points)


def _writable() -> str:
    """Return every mounted place that can be written, with its size in bytes and the flags that protect it."""
    found = {}
    for point, options in _mounts():
        if "ro" in options or stat.S_ISCHR(os.stat(point).st_mode) or not os.access(point, os.W_OK):
            continue
        size = os.statvfs(point)
        flags = ",".join(sorted({"nosuid", "nodev", "noexec"}.intersection(options)))
        found[point] = f"{point}:{size.f_blocks * size.f_frsize}:{flags}"
    return " ".join(found[point] for point in sorted(found)) or "none"


def _devices() -> str:
    """Return the device nodes, without those that gVisor's kernel makes up: no device of the host is behind them."""
    made_up = GVISOR_DEVICES if _kernel() == "gvisor" else ()
    found = []
    for folder, folders, files in os.walk("/dev"):
        folders[:] = [name for name in folders if name not in {"pts", "shm", "mqueue"}]
        for name in files:
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
                found.append(path[len("/dev/") :])
    return " ".join(sorted(set(found).difference(made_up))) or "none"


def _engine_sockets() -> str:
    return " ".join(path for path in ENGINE_SOCKETS if os.path.lexists(path)) or "none"


def _resource_limits() -> str:
    kinds = {"core": resource.RLIMIT_CORE, "fsize": resource.RLIMIT_FSIZE, "nofile": resource.RLIMIT_NOFILE}
    shown = []
    for name, kind in sorted(kinds.items()):
        soft, hard = resource.getrlimit(kind)
        shown.append(f"{name}={hard}" if soft == hard else f"{name}={soft}/{hard}")
    return " ".join(shown)


def _cgroup(unified: str, controller: str, legacy: str) -> str:
    path = f"{CGROUP}/{unified}"
    return _read(path if os.path.exists(path) else f"{CGROUP}/{controller}/{legacy}")


def _pids_limit() -> str:
    return _cgroup("pids.max", "pids", "pids.max")


def _memory_limit() -> str:
    return _cgroup("memory.max", "memory", "memory.limit_in_bytes")


def _swap() -> str:
    """Return the bytes of swap that may be used; a machine without swap has none to give."""
    totals = [
        line.split()[1] for line in _read("/proc/meminfo").splitlines() if line.startswith("SwapTotal:")
    ]
    if totals == ["0"]:
        return "0"
    unified = f"{CGROUP}/memory.swap.max"
    if os.path.exists(unified):
        return _read(unified)
    both = int(_read(f"{CGROUP}/memory/memory.memsw.limit_in_bytes"))
    return str(both - int(_read(f"{CGROUP}/memory/memory.limit_in_bytes")))


def _cpu_limit() -> str:
    unified = f"{CGROUP}/cpu.max"
    if os.path.exists(unified):
        return _read(unified).replace(" ", "/")
    return f"{_read(f'{CGROUP}/cpu/cpu.cfs_quota_us')}/{_read(f'{CGROUP}/cpu/cpu.cfs_period_us')}"


def _refused_calls() -> str:
    """Try what must be refused, in a child, since success would change this process."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, " ".join(_try_calls()).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        allowed = stream.read().decode()
    _, status = os.waitpid(child, 0)
    return UNREADABLE if status else allowed or "all"


def _try_calls() -> list[str]:
    """Return the names of those that were not refused with EPERM."""
    found = []
    for name, family in FORBIDDEN_SOCKETS.items():
        try:
            socket.socket(
                family, socket.SOCK_RAW if name in {"netlink", "packet"} else socket.SOCK_STREAM
            ).close()
            found.append(name)
        except PermissionError:
            continue
        except OSError:
            found.append(name)
    if os.uname().machine == "x86_64":
        for name, (number, argument) in FORBIDDEN_CALLS.items():
            ctypes.set_errno(0)
            if libc.syscall(number, argument, 0, 0, 0, 0, 0) != -1 or ctypes.get_errno() != EPERM:
                found.append(name)
    return found


LOOKS: dict[str, Callable[[], str]] = {
    "pid": lambda: str(os.getpid()),
    "user": _user,
    "other_groups": _other_groups,
    "capabilities": _capabilities,
    "no_new_privileges": _no_new_privileges,
    "seccomp": _seccomp,
    "kernel": _kernel,
    "hostname": socket.gethostname,
    "interfaces": _interfaces,
    "routes": _routes,
    "root": _root,
    "inputs": _inputs,
    "writable": _writable,
    "devices": _devices,
    "engine_sockets": _engine_sockets,
    "resource_limits": _resource_limits,
    "pids_limit": _pids_limit,
    "memory_limit": _memory_limit,
    "swap": _swap,
    "cpu_limit": _cpu_limit,
    "refused_calls": _refused_calls,
}
