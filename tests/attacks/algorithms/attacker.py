"""What every hostile algorithm is handed: all that could be known about the host, and how to say what was got.

`TRIED` stands in the log once an attempt was really made; `GAINED` and what, for each thing that it should not have got.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PLAN: dict[str, Any] = json.loads(Path("/data/inputs/algoCustomData.json").read_text(encoding="utf-8"))
CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CALLS = {
    "x86_64": {
        "memfd_create": 319, "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "unshare": 272, "setns": 308,
        "clone": 56, "clone3": 435, "fsopen": 430, "open_tree": 428, "ptrace": 101, "process_vm_readv": 310,
        "process_vm_writev": 311, "bpf": 321, "perf_event_open": 298, "io_uring_setup": 425, "userfaultfd": 323,
        "init_module": 175, "finit_module": 313, "kexec_load": 246, "add_key": 248, "keyctl": 250, "request_key": 249,
        "open_by_handle_at": 304, "name_to_handle_at": 303, "syslog": 103, "personality": 135, "clock_settime": 227,
        "settimeofday": 164, "adjtimex": 159, "capset": 126, "pidfd_open": 434, "pidfd_getfd": 438, "seccomp": 317,
        "mq_open": 240, "pidfd_send_signal": 424, "sethostname": 170, "quotactl": 179, "iopl": 172, "swapon": 167,
        "msgget": 68,
    },
    "aarch64": {
        "memfd_create": 279, "mount": 40, "umount2": 39, "pivot_root": 41, "chroot": 51, "unshare": 97, "setns": 268,
        "clone": 220, "clone3": 435, "fsopen": 430, "open_tree": 428, "ptrace": 117, "process_vm_readv": 270,
        "process_vm_writev": 271, "bpf": 280, "perf_event_open": 241, "io_uring_setup": 425, "userfaultfd": 282,
        "init_module": 105, "finit_module": 273, "kexec_load": 104, "add_key": 217, "keyctl": 219, "request_key": 218,
        "open_by_handle_at": 265, "name_to_handle_at": 264, "syslog": 116, "personality": 92, "clock_settime": 112,
        "settimeofday": 170, "adjtimex": 171, "capset": 91, "pidfd_open": 434, "pidfd_getfd": 438, "seccomp": 277,
        "mq_open": 180, "pidfd_send_signal": 424, "sethostname": 161, "quotactl": 60, "iopl": -1, "swapon": 224,
        "msgget": 186,
    },
}[os.uname().machine]  # fmt: skip

libc = ctypes.CDLL(None, use_errno=True)
_told = False


def tried() -> None:
    """Say that an attempt was made; once is enough."""
    global _told  # noqa: PLW0603 - one word of one process
    if not _told:
        print("TRIED", flush=True)
    _told = True


def gained(what: object) -> None:
    """Say what an attempt got."""
    print("GAINED", str(what)[:300].replace("\n", " "), flush=True)


def hold() -> None:
    """Keep what was taken for as long as the plan says, so that a neighbour can miss it."""
    time.sleep(PLAN.get("hold_s", 0))


@contextlib.contextmanager
def attempt() -> Iterator[None]:
    """Make one attempt: a refusal is no end, the next one may get further."""
    try:
        yield
    except OSError:
        pass
    finally:
        tried()


def call(name: str, *arguments: Any) -> int:
    """Make a system call by number.

    Raises:
        OSError: it was refused.
    """
    ctypes.set_errno(0)
    done = int(libc.syscall(CALLS[name], *(_word(argument) for argument in arguments)))
    if done < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return done


def _word(argument: Any) -> Any:
    return ctypes.c_long(argument) if isinstance(argument, int) else argument


def in_gvisor() -> bool:
    """Say whether the kernel is gVisor's."""
    return "Sun Jan 10 15:06:54 PST 2016" in Path("/proc/version").read_text(encoding="ascii")


def capabilities() -> int:
    """Return the effective capabilities of this process."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapEff"):
            return int(line.split()[1], 16)
    return 0


def read(path: str, size: int = 4096) -> bytes:
    """Return the beginning of a file, without waiting for one that has none."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return os.read(descriptor, size)
    finally:
        os.close(descriptor)


def hunt(path: str) -> None:
    """Read a file, and say when it holds what belongs to somebody else."""
    with attempt():
        content = read(path)
        if b"CANARY-" in content:
            gained(content)
