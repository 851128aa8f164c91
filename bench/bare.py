"""The side without any container: the same script, the same wheels and the same version of Python, on the host."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

from bench.machine import run_words

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".build" / "bench-venv"
WHEELS = ROOT / ".build" / "image"
IMAGE_FOLDER = ROOT / "deploy" / "image"
INSTALL_TIMEOUT_S = 1800
ASK_VERSION = "import platform; print(platform.python_version())"


def prepare_python(image_python: str) -> Path:
    """Return the Python of an environment with the image's wheels, made when it isn't there yet.

    Its interpreter is the one on this machine that has the image's version, else the one that runs the benchmark.
    """
    requirements = IMAGE_FOLDER / "requirements.txt"
    torch = _torch_version()
    base = _find_interpreter(image_python)
    key = hashlib.sha256(f"{base} {torch}\n".encode() + requirements.read_bytes()).hexdigest()
    python, mark = VENV / "bin" / "python", VENV / "complete"
    if mark.exists() and mark.read_text(encoding="ascii") == key:
        return python
    shutil.rmtree(VENV, ignore_errors=True)
    subprocess.run([base, "-m", "venv", VENV], check=True, timeout=INSTALL_TIMEOUT_S)
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"]
    wheels = [word for folder in WHEELS.glob("wheels-*") for word in ("--find-links", str(folder))]
    pip += ["--no-index", *wheels] if wheels else []
    for words in (["--require-hashes", "-r", str(requirements)], [f"torch=={torch}"]):
        subprocess.run([*pip, *words], check=True, timeout=INSTALL_TIMEOUT_S)
    mark.write_text(key, encoding="ascii")
    return python


def _torch_version() -> str:
    found = re.search(r"^torch=(\S+)$", (IMAGE_FOLDER / "build.sh").read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        sys.exit("bench: deploy/image/build.sh names no version of torch")
    return found[1]


def _find_interpreter(version: str) -> str:
    """Return the system's own Python before others: the image's is built the same way."""
    names = ["/usr/bin/python3.11", "/usr/local/bin/python3.11", "python3.11"]
    for name in names:
        found = shutil.which(name)
        if found and run_words(found, "-c", ASK_VERSION) == version:
            return found
    return sys.executable
