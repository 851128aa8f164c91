"""The real engine, watched: which container it made, what had changed when it was removed, and what is left on the host."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from sandbox.engine import DockerEngine
from sandbox.seal import READ_ONLY_MOUNTS, container_name, writable_places
from sandbox.session import Session
from sandbox.spec import RunSpec
from tests.sandbox_fixtures import LIMITS


class WatchedEngine(DockerEngine):
    """The real engine; remembers which container it made, and what had changed when it was removed."""

    def __init__(self) -> None:
        super().__init__()
        self.container = ""
        self.changed: list[str] = []
        self._inputs: Path | None = None
        self._layer = Path()
        self._staged = ""

    def start(self, spec: RunSpec) -> Session:
        self._inputs, self._staged = spec.inputs, fingerprint(spec.inputs)
        session = super().start(spec)
        facts = self._api.inspect_container(container_name(spec.run_id))
        self.container = str(facts["Id"])
        self._layer = Path(facts["GraphDriver"]["Data"]["UpperDir"])
        return session

    def remove(self, run_id: str) -> None:
        if self.container and self._inputs:
            written = [path for path in self._written() if not _made_by_the_engine(path)]
            self.changed += [f"{path} on the host's disk" for path in written]
            if fingerprint(self._inputs) != self._staged:
                self.changed.append("the staged inputs")
        super().remove(run_id)

    def _written(self) -> list[str]:
        """Return what stands in the container's own layer; `docker diff` compares whole images, which takes seconds."""
        found = []
        for folder, folders, files in os.walk(self._layer, onerror=_raise):
            found += [f"/{Path(folder, name).relative_to(self._layer)}" for name in (*folders, *files)]
        return found

    def left(self) -> list[str]:
        """Return what of the container is still on the host, and what it changed there."""
        found = [f"changed: {path}" for path in self.changed]
        known = subprocess.run(
            ["docker", "ps", "-aq", "--no-trunc"], check=True, capture_output=True, text=True, timeout=60
        )
        if self.container in known.stdout.split():
            found.append("the container")
        found += [f"process {number}" for number in processes_of(self.container)]
        if self.container in Path("/proc/self/mountinfo").read_text():
            found.append("a mount")
        return found


def _raise(error: OSError) -> NoReturn:
    raise error


def fingerprint(root: Path) -> str:
    """Return a digest over every entry below a folder: path, mode, size, time and content."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        facts = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(facts.st_mode) else ""
        digest.update(
            json.dumps([str(path), facts.st_mode, facts.st_size, facts.st_mtime_ns, content]).encode()
        )
    return digest.hexdigest()


def _made_by_the_engine(path: str) -> bool:
    """Whether a path is one that the engine makes to mount something on."""
    places = (*READ_ONLY_MOUNTS, *writable_places(LIMITS))
    return any(place == path or place.startswith(path + "/") for place in places)


def processes_of(container: str) -> Iterable[str]:
    """Yield the host's number of every process in a container's group."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if container in (entry / "cgroup").read_text():
                    yield entry.name
            except OSError:
                continue
