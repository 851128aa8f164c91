"""The init's own functions, called outside a container where a race must be certain."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

GUEST = Path(__file__).resolve().parents[2] / "sandbox" / "guest"
STOLEN = """
import contextlib, os, select, signal, time
import children, stream

class Liar:
    def register(self, descriptor, _events): self.first = getattr(self, "first", descriptor)
    def unregister(self, _descriptor): pass
    def poll(self, _timeout_ms):
        time.sleep(0.01)
        return [(self.first, select.POLLIN)]

select.poll = Liar
reader, writer = os.pipe()
child = os.fork()
if child == 0:
    time.sleep(SLEEP_S)
    os._exit(0)
print(children.attend(children.Child(child, reader), 1, stream.Log(10)))
with contextlib.suppress(ProcessLookupError): os.kill(child, signal.SIGKILL)
"""


def attend(sleep_s: float) -> str:
    done = subprocess.run(
        [sys.executable, "-c", STOLEN.replace("SLEEP_S", str(sleep_s))],
        cwd=GUEST,
        capture_output=True,
        text=True,
        check=True,
        timeout=15,
    )
    return done.stdout.strip()


def test_output_that_is_taken_away_after_it_was_announced_does_not_stop_the_deadline() -> None:
    assert attend(60) == "None"


def test_an_algorithm_that_ends_in_time_is_told_from_one_that_does_not() -> None:
    assert attend(0.1) == "0"
