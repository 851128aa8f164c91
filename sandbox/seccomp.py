"""The system calls that a sealed container may make, as an allow-list of our own: what is not listed fails with EPERM.

Each group says why it is there; `REFUSED` says of the notable absentees why they are not. Pure: returns the profile in
the form that container engines read (the JSON of moby's seccomp profiles), enforces nothing.
"""

from __future__ import annotations

from typing import Any

EPERM = 1
AF_UNIX = 1
# Every namespace flag of clone(2): new user namespaces are how an unprivileged process reaches kernel code meant for
# root; the others need a capability that the container doesn't have, and fail here already.
NEW_NAMESPACE_FLAGS = 0x7E020080
RLIMIT_CORE = 4
# Every resource but core dumps, whose limit must stay as the seal sets it: see `seal.CORE_BYTES`.
LIMITABLE = tuple(number for number in range(16) if number != RLIMIT_CORE)

ALLOWED: dict[str, str] = {
    "files: reading and writing below the mounts, whose own flags decide what may be written": (
        "access chdir chmod close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 fadvise64 "
        "fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr flistxattr flock "
        "fstat fstatfs fsync ftruncate getcwd getdents getdents64 getxattr lchown lgetxattr link linkat "
        "listxattr llistxattr lseek lstat mkdir mkdirat newfstatat open openat openat2 pread64 preadv preadv2 pwrite64 "
        "pwritev pwritev2 read readahead readlink readlinkat readv rename renameat renameat2 rmdir sendfile stat "
        "statfs statx symlink symlinkat truncate umask unlink unlinkat utime utimensat "
        "utimes write writev chown ioctl memfd_create"
    ),
    "memory: allocators and memory-mapped arrays": (
        "brk madvise membarrier mincore mlock mlock2 mmap mprotect mremap msync munlock munmap "
        "get_mempolicy set_mempolicy mbind"
    ),
    "processes and threads: a training library has both; the pids limit counts them": (
        "execve execveat exit exit_group fork vfork getpgid getpgrp getpid getppid getpriority getresgid getresuid "
        "getrlimit getrusage getsid gettid getuid getgid geteuid getegid getgroups prctl set_robust_list "
        "get_robust_list set_tid_address setpgid setpriority setsid arch_prctl rseq wait4 waitid "
        "sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min "
        "sched_getscheduler sched_setaffinity sched_yield capget getcpu ioprio_get pidfd_open pidfd_send_signal"
    ),
    "signals, inside the container's own pid namespace": (
        "kill tgkill tkill pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn "
        "rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sigaltstack signalfd signalfd4 restart_syscall"
    ),
    "waiting and time": (
        "alarm clock_getres clock_gettime clock_nanosleep epoll_create epoll_create1 epoll_ctl epoll_pwait "
        "epoll_pwait2 epoll_wait eventfd eventfd2 futex futex_waitv getitimer gettimeofday nanosleep pipe pipe2 poll "
        "ppoll pselect pselect6 select setitimer time timerfd_create timerfd_gettime timerfd_settime times"
    ),
    "sockets between the container's own processes; their family is limited to AF_UNIX where they are made": (
        "accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg sendmmsg "
        "sendmsg sendto setsockopt shutdown"
    ),
    "asking about the machine, as libraries do to choose their kernels": "getrandom sysinfo uname",
}

REFUSED: dict[str, str] = {
    "unshare setns": "new and other namespaces",
    "mount umount2 pivot_root chroot open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr": "mounts",
    "keyctl add_key request_key": "the kernel's keyrings are not namespaced",
    "bpf perf_event_open io_uring_setup io_uring_enter io_uring_register userfaultfd": "large attack surfaces",
    "ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd process_madvise process_mrelease": (
        "other processes' insides"
    ),
    "init_module finit_module delete_module kexec_load kexec_file_load": "kernel code",
    "open_by_handle_at name_to_handle_at": "files by handle, past the mounts",
    "mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr": (
        "message queues: a writable place nobody needs"
    ),
    "shmget shmat shmctl shmdt semget semop semtimedop semctl msgget msgsnd msgrcv msgctl": (
        "System V's shared memory and semaphores: libraries use files in /dev/shm"
    ),
    "syslog acct swapon swapoff reboot settimeofday clock_settime adjtimex clock_adjtime sethostname setdomainname": (
        "the machine itself"
    ),
    "quotactl quotactl_fd fanotify_init lookup_dcookie vhangup iopl ioperm modify_ldt personality uselib ustat sysfs": (
        "administration and legacy"
    ),
    "setxattr fsetxattr lsetxattr removexattr": "nothing that leaves has attributes",
    "setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid capset": (
        "the init already is who it stays; the engine takes rights away before the profile is in force"
    ),
    "mknod mknodat": "devices, sockets and pipes by name: a pipe has no need of one",
    "splice tee vmsplice": "pages moved between files and pipes; training copies",
    "sync syncfs sync_file_range": "writing out a whole file system of the host, at its other users' expense",
    "inotify_init inotify_init1 inotify_add_watch inotify_rm_watch": "nothing changes the inputs",
    "timer_create timer_settime timer_gettime timer_getoverrun timer_delete": "setitimer and timerfd do",
    "pkey_alloc pkey_free pkey_mprotect memfd_secret": "memory that even its owner can't read",
    "migrate_pages move_pages swapcontext set_mempolicy_home_node": "the host's placement of memory",
}


def seccomp_profile() -> dict[str, Any]:
    """Return the profile; deterministic, so that it can be part of the seal's digest."""
    names = sorted({name for group in ALLOWED.values() for name in group.split()})
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": EPERM,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
        "syscalls": [
            _allow(names),
            _allow(["clone"], _argument(0, NEW_NAMESPACE_FLAGS, "SCMP_CMP_MASKED_EQ", other=0)),
            # Its flags are behind a pointer that no filter can read. Without a tracer, and ptrace is refused, this is
            # "not implemented", which makes libc fall back to clone; gVisor takes no other error than EPERM from a profile.
            {"names": ["clone3"], "action": "SCMP_ACT_TRACE"},
            _allow(["socket", "socketpair"], _argument(0, AF_UNIX, "SCMP_CMP_EQ")),
            # Asking for limits, and setting all but one of one's own. Exact numbers: a kernel looks at 32 bits of them.
            _allow(["prlimit64"], _argument(0, 0, "SCMP_CMP_EQ"), _argument(2, 0, "SCMP_CMP_EQ")),
            *(
                _allow(["prlimit64"], _argument(0, 0, "SCMP_CMP_EQ"), _argument(1, number, "SCMP_CMP_EQ"))
                for number in LIMITABLE
            ),
            *(_allow(["setrlimit"], _argument(0, number, "SCMP_CMP_EQ")) for number in LIMITABLE),
        ],
    }


def _allow(names: list[str], *arguments: dict[str, Any]) -> dict[str, Any]:
    return {"names": names, "action": "SCMP_ACT_ALLOW", "args": list(arguments)}


def _argument(index: int, value: int, operator: str, *, other: int = 0) -> dict[str, Any]:
    return {"index": index, "value": value, "valueTwo": other, "op": operator}
