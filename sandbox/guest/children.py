"""The processes below the init: starts the algorithm (or the interpreter that will become it), attends to it, ends it.

Nothing here blocks for longer than a second: the algorithm can open the reading end of its own pipe and take away what
`poll` has seen.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import resource
import select
import signal
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.guest.stream import Log
else:
    from stream import Log

PR_SET_DUMPABLE = 4
PIPE_BYTES = 64 * 1024
SCRATCH = "/scratch"
NOT_STARTED = 127
WARM_ORDERS, WARM_READY = 3, 4
ENDING_POLL_S = 0.002
ATTENTION_S = 1.0


class Child:
    """The one process that is, or will become, the algorithm; `reader` is the end of the pipe that it prints to."""

    def __init__(self, pid: int, reader: int) -> None:
        self.pid = pid
        self.reader = reader


class WarmChild(Child):
    """An interpreter that waits for its orders. `is_ready` after it has loaded its libraries."""

    def __init__(self, argv: list[str], env: dict[str, str]) -> None:
        orders_reader, self._orders = os.pipe()
        self._ready, ready_writer = os.pipe()
        child = start(argv, env, {WARM_ORDERS: orders_reader, WARM_READY: ready_writer})
        super().__init__(child.pid, child.reader)
        os.close(orders_reader)
        os.close(ready_writer)
        self.is_ready = self._wait_until_ready()

    def _wait_until_ready(self) -> bool:
        """Wait until it says so, or ends; what libraries print while they load is nobody's."""
        poll = select.poll()
        for descriptor in (self._ready, self.reader):
            poll.register(descriptor, select.POLLIN)
        while True:
            found = [descriptor for descriptor, _ in poll.poll()]
            if self._ready in found:
                return os.read(self._ready, 1) == b"+"
            if not os.read(self.reader, PIPE_BYTES):
                return False

    def become(self, argv: list[str], env: dict[str, str]) -> bool:
        """Hand over the orders; False when it has ended meanwhile and the algorithm has to be started cold."""
        if not self.is_ready or reap(self.pid) is not None:
            return False
        line = json.dumps({"argv": argv, "env": env}).encode() + b"\n"
        try:
            while line:
                line = line[os.write(self._orders, line) :]
        except OSError:
            return False
        os.close(self._orders)
        return True


def start(argv: list[str], env: dict[str, str], descriptors: dict[int, int] | None = None) -> Child:
    """Start a program in its own session, with standard output and error into a pipe.

    `descriptors` gives it open files of ours under other numbers, counted from 3 without a gap.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            become(argv, env, writer, descriptors or {})
        finally:
            os._exit(NOT_STARTED)
    os.close(writer)
    return Child(pid, reader)


def become(argv: list[str], env: dict[str, str], writer: int, descriptors: dict[int, int]) -> None:
    """Turn this forked child into the program."""
    os.setsid()
    # A process that hides its memory may not say this about itself. No other process exists yet.
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as stream:
            stream.write("1000")
    except OSError:
        pass  # gVisor has no such file; there the limit ends the whole container
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        try:
            signal.signal(number, signal.SIG_DFL)
        except (OSError, ValueError):
            continue
    hand_over(writer, descriptors)
    os.chdir(SCRATCH)
    os.symlink("/data", "data")
    os.execvpe(argv[0], argv, env)  # noqa: S606 - a list of words, no shell


def hand_over(writer: int, descriptors: dict[int, int]) -> None:
    """Leave the child with an empty stdin, its printing into `writer`, the descriptors given, and no other of ours."""
    first = 3 + len(descriptors)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (writer, 1), (writer, 2)):
        os.dup2(source, target)
    # Out of the way first: a source may have the number that another one is to get.
    moved = {target: fcntl.fcntl(source, fcntl.F_DUPFD, first) for target, source in descriptors.items()}
    for target, source in moved.items():
        os.dup2(source, target)
    os.closerange(first, most)


def attend(child: Child, time_s: float, log: Log) -> int | None:
    """Drain the algorithm's output until it ends; return its wait status, or None when the deadline passed."""
    wake_reader, wake_writer = os.pipe()
    for descriptor in (child.reader, wake_reader, wake_writer):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    poll = select.poll()
    poll.register(child.reader, select.POLLIN)
    poll.register(wake_reader, select.POLLIN)
    deadline = time.monotonic() + time_s
    while True:
        status = reap(child.pid)
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            return None
        if status is not None:
            return status
        for descriptor, _ in poll.poll(min(left_s, ATTENTION_S) * 1000):
            chunk = read_some(descriptor)
            if chunk is None:
                continue
            if descriptor == child.reader and chunk:
                log.add(chunk)
            elif descriptor == child.reader:
                poll.unregister(child.reader)


def read_some(descriptor: int) -> bytes | None:
    """Return what can be read without waiting: None when there is nothing, empty at the end."""
    try:
        return os.read(descriptor, PIPE_BYTES)
    except BlockingIOError:
        return None


def reap(child: int) -> int | None:
    """Collect everyone who has ended; return the algorithm's wait status when it is among them."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == child:
            found = status
        if pid == 0:
            return found


def end_everyone() -> None:
    """Kill every other process in the container and wait until none is left."""
    while True:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(-1, signal.SIGKILL)
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            time.sleep(ENDING_POLL_S)


def drain(reader: int, log: Log) -> None:
    """Read what is left in the pipe; its writers are gone."""
    while chunk := read_some(reader):
        log.add(chunk)
