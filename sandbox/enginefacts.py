"""What an engine says of itself and of the machine under it. Judges nothing and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.engine import DockerEngine


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """An engine's own words. `runtimes` are names with their arguments; `root` is where it keeps images, on its machine."""

    version: str
    api_version: str
    cgroup_version: str
    kernel: str
    cpus: int
    memory_bytes: int
    root: str
    runtimes: Mapping[str, tuple[str, ...]]


def read_engine(engine: DockerEngine) -> EngineFacts:
    """Ask an engine about itself.

    Raises:
        EngineUnavailableError: it doesn't answer.
    """
    with engine.calls() as client:
        info: dict[str, Any] = client.info()
        version: dict[str, Any] = client.version()
    return EngineFacts(
        version=str(version.get("Version", "")),
        api_version=str(version.get("ApiVersion", "")),
        cgroup_version=str(info.get("CgroupVersion", "1")),
        kernel=str(info.get("KernelVersion", "")),
        cpus=int(info.get("NCPU", 0)),
        memory_bytes=int(info.get("MemTotal", 0)),
        root=str(info.get("DockerRootDir", "")),
        runtimes={
            name: tuple(runtime.get("runtimeArgs") or ())
            for name, runtime in sorted((info.get("Runtimes") or {}).items())
        },
    )
