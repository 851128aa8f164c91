"""PID 1 of a sealed container: probe, start the algorithm, enforce the deadline, send what it left.

Reads two JSON lines from stdin, the preparation and the orders, and writes authenticated frames to stdout
(docs/adr/0003-frames-not-tar.md). A warm container gets its orders later than its preparation and loads libraries
meanwhile; it is probed twice. Standard library only, Python 3.9 or newer. Trusts nothing that the algorithm made, and
is the only process that knows the stream's key.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.guest import probe
    from sandbox.guest.children import Child, WarmChild, attend, drain, end_everyone, start
    from sandbox.guest.outputs import Outputs, readable, send_file
    from sandbox.guest.stream import END, FRAME_BYTES, LOG, PROBE, RESULT, WARM, Log, Stream
else:
    sys.path.insert(0, "/sealroom")
    import probe
    from children import Child, WarmChild, attend, drain, end_everyone, start
    from outputs import Outputs, readable, send_file
    from stream import END, FRAME_BYTES, LOG, PROBE, RESULT, WARM, Log, Stream

PR_SET_DUMPABLE = 4
MAX_LINE_BYTES = 1024 * 1024
PIPE_BYTES = 64 * 1024
CGROUP = "/sys/fs/cgroup"


class Orders:
    """The lines that come in on stdin."""

    def __init__(self) -> None:
        self._held = b""

    def next(self) -> dict[str, Any]:
        """Return the next line; ends this process, and the container, when the host has let go."""
        while b"\n" not in self._held:
            chunk = os.read(0, PIPE_BYTES)
            if not chunk or len(self._held) > MAX_LINE_BYTES:
                sys.exit(0)
            self._held += chunk
        line, self._held = self._held.split(b"\n", 1)
        orders: dict[str, Any] = json.loads(line)
        return orders

    def close(self) -> None:
        """Let go of stdin."""
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.close(null)


class Room:
    """One container's run: its stream, its log and outputs, and what the probe must see."""

    def __init__(self, preparation: dict[str, Any]) -> None:
        limits = preparation["limits"]
        self.stream = Stream(bytes.fromhex(preparation.pop("key")))
        self.log = Log(limits["log_bytes"])
        self.outputs = Outputs(limits)
        self._expected: dict[str, str] = preparation["expected"]
        self._used_before_s = 0.0
        self._kills_before = 0

    def probe(self, *own_pids: int) -> bool:
        """Look, tell the host what was seen, and return whether it is what must be seen."""
        seen = probe.look(sorted(self._expected), own_pids=(os.getpid(), *own_pids))
        self.stream.send(PROBE, json.dumps(seen).encode())
        return seen == self._expected

    def begin(self, *own_pids: int) -> None:
        """Count CPU time, and what the memory limit kills, from here: what was loaded ahead is not the algorithm's."""
        self._used_before_s = usage(*own_pids)[0]
        self._kills_before = count_kills()

    def end(self, status: int | None) -> str:
        """Look at what was left, and return the fixed reason."""
        self.outputs.walk()
        return reason_of(status, self.outputs, killed=count_kills() > self._kills_before)

    def finish(self, reason: str) -> None:
        """Send the result, the log, and the files when there is something to hand out."""
        cpu_s, peak = usage()
        outputs = self.outputs
        files = [entry for entry in outputs.files if readable(entry[0])]
        if len(files) < len(outputs.files):
            outputs.refused.add("unreadable")
        result = {
            "reason": reason,
            "refused": sorted(outputs.refused),
            "cpu_ms": max(0, int((cpu_s - self._used_before_s) * 1000)),
            "peak_memory_bytes": peak,
            "bytes_written": outputs.written + self.log.kept,
        }
        self.stream.send(RESULT, json.dumps(result).encode())
        tail = self.log.tail()
        for offset in range(0, len(tail), FRAME_BYTES):
            self.stream.send(LOG, tail[offset : offset + FRAME_BYTES])
        for path, size in sorted(files) if reason == "completed" else []:
            send_file(self.stream, path, size)
        self.stream.send(END, b"")


def harden() -> None:
    """Hide this process's memory and descriptors from others of its user; ignore every signal that can be ignored."""
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 2)
    os.close(null)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            continue


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


def usage(*own_pids: int) -> tuple[float, int]:
    """Return CPU seconds and peak memory in bytes of everything that ran here, as exactly as this kernel tells.

    Without a cgroup to read that is what has ended, and `own_pids`, which go on.
    """
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = read_number(("cpu.stat", "usage_usec")) / 1e6 or read_number(("cpuacct/cpuacct.usage", "")) / 1e9
    peak = read_number(("memory.peak", ""), ("memory/memory.max_usage_in_bytes", ""))
    cpu_s = cpu_s or used.ru_utime + used.ru_stime + sum(map(cpu_of, own_pids))
    return cpu_s, peak or used.ru_maxrss * 1024


def cpu_of(pid: int) -> float:
    """Return the CPU seconds that a process has used, user's and system's; 0 when it is gone. proc(5), /proc/pid/stat."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            fields = stream.read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def count_kills() -> int:
    """Return how many processes the memory limit has killed here."""
    return read_number(("memory.events", "oom_kill"), ("memory/memory.oom_control", "oom_kill"))


def reason_of(status: int | None, outputs: Outputs, *, killed: bool) -> str:
    """Return the fixed reason for a wait status and what was left."""
    if status is None:
        return "timeout"
    if outputs.too_much or (status and outputs.full):
        return "too-much-output"
    if status == 0:
        return "completed"
    return "out-of-memory" if killed else "algorithm-failed"


def prepare(room: Room, warm: dict[str, Any] | None) -> WarmChild | None:
    """Load libraries ahead of the orders, behind a probe of its own; None when there is nothing to load.

    Ends this process when they left others running: the job's probe would find those, and end a job that could start cold.
    """
    if warm is None or not room.probe():
        return None
    child = WarmChild(warm["argv"], warm["env"])
    if not probe.is_alone_with(child.pid):
        sys.exit(0)
    room.stream.send(WARM, b"")
    return child


def run(room: Room, orders: dict[str, Any], warm: WarmChild | None) -> str:
    """Run the algorithm to its end and return the reason."""
    child: Child
    if warm is not None and warm.become(orders["warm_argv"], orders["env"]):
        child = warm
    else:
        end_everyone()
        with contextlib.suppress(FileNotFoundError):
            os.unlink("/scratch/data")
        child = start(orders["argv"], orders["env"])
    status = attend(child, orders["time_s"], room.log)
    end_everyone()
    drain(child.reader, room.log)
    return room.end(status)


def main() -> None:
    """Do what the module says, once."""
    lines = Orders()
    preparation = lines.next()
    harden()
    room = Room(preparation)
    warm = prepare(room, preparation["warm"])
    orders = lines.next()
    lines.close()
    own_pids = [warm.pid] if warm else []
    room.begin(*own_pids)
    if not room.probe(*own_pids):
        room.finish("probe-failed")
        return
    room.finish(run(room, orders, warm))


if __name__ == "__main__":
    main()
