from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from cli.errors import StackError
from cli.processes import Processes, ProcessRecord

WAITS = [sys.executable, "-c", "import signal; print('ready', flush=True); signal.pause()"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('ready', flush=True)\nwhile True: signal.pause()",
]


def wait_ready(processes: Processes, name: str) -> None:
    deadline = time.monotonic() + 20
    while "ready" not in processes.log_file(name).read_text():
        if time.monotonic() > deadline:
            raise TimeoutError(name)


def test_a_process_is_started_once_seen_and_stopped(tmp_path: Path) -> None:
    processes = Processes(tmp_path / "run")
    processes.start("part", WAITS, {}, url="http://127.0.0.1:1")
    wait_ready(processes, "part")
    record = processes.find("part")
    assert record is not None
    assert record.url == "http://127.0.0.1:1"
    assert processes.is_running("part")
    assert processes.stop("part", timeout_s=10)
    assert not record.is_alive()
    assert processes.find("part") is None
    assert not processes.stop("part", timeout_s=10)


def test_a_process_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    processes.start("part", STUBBORN, {}, url=None)
    wait_ready(processes, "part")
    record = processes.find("part")
    assert processes.stop("part", timeout_s=0.3)
    assert record is not None
    assert not record.is_alive()


def test_a_reused_pid_is_neither_believed_nor_killed(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    processes.remember("part", os.getpid(), url=None)
    mine = processes.find("part")
    assert mine is not None
    assert mine.is_alive()
    stale = ProcessRecord(pid=mine.pid, started_ticks=mine.started_ticks - 1, boot_id=mine.boot_id)
    (tmp_path / "part.json").write_text(stale.model_dump_json())
    assert not processes.is_running("part")
    assert not processes.stop("part", timeout_s=1)


def test_a_record_from_before_a_reboot_is_not_believed() -> None:
    assert not ProcessRecord(pid=os.getpid(), started_ticks=0, boot_id="another").is_alive()


def test_a_program_that_is_not_there_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(StackError):
        Processes(tmp_path).start("part", [str(tmp_path / "missing")], {}, url=None)


def test_the_environment_is_exactly_the_one_given(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    program = "import os, signal; print(sorted(os.environ), 'ready', flush=True); signal.pause()"
    processes.start("part", [sys.executable, "-c", program], {"ONLY": "this"}, url=None)
    wait_ready(processes, "part")
    assert "'ONLY'" in processes.log_file("part").read_text()
    assert "PATH" not in processes.log_file("part").read_text()
    processes.stop("part", timeout_s=10)
