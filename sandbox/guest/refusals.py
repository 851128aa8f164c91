"""What no sealed process may ask of the kernel, tried once each; the profile (`sandbox.seccomp`) refuses it with EPERM.

Arguments are such that a call which is let through changes nothing on the host, whatever the seal lacks.
"""

from __future__ import annotations

import ctypes
import os
import signal

EPERM = 1
CLONE_NEWUSER = 0x10000000
CLONE_NEWNS = 0x00020000
RLIMIT_CORE = 4
MACHINES = ("x86_64", "aarch64")
NEVER = -1
STREAM, RAW, SEQPACKET = 1, 3, 5
# name: (number on x86-64, number on aarch64, arguments); NEVER where a machine has no such call
CALLS: dict[str, tuple[int, int, tuple[int, ...]]] = {
    "socket-inet": (41, 198, (2, STREAM)),
    "socket-inet6": (41, 198, (10, STREAM)),
    "socket-raw": (41, 198, (2, RAW)),
    "socket-netlink": (41, 198, (16, RAW)),
    "socket-packet": (41, 198, (17, RAW)),
    "socket-bluetooth": (41, 198, (31, RAW)),
    "socket-alg": (41, 198, (38, SEQPACKET)),
    "socket-vsock": (41, 198, (40, STREAM)),
    "socket-xdp": (41, 198, (44, RAW)),
    "unshare-user": (272, 97, (CLONE_NEWUSER,)),
    "unshare-mount": (272, 97, (CLONE_NEWNS,)),
    "clone-user": (56, 220, (CLONE_NEWUSER | signal.SIGCHLD,)),
    "setns": (308, 268, (NEVER,)),
    "mount": (165, 40, ()),
    "umount2": (166, 39, ()),
    "pivot_root": (155, 41, ()),
    "chroot": (161, 51, ()),
    "open_tree": (428, 428, (NEVER,)),
    "move_mount": (429, 429, (NEVER, 0, NEVER)),
    "fsopen": (430, 430, ()),
    "fsmount": (432, 432, (NEVER,)),
    "mount_setattr": (442, 442, (NEVER,)),
    "ptrace": (101, 117, (0,)),
    "process_vm_readv": (310, 270, (1,)),
    "process_vm_writev": (311, 271, (1,)),
    "kcmp": (312, 272, (1, 1)),
    "pidfd_getfd": (438, 438, (NEVER,)),
    "process_madvise": (440, 440, (NEVER,)),
    "keyctl": (250, 219, (0, NEVER)),
    "add_key": (248, 217, ()),
    "request_key": (249, 218, ()),
    "bpf": (321, 280, (NEVER,)),
    "perf_event_open": (298, 241, ()),
    "io_uring_setup": (425, 425, (1,)),
    "userfaultfd": (323, 282, (NEVER,)),
    "init_module": (175, 105, ()),
    "finit_module": (313, 273, (NEVER,)),
    "delete_module": (176, 106, ()),
    "kexec_load": (246, 104, (0, 1 << 20)),
    "kexec_file_load": (320, 294, (NEVER, NEVER)),
    "open_by_handle_at": (304, 265, (NEVER,)),
    "name_to_handle_at": (303, 264, (NEVER,)),
    "mq_open": (240, 180, ()),
    "shmget": (29, 194, (0, 0)),
    "semget": (64, 190, (0, 0)),
    "mknodat": (259, 33, (NEVER,)),
    "personality": (135, 92, (0xFFFFFFFF,)),
    "setgroups": (116, 159, (1 << 20,)),
    "setuid": (105, 146, (NEVER,)),
    "setxattr": (188, 5, ()),
    "splice": (275, 76, (NEVER, 0, NEVER)),
    "vmsplice": (278, 75, (NEVER,)),
    "syncfs": (306, 267, (NEVER,)),
    "inotify_init1": (294, 26, (NEVER,)),
    "timer_create": (222, 107, (NEVER,)),
    "syslog": (103, 116, (NEVER,)),
    "swapon": (167, 224, ()),
    "reboot": (169, 142, ()),
    "settimeofday": (164, 170, (1, 1)),
    "clock_settime": (227, 112, (0, 0)),
    "adjtimex": (159, 171, ()),
    "quotactl": (179, 60, (NEVER,)),
    "fanotify_init": (300, 262, (NEVER,)),
    "modify_ldt": (154, NEVER, (NEVER,)),
    "iopl": (172, NEVER, (NEVER,)),
    "prlimit-core": (302, 261, (0, RLIMIT_CORE, 1)),
    "prlimit-other": (302, 261, (1, 7, 1)),
}


def list_allowed() -> str:
    """Return the names of what was not refused with EPERM, or "all" were.

    Tries in a child, since success would change this process.

    Raises:
        OSError: the child ended without a word.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, (" ".join(_try_calls()) or "all").encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        found = stream.read().decode()
    os.waitpid(child, 0)
    if not found:
        raise OSError("the child ended early")
    return found


def _try_calls() -> list[str]:
    machine = os.uname().machine
    if machine not in MACHINES:
        return [f"unknown machine {machine}"]
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()
    found = []
    for name, (*numbers, arguments) in CALLS.items():
        number = numbers[MACHINES.index(machine)]
        if number == NEVER:
            continue
        padded = [ctypes.c_long(value) for value in (*arguments, 0, 0, 0, 0, 0, 0)[:6]]
        ctypes.set_errno(0)
        result = libc.syscall(ctypes.c_long(number), *padded)
        if os.getpid() != parent:
            os._exit(0)  # a process that should never have been made
        if result != -1 or ctypes.get_errno() != EPERM:
            found.append(name)
    return found
