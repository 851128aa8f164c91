"""Detached processes of one home folder: started with a log, remembered by pid and start time, stopped by the same.

A pid alone is never believed: the record holds the kernel's start time and boot id, so a reused number is not ours.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cli.errors import StackError
from cli.home import read_file, write_file
from policies.documents import StrictModel, parse_document

POLL_S = 0.05
MAX_RECORD_BYTES = 4096
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
START_TIME_FIELD = 19  # field 22 of proc_pid_stat(5), counted after the name's closing parenthesis
STATE_FIELD = 0


class ProcessRecord(StrictModel):
    """`run/NAME.json`: a process as the kernel names it for good, and where it answers."""

    version: Literal[1] = 1
    pid: int
    started_ticks: int
    boot_id: str
    url: str | None = None

    def is_alive(self) -> bool:
        """Tell whether exactly this process still runs."""
        return self.boot_id == _boot_id() and _started_ticks(self.pid) == self.started_ticks


@dataclass(frozen=True, slots=True)
class Processes:
    """The processes of one `run` folder, by name."""

    folder: Path

    def log_file(self, name: str) -> Path:
        """Return where a process's output goes."""
        return self.folder / f"{name}.log"

    def find(self, name: str) -> ProcessRecord | None:
        """Return the record of a process that was started and not stopped; it may have ended by itself."""
        path = self.folder / f"{name}.json"
        if not path.exists():
            return None
        data = read_file(path, what="process record", max_bytes=MAX_RECORD_BYTES)
        return parse_document(data, ProcessRecord, document=path.name)

    def is_running(self, name: str) -> bool:
        """Tell whether a process of that name runs."""
        record = self.find(name)
        return record is not None and record.is_alive()

    def start(
        self, name: str, command: Sequence[str], environ: Mapping[str, str], *, url: str | None
    ) -> None:
        """Start a process in a session of its own, with its output appended to its log.

        Raises:
            StackError: the program can't be started.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        log = os.open(self.log_file(name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, log, 1),
            (os.POSIX_SPAWN_DUP2, log, 2),
        ]
        try:
            pid = os.posix_spawn(command[0], list(command), environ, file_actions=actions, setsid=True)
        except OSError as exc:
            raise StackError(f"{name}: can't be started: {exc.strerror}") from exc
        finally:
            os.close(log)
        self.remember(name, pid, url=url)

    def remember(self, name: str, pid: int, *, url: str | None) -> None:
        """Write down a process that runs.

        Raises:
            StackError: it has ended already.
        """
        started_ticks = _started_ticks(pid)
        if started_ticks is None:
            raise StackError(f"{name}: ended at start", remedy=f"read {self.log_file(name)}")
        record = ProcessRecord(pid=pid, started_ticks=started_ticks, boot_id=_boot_id(), url=url)
        write_file(self.folder / f"{name}.json", record.model_dump_json().encode())

    def stop(self, name: str, *, timeout_s: float) -> bool:
        """Stop a process and forget it; kill it when it hasn't ended in time. Return whether one ran.

        Raises:
            StackError: it belongs to somebody else.
        """
        record = self.find(name)
        running = record is not None and record.is_alive()
        if record is not None and running:
            _signal(name, record.pid, signal.SIGTERM)
            if not _wait_until_ended(record, timeout_s):
                _signal(name, record.pid, signal.SIGKILL)
                _wait_until_ended(record, timeout_s)
        (self.folder / f"{name}.json").unlink(missing_ok=True)
        return running


def _signal(name: str, pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
    except PermissionError as exc:
        raise StackError(f"{name}: process {pid} belongs to somebody else; stop it as its owner") from exc


def _wait_until_ended(record: ProcessRecord, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with suppress(ChildProcessError):
            os.waitpid(record.pid, os.WNOHANG)  # our own child: reap it
        if not record.is_alive():
            return True
        time.sleep(POLL_S)
    return False


def _boot_id() -> str:
    return BOOT_ID.read_text(encoding="ascii").strip()


def _started_ticks(pid: int) -> int | None:
    """Return a process's start time in clock ticks since boot; None when it has ended (a zombie has)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[STATE_FIELD] in {"Z", "X"} else int(fields[START_TIME_FIELD])
