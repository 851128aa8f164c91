"""PID 1 of a sealed container: probe, start the algorithm, enforce the deadline, send what it left.

Reads one JSON line of orders from stdin and writes authenticated frames to stdout (docs/adr/0003-frames-not-tar.md).
Standard library only, Python 3.9 or newer. Trusts nothing that the algorithm made: follows no link, opens only plain
files, and is the only process that knows the stream's key.
"""

from __future__ import annotations

import collections
import contextlib
import ctypes
import hashlib
import hmac
import json
import os
import re
import resource
import select
import signal
import stat
import struct
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.guest import probe
else:
    sys.path.insert(0, "/sealroom")
    import probe

PR_SET_DUMPABLE = 4
MAX_ORDER_BYTES = 1024 * 1024
FRAME_BYTES = 1024 * 1024
PIPE_BYTES = 64 * 1024
MAX_DEPTH = 4
NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
OUTPUTS = "/data/outputs"
SCRATCH = "/scratch"
CGROUP = "/sys/fs/cgroup"
NOT_STARTED = 127
PROBE, RESULT, LOG, FILE, DATA, END = b"P", b"R", b"L", b"F", b"D", b"E"


class Stream:
    """Frames to stdout: kind, length, payload, and a tag chained over everything before it."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._tag = bytes(32)

    def send(self, kind: bytes, payload: bytes) -> None:
        """Write one frame."""
        header = kind + struct.pack(">I", len(payload))
        tag = hmac.new(self._key, self._tag + header, hashlib.sha256)
        tag.update(payload)
        self._tag = tag.digest()
        for part in (header, payload, self._tag):
            view = memoryview(part)
            while view:
                view = view[os.write(1, view) :]


class Log:
    """The last `limit` bytes of what the algorithm printed; how much was forgotten is not counted, let alone told."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._chunks: collections.deque[bytes] = collections.deque()
        self._held = 0

    @property
    def kept(self) -> int:
        """Return the number of bytes that `tail` returns."""
        return min(self._held, self._limit)

    def add(self, chunk: bytes) -> None:
        """Append, and forget the oldest."""
        self._chunks.append(chunk)
        self._held += len(chunk)
        while self._held - len(self._chunks[0]) >= self._limit:
            self._held -= len(self._chunks.popleft())

    def tail(self) -> bytes:
        """Return what is kept, at most the limit."""
        return b"".join(self._chunks)[-self._limit :]


class Outputs:
    """The plain files below /data/outputs, and the names of the rules that other entries broke."""

    def __init__(self, limits: dict[str, int]) -> None:
        self._limits = limits
        self.files: list[tuple[str, int]] = []
        self.refused: set[str] = set()
        self.written = 0
        self.largest = 0
        self.entries = 0

    @property
    def too_much(self) -> bool:
        """Whether there are more entries or bytes than allowed, in all or in one file."""
        limits = self._limits
        too_large = self.written > limits["output_bytes"] or self.largest > limits["file_bytes"]
        return too_large or self.entries > limits["output_files"]

    @property
    def full(self) -> bool:
        """Whether the last byte allowed is used, which is how a failed write looks afterwards."""
        return self.written >= self._limits["output_bytes"]

    def walk(self, folder: str = OUTPUTS, prefix: str = "", depth: int = 1) -> None:
        """Look at every entry until there are too many."""
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    self._look_at(entry, prefix, depth)
                    if self.too_much:
                        return
        except OSError:
            self.refused.add("unreadable")

    def _look_at(self, entry: os.DirEntry[str], prefix: str, depth: int) -> None:
        self.entries += 1
        facts = entry.stat(follow_symlinks=False)
        rule = broken_rule(entry.name, facts, depth)
        if rule:
            self.refused.add(rule)
        elif stat.S_ISDIR(facts.st_mode):
            self.walk(entry.path, prefix + entry.name + "/", depth + 1)
        else:
            self.files.append((prefix + entry.name, facts.st_size))
            self.written += facts.st_size
            self.largest = max(self.largest, facts.st_size)


def broken_rule(name: str, facts: os.stat_result, depth: int) -> str:
    """Return the name of the rule that an entry breaks, or nothing."""
    if stat.S_ISLNK(facts.st_mode):
        return "symbolic-link"
    if not NAME.fullmatch(name):
        return "file-name"
    if depth > MAX_DEPTH:
        return "depth"
    if stat.S_ISDIR(facts.st_mode):
        return ""
    if not stat.S_ISREG(facts.st_mode):
        return "special-file"
    return "hard-link" if facts.st_nlink != 1 else ""


def read_orders() -> dict[str, Any]:
    """Read the one line of orders, then let go of stdin."""
    line = b""
    while not line.endswith(b"\n") and len(line) < MAX_ORDER_BYTES:
        chunk = os.read(0, PIPE_BYTES)
        if not chunk:
            break
        line += chunk
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 2)
    orders: dict[str, Any] = json.loads(line)
    return orders


def harden() -> None:
    """Hide this process's memory and descriptors from others of its user; ignore every signal that can be ignored."""
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            continue


def start(orders: dict[str, Any]) -> tuple[int, int]:
    """Start the algorithm in its own session; return its pid and the pipe that it prints to."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            become(orders["argv"], orders["env"], writer)
        finally:
            os._exit(NOT_STARTED)
    os.close(writer)
    return child, reader


def become(argv: list[str], env: dict[str, str], writer: int) -> None:
    """Turn this forked child into the algorithm."""
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
    os.dup2(writer, 1)
    os.dup2(writer, 2)
    os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    os.chdir(SCRATCH)
    os.symlink("/data", "data")
    os.execvpe(argv[0], argv, env)  # noqa: S606 - a list of words, no shell


def attend(child: int, reader: int, time_s: int, log: Log) -> int | None:
    """Drain the algorithm's output until it ends; return its wait status, or None when the deadline passed.

    Nothing here blocks: the algorithm can open the reading end of its own pipe and take away what `poll` has seen.
    """
    wake_reader, wake_writer = os.pipe()
    for descriptor in (reader, wake_reader, wake_writer):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    poll.register(wake_reader, select.POLLIN)
    deadline = time.monotonic() + time_s
    while True:
        status = reap(child)
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            return None
        if status is not None:
            return status
        for descriptor, _ in poll.poll(min(left_s, 1.0) * 1000):
            chunk = read_some(descriptor)
            if chunk is None:
                continue
            if descriptor == reader and chunk:
                log.add(chunk)
            elif descriptor == reader:
                poll.unregister(reader)


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
            time.sleep(0.002)


def drain(reader: int, log: Log) -> None:
    """Read what is left in the pipe; its writers are gone."""
    while chunk := read_some(reader):
        log.add(chunk)


def read_number(*choices: tuple[str, str]) -> int:
    """Return the number after `word` in the first file that can be read, or 0; an empty word takes the first number."""
    for path, word in choices:
        try:
            with open(f"{CGROUP}/{path}", encoding="ascii") as stream:
                words = stream.read().split()
            return int(words[words.index(word) + 1] if word else words[0])
        except (OSError, ValueError, IndexError):
            continue
    return 0


def usage() -> tuple[float, int]:
    """Return CPU seconds and peak memory in bytes of everything that ran here, as exactly as this kernel tells."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = read_number(("cpu.stat", "usage_usec")) / 1e6 or read_number(("cpuacct/cpuacct.usage", "")) / 1e9
    peak = read_number(("memory.peak", ""), ("memory/memory.max_usage_in_bytes", ""))
    return cpu_s or used.ru_utime + used.ru_stime, peak or used.ru_maxrss * 1024


def reason_of(status: int | None, outputs: Outputs) -> str:
    """Return the fixed reason for a wait status and what was left."""
    if status is None:
        return "timeout"
    if outputs.too_much or (status and outputs.full):
        return "too-much-output"
    if status == 0:
        return "completed"
    kills = read_number(("memory.events", "oom_kill"), ("memory/memory.oom_control", "oom_kill"))
    return "out-of-memory" if kills else "algorithm-failed"


def send_file(stream: Stream, path: str, size: int) -> None:
    """Send one plain file of exactly `size` bytes."""
    descriptor = os.open(f"{OUTPUTS}/{path}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb", buffering=0) as content:
        stream.send(FILE, json.dumps({"path": path, "size": size}).encode())
        while size > 0:
            chunk = content.read(min(size, FRAME_BYTES))
            if not chunk:
                raise OSError("a file became shorter while it was read")
            stream.send(DATA, chunk)
            size -= len(chunk)


def readable(path: str) -> bool:
    """Whether a listed file can be opened; nobody else is left who could change that."""
    return os.access(f"{OUTPUTS}/{path}", os.R_OK)


def finish(stream: Stream, reason: str, log: Log, outputs: Outputs) -> None:
    """Send the result, the log, and the files when there is something to hand out."""
    cpu_s, peak = usage()
    files = [entry for entry in outputs.files if readable(entry[0])]
    if len(files) < len(outputs.files):
        outputs.refused.add("unreadable")
    result = {
        "reason": reason,
        "refused": sorted(outputs.refused),
        "cpu_ms": int(cpu_s * 1000),
        "peak_memory_bytes": peak,
        "bytes_written": outputs.written + log.kept,
    }
    stream.send(RESULT, json.dumps(result).encode())
    tail = log.tail()
    for offset in range(0, len(tail), FRAME_BYTES):
        stream.send(LOG, tail[offset : offset + FRAME_BYTES])
    for path, size in sorted(files) if reason == "completed" else []:
        send_file(stream, path, size)
    stream.send(END, b"")


def main() -> None:
    """Do what the module says, once."""
    orders = read_orders()
    harden()
    stream = Stream(bytes.fromhex(orders.pop("key")))
    log = Log(orders["limits"]["log_bytes"])
    outputs = Outputs(orders["limits"])
    seen = probe.look(sorted(orders["expected"]), own_pids=(1,))
    stream.send(PROBE, json.dumps(seen).encode())
    if seen != orders["expected"]:
        finish(stream, "probe-failed", log, outputs)
        return
    child, reader = start(orders)
    status = attend(child, reader, orders["time_s"], log)
    end_everyone()
    drain(reader, log)
    outputs.walk()
    finish(stream, reason_of(status, outputs), log, outputs)


if __name__ == "__main__":
    main()
