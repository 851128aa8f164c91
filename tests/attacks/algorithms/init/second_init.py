"""Start the init's program again with orders of its own, and let it speak in the init's name."""

import json
import subprocess
import sys
from typing import BinaryIO

from attacker import PLAN, tried

seal = {"key": "00" * 32, "expected": {"hostname": "sealed"}, "warm": None, "limits": PLAN["limits"]}
orders = {"argv": ["true"], "warm_argv": [], "env": {"PATH": "/usr/bin:/bin"}, "time_s": 5}
lines = b"".join(json.dumps(line).encode() + b"\n" for line in (seal, orders))


def stream() -> BinaryIO:
    try:
        return open("/proc/1/fd/1", "wb", buffering=0)
    except OSError:
        return sys.stdout.buffer


# The second init ends everyone else before it collects, this process too.
tried()
subprocess.run(
    ["python3", "-I", "-S", "-B", "/sealroom/init.py"], input=lines, stdout=stream(), timeout=20, check=False
)
