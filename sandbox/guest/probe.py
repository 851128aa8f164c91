"""Looks at the container from inside and says what is there: one short text per check. Judges nothing itself.

Runs before any algorithm exists. What can't be read is said as such, which no expectation matches.
"""

from __future__ import annotations

import ctypes
import os
import resource
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.guest import places, refusals
    from sandbox.guest.places import read, read_lines
else:
    import places
    import refusals
    from places import read, read_lines

PR_GET_SECCOMP = 21
PR_GET_NO_NEW_PRIVS = 39
UNREADABLE = "unreadable"
CGROUP = "/sys/fs/cgroup"
LOOPBACK_SERVERS = {"127.0.0.1", "::1"}
LOCAL_NAMES = (
    "localhost",
    "ip6-localhost",
    "ip6-loopback",
    "ip6-localnet",
    "ip6-mcastprefix",
    "ip6-allnodes",
    "ip6-allrouters",
)

libc = ctypes.CDLL(None, use_errno=True)


def look(checks: list[str], *, own_pids: tuple[int, ...]) -> dict[str, str]:
    """Return what is seen for each of `checks`; `own_pids` are the processes that the init knows of, itself included."""
    return {check: _processes(own_pids) if check == "processes" else _look(check) for check in checks}


def is_alone_with(*own_pids: int) -> bool:
    """Return whether no process is seen but the init and `own_pids`."""
    return _processes((os.getpid(), *own_pids)) == "own"


def _look(check: str) -> str:
    try:
        return LOOKS[check]()
    except KeyError:
        return "no such check"
    except (OSError, ValueError, IndexError) as exc:
        return f"{UNREADABLE}: {type(exc).__name__}"


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
    lines = [line.split() for line in read("/proc/self/status").splitlines() if line.startswith("Cap")]
    if not lines:
        return UNREADABLE
    return " ".join(f"{name}{value}" for name, value in lines if int(value, 16)) or "none"


def _no_new_privileges() -> str:
    return str(libc.prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0))


def _seccomp() -> str:
    mode = libc.prctl(PR_GET_SECCOMP, 0, 0, 0, 0)
    return {0: "none", 2: "filter"}.get(mode, str(mode))


def _interfaces() -> str:
    names = [line.split(":")[0].strip() for line in read("/proc/net/dev").splitlines()[2:]]
    return " ".join(sorted(names)) or "none"


def _routes() -> str:
    """Return the interfaces that routes lead to, of IP version 4 and, where the kernel has it, 6."""
    found = {line.split()[0] for line in read("/proc/net/route").splitlines()[1:]}
    found.update(line.split()[-1] for line in read_lines("/proc/net/ipv6_route"))
    return " ".join(sorted(found - {"lo"})) or "none"


def _dns() -> str:
    """Return what /etc/resolv.conf names: a server that isn't this container itself, a domain, an option."""
    found = []
    for line in read_lines("/etc/resolv.conf"):
        word, *values = line.split("#")[0].split() or [""]
        harmless = LOOPBACK_SERVERS if word == "nameserver" else {"."} if word == "search" else set()
        found += [f"{word}:{value}" for value in values if value not in harmless]
    return " ".join(found) or "none"


def _hosts() -> str:
    """Return the names that /etc/hosts has, without those of this container itself."""
    own = {*LOCAL_NAMES, os.uname().nodename}
    found = {name for line in read_lines("/etc/hosts") for name in line.split("#")[0].split()[1:]}
    return " ".join(sorted(found - own)) or "none"


def _resource_limits() -> str:
    kinds = {"core": resource.RLIMIT_CORE, "fsize": resource.RLIMIT_FSIZE, "nofile": resource.RLIMIT_NOFILE}
    shown = []
    for name, kind in sorted(kinds.items()):
        soft, hard = resource.getrlimit(kind)
        shown.append(f"{name}={hard}" if soft == hard else f"{name}={soft}/{hard}")
    return " ".join(shown)


def _cgroup(unified: str, controller: str, legacy: str) -> str:
    path = f"{CGROUP}/{unified}"
    return read(path if os.path.exists(path) else f"{CGROUP}/{controller}/{legacy}")


def _pids_limit() -> str:
    return _cgroup("pids.max", "pids", "pids.max")


def _memory_limit() -> str:
    return _cgroup("memory.max", "memory", "memory.limit_in_bytes")


def _swap() -> str:
    """Return the bytes of swap that may be used; a kernel that doesn't count them may have none to give."""
    unified, both = f"{CGROUP}/memory.swap.max", f"{CGROUP}/memory/memory.memsw.limit_in_bytes"
    if os.path.exists(unified):
        return read(unified)
    if os.path.exists(both):
        return str(int(read(both)) - int(read(f"{CGROUP}/memory/memory.limit_in_bytes")))
    totals = [line.split()[1] for line in read_lines("/proc/meminfo") if line.startswith("SwapTotal:")]
    return "0" if totals == ["0"] else UNREADABLE


def _cpu_limit() -> str:
    unified = f"{CGROUP}/cpu.max"
    if os.path.exists(unified):
        return read(unified).replace(" ", "/")
    return f"{read(f'{CGROUP}/cpu/cpu.cfs_quota_us')}/{read(f'{CGROUP}/cpu/cpu.cfs_period_us')}"


LOOKS: dict[str, Callable[[], str]] = {
    "pid": lambda: str(os.getpid()),
    "user": _user,
    "other_groups": _other_groups,
    "capabilities": _capabilities,
    "no_new_privileges": _no_new_privileges,
    "seccomp": _seccomp,
    "kernel": places.name_kernel,
    "hostname": lambda: os.uname().nodename,
    "interfaces": _interfaces,
    "routes": _routes,
    "dns": _dns,
    "hosts": _hosts,
    "host_paths": places.list_host_paths,
    "cgroups": places.list_cgroups,
    "kernel_files": places.list_kernel_files,
    "kernel_settings": places.list_kernel_settings,
    "root": places.show_root,
    "inputs": places.show_inputs,
    "writable": places.list_writable,
    "devices": places.list_devices,
    "engine_sockets": places.list_engine_sockets,
    "resource_limits": _resource_limits,
    "pids_limit": _pids_limit,
    "memory_limit": _memory_limit,
    "swap": _swap,
    "cpu_limit": _cpu_limit,
    "refused_calls": refusals.list_allowed,
}
