"""However much comes out of a real container, the collecting side holds a few frames of it at most."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.sandbox_fixtures import MIB, ROOT

SIZE = 256 * MIB
MOST_MB = 64


def test_a_large_output_does_not_stay_in_the_memory_of_who_collects_it(image_digest: str) -> None:
    # A process of its own: the peak of this one may have been higher before.
    command = [sys.executable, "-m", "bench.collecting", image_digest, str(SIZE)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["peak_mb"] < MOST_MB
