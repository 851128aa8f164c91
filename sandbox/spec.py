"""What is asked of a sealed run, and what is told of it afterwards. Plain values; no engine, no files are touched."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path

from sandbox.determinism import Determinism

RUN_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")
HEX32 = re.compile(r"[0-9a-f]{64}")
IMAGE = re.compile(r"sha256:[0-9a-f]{64}")
OWNER = re.compile(r"[A-Za-z0-9._-]{1,128}")
MIN_MEMORY_BYTES = 64 * 1024 * 1024
MIN_PIDS = 4
MAX_CPUS = 1024
MAX_GPUS = 16
MAX_INTEGER = 2**53 - 1
NANO = 10**9


class Runtime(StrEnum):
    """Which OCI runtime makes the container: the plain one, or gVisor."""

    RUNC = "runc"
    RUNSC = "runsc"


class ExitReason(StrEnum):
    """Why a run ended. This list is all that ever leaves about it."""

    COMPLETED = "completed"
    ALGORITHM_FAILED = "algorithm-failed"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out-of-memory"
    TOO_MUCH_OUTPUT = "too-much-output"
    PROBE_FAILED = "probe-failed"
    STREAM_BROKEN = "stream-broken"
    ENGINE_FAILED = "engine-failed"
    CANCELLED = "cancelled"

    @property
    def ran(self) -> bool:
        """Whether the algorithm had its fair chance, so that the end is its own doing and the run is owed for."""
        return self not in PROVIDERS_FAULT


PROVIDERS_FAULT = frozenset({ExitReason.PROBE_FAILED, ExitReason.ENGINE_FAILED, ExitReason.CANCELLED})


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of everything one run may use. `cpus` is a decimal number of cores, such as `1.0` or `0.5`."""

    time_s: int
    memory_bytes: int
    cpus: str
    pids: int
    scratch_bytes: int
    output_bytes: int
    output_files: int
    log_bytes: int
    open_files: int
    file_bytes: int

    def __post_init__(self) -> None:
        """Refuse a limit that is no limit: zero and less mean "unlimited" to an engine."""
        for name in self.__slots__:
            value = getattr(self, name)
            if name != "cpus" and not 0 < value <= MAX_INTEGER:
                raise ValueError(f"limit {name}: expected 1 to 2^53 - 1, got {value}")
        if self.memory_bytes < MIN_MEMORY_BYTES or self.pids < MIN_PIDS:
            raise ValueError(
                f"limits: at least {MIN_MEMORY_BYTES} memory_bytes and {MIN_PIDS} pids are needed"
            )
        _ = self.nano_cpus

    @property
    def nano_cpus(self) -> int:
        """The CPU limit in billionths of a core.

        Raises:
            ValueError: `cpus` is not a decimal between 0.01 and 1024.
        """
        try:
            cpus = Decimal(self.cpus)
        except InvalidOperation as exc:
            raise ValueError(f"limit cpus: expected a decimal number, got {self.cpus[:20]!r}") from exc
        if not cpus.is_finite() or not Decimal("0.01") <= cpus <= MAX_CPUS:
            raise ValueError(f"limit cpus: expected 0.01 to {MAX_CPUS}, got {self.cpus[:20]!r}")
        return int(cpus * NANO)

    @property
    def threads(self) -> int:
        """How many threads the libraries of one process use: the whole processors among `cpus`, at least one."""
        return max(1, self.nano_cpus // NANO)


@dataclass(frozen=True, slots=True)
class RunSpec:
    """One run. `inputs` is the root that `staging.stage` filled; `run_id` names the container; `owner` labels it."""

    run_id: str
    owner: str
    image: str
    runtime: Runtime
    argv: tuple[str, ...]
    inputs: Path
    dataset_ids: tuple[str, ...]
    algorithm_id: str
    limits: Limits
    gpus: int = 0

    def __post_init__(self) -> None:
        """Refuse ids and names that an engine or a path could read as something else."""
        rules = [(RUN_ID, self.run_id), (OWNER, self.owner), (IMAGE, self.image), (HEX32, self.algorithm_id)]
        rules += [(HEX32, asset) for asset in self.dataset_ids]
        for pattern, value in rules:
            if not pattern.fullmatch(value):
                raise ValueError(f"run spec: expected {pattern.pattern}, got {value[:80]!r}")
        if not self.argv:
            raise ValueError("run spec: expected a command")
        if not self.inputs.is_absolute() or self.inputs == Path("/") or ".." in self.inputs.parts:
            raise ValueError("run spec: expected an absolute folder of staged inputs, not / and without ..")
        if not 0 <= self.gpus <= MAX_GPUS:
            raise ValueError(f"run spec: expected 0 to {MAX_GPUS} GPUs, got {self.gpus}")


@dataclass(frozen=True, slots=True)
class ProducedFile:
    """One output file: its path below /data/outputs, and where its bytes were collected."""

    path: str
    size_bytes: int
    digest: str
    content: Path


@dataclass(frozen=True, slots=True)
class ProbeRow:
    """One line of the probe's table."""

    check: str
    expected: str
    seen: str
    ok: bool


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What the probe saw from inside; `digest` is over the canonical rows."""

    rows: tuple[ProbeRow, ...]
    passed: bool
    digest: str


@dataclass(frozen=True, slots=True)
class RunReport:
    """What happened. Times are Unix seconds; `cpu_s` is a decimal; `log` is for the data's owner only.

    `refused` names the rules that entries below /data/outputs broke; such entries are not among `outputs`. Unless `ordered`, the
    container never learned what to run, so that nothing can have touched the data.
    """

    reason: ExitReason
    runtime: Runtime
    image: str
    seal_digest: str
    determinism: Determinism
    probe: ProbeReport | None
    ordered: bool
    started: int
    finished: int
    cpu_s: str
    peak_memory_bytes: int
    bytes_written: int
    log_digest: str
    log: Path | None
    outputs: tuple[ProducedFile, ...]
    refused: tuple[str, ...]
