"""What the figures were measured on, and how busy its processors were meanwhile."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

IMAGE_FACTS = "import platform, torch; print(platform.python_version(), torch.__version__)"
CALL_TIMEOUT_S = 120
PLAIN_RUN = ("docker", "run", "--rm", "--network")
BUSY_FIELDS = (0, 1, 2, 5, 6)
"""user, nice, system, irq, softirq of the first line of proc_stat(5)."""


def describe_host() -> dict[str, Any]:
    """Return what is known of the machine itself."""
    return {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cpu": _read_field("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "memory": _read_field("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(),
        "load_average_before": [round(load, 2) for load in os.getloadavg()],
    }


def describe_machine(image: str) -> dict[str, Any]:
    """Return what somebody needs who wants to measure the same in containers of that image."""
    python, torch = run_words(*PLAIN_RUN, "none", image, "python", "-c", IMAGE_FACTS).split()
    engine, runtimes = run_words("docker", "info", "--format", "{{.ServerVersion}};{{.Runtimes}}").split(";")
    return describe_host() | {
        "engine": f"Docker {engine}",
        "runtimes": sorted(name for name in ("runc", "runsc") if f"{name}:" in runtimes),
        "runsc": _version_of("runsc"),
        "runc": _version_of("runc"),
        "image": image,
        "image_python": python,
        "image_torch": torch,
    }


def find_network(image: str) -> str:
    """Return the network that a plain `docker run` gets: the engine's own, or none where that one is out of order."""
    done = subprocess.run(
        [*PLAIN_RUN, "bridge", image, "true"], check=False, capture_output=True, timeout=CALL_TIMEOUT_S
    )
    return "none" if done.returncode else "bridge"


def run_words(*words: str) -> str:
    """Run a program and return what it prints."""
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=CALL_TIMEOUT_S)
    return done.stdout.strip()


def busy_s() -> float:
    """Return the seconds of processor time that all processes of this machine have used since it started."""
    fields = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
    return sum(int(fields[number]) for number in BUSY_FIELDS) / os.sysconf("SC_CLK_TCK")


def _read_field(path: str, name: str) -> str:
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        if line.startswith(name):
            return line.partition(":")[2].strip()
    return "unknown"


def _version_of(program: str) -> str:
    try:
        return run_words(program, "--version").splitlines()[0]
    except (OSError, subprocess.SubprocessError):
        return "absent"
