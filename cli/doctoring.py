"""Examines a machine: engine, runtimes, images, room, and a throw-away sealed container on each runtime. Mends nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cli.errors import ExitCode
from cli.home import Home
from cli.images import Workshop, describe_trials
from datatokens.errors import LocalChainError
from datatokens.localchain import find_anvil
from sandbox.enginefacts import EngineFacts, read_engine
from sandbox.errors import EngineUnavailableError, ImageMissingError
from sandbox.images import ImageFacts
from sandbox.reasons import SEAL_REASONS
from sandbox.spec import Runtime
from sandbox.trial import Trial

GIB = 2**30
MIN_DISK_BYTES = 2 * GIB
MIN_MEMORY_BYTES = GIB
MEMORY_FILE = Path("/proc/meminfo")
SET_UP = "run deploy/setup/engine.sh"
SECCOMP_INSIDE = "--oci-seccomp"
BUILD = "run deploy/image/build.sh, or `sealroom image add FILE`"


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that is not as it should be, and how to get it. `vital` when no job can be sealed without it."""

    what: str
    remedy: str
    vital: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the probe's table, with the runtimes on which exactly this was seen."""

    check: str
    expected: str
    seen: str
    ok: bool
    runtimes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Checkup:
    """What was found. `facts` are for people; a trial is told for every runtime that the engine has."""

    facts: Mapping[str, str]
    engine: EngineFacts | None
    images: tuple[ImageFacts, ...]
    image: str | None
    trials: tuple[Trial, ...]
    missing: tuple[Missing, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """The probe's table; what several runtimes have in common stands once."""
        found: dict[tuple[str, str, str, bool], list[str]] = {}
        for trial in self.trials:
            for row in trial.report.probe.rows if trial.report and trial.report.probe else ():
                found.setdefault((row.check, row.expected, row.seen, row.ok), []).append(trial.runtime.value)
        return tuple(Row(*key, tuple(found[key])) for key in sorted(found))

    @property
    def healthy(self) -> bool:
        """Whether a job can be sealed, and every probe passed."""
        return bool(self.trials) and all(trial.passed for trial in self.trials)

    @property
    def exit_code(self) -> ExitCode:
        """What the shell sees: a broken seal is another thing than a missing part."""
        if self.healthy:
            return ExitCode.OK
        return ExitCode.VERIFICATION if any(trial.report for trial in self.trials) else ExitCode.UNREACHABLE

    def to_json(self) -> dict[str, Any]:
        """Return the checkup as JSON, with nothing cut."""
        return {
            "healthy": self.healthy,
            "facts": dict(self.facts),
            "engine": asdict(self.engine) if self.engine else None,
            "images": [image.digest for image in self.images],
            "image": self.image,
            "trials": describe_trials(self.trials),
            "probe": [asdict(row) for row in self.rows],
            "missing": [asdict(item) for item in self.missing],
        }


def examine(home: Home, *, image: str | None) -> Checkup:
    """Examine this machine; `home` may not exist. `image` is the one to try, by default the newest made for jobs.

    Raises:
        ImageMissingError: the engine doesn't hold `image`.
    """
    engine: EngineFacts | None = None
    images: tuple[ImageFacts, ...] = ()
    trials: tuple[Trial, ...] = ()
    missing: list[Missing] = []
    with Workshop() as workshop:
        try:
            engine = read_engine(workshop.engine)
            images = workshop.store.list_images()
            image = image or _newest(images)
            trials = workshop.try_image(image) if image else ()
        except ImageMissingError:
            raise
        except EngineUnavailableError as error:
            missing.append(Missing(str(error), SET_UP, vital=True))
    if engine:
        missing += [*_lacking(engine, image), *_failed(trials)]
    room, short = _measure_room(engine)
    tools, absent = _find_tools(home)
    facts = _tell_engine(engine, images, image) | _tell_seal(trials) | room | tools
    return Checkup(facts, engine, images, image, trials, (*missing, *short, *absent))


def _newest(images: Iterable[ImageFacts]) -> str | None:
    """Return the newest image that names its tree, as ours do, else the newest with a name, else the newest."""
    known = list(images)
    named = [item for item in known if item.names]
    ours = [item for item in named if item.tree]
    return next((item.digest for item in [*ours, *named, *known]), None)


def _lacking(engine: EngineFacts, image: str | None) -> list[Missing]:
    gvisor = engine.runtimes.get(Runtime.RUNSC.value)
    found = []
    if gvisor is None:
        what = "gVisor (runsc): a policy that demands it refuses every job here"
        found.append(
            Missing(what, f"{SET_UP}, or install runsc and register it with the engine", vital=False)
        )
    elif SECCOMP_INSIDE not in gvisor:
        what = f"gVisor's {SECCOMP_INSIDE}: the system-call filter doesn't hold inside"
        found.append(Missing(what, f"{SET_UP}, or add it to runsc's runtimeArgs", vital=False))
    if gvisor is None and Runtime.RUNC.value not in engine.runtimes:
        found.append(Missing("a runtime that can seal", SET_UP, vital=True))
    if image is None:
        found.append(Missing("an image for algorithms", BUILD, vital=True))
    return found


def _failed(trials: Iterable[Trial]) -> list[Missing]:
    remedy = "look at the rows that differ; set the engine up anew with deploy/setup/engine.sh, or use another image"
    return [
        Missing(f"{item.runtime.value}: {item.problem}", remedy, vital=True)
        for item in trials
        if not item.passed
    ]


def _tell_engine(
    engine: EngineFacts | None, images: tuple[ImageFacts, ...], image: str | None
) -> dict[str, str]:
    if engine is None:
        return {"engine": "doesn't answer"}
    runtimes = [
        " ".join((name, *arguments)) for name, arguments in engine.runtimes.items() if name in set(Runtime)
    ]
    named = [item.digest for item in images if item.names]
    return {
        "engine": f"Docker {engine.version}, API {engine.api_version}, Linux {engine.kernel}",
        "cgroups": f"version {engine.cgroup_version}",
        "runtimes": "; ".join(runtimes) or "none that can seal",
        "images": f"{len(images)}, {len(named)} with a name; see `sealroom image list`",
        "image tried": image or "none",
    }


def _tell_seal(trials: Iterable[Trial]) -> dict[str, str]:
    facts = {"seal": f"{len(SEAL_REASONS)} options, each with its reason"}
    for trial in trials:
        if trial.report:
            verdict = "whole" if trial.passed else "BROKEN"
            facts[f"seal on {trial.runtime.value}"] = f"{verdict}, {trial.report.seal_digest}"
    return facts


def _measure_room(engine: EngineFacts | None) -> tuple[dict[str, str], list[Missing]]:
    facts, missing = {}, []
    disk = _free_disk(engine.root) if engine else None
    if disk is not None:
        facts["free disk"] = f"{disk / GIB:.1f} GiB"
        if disk < MIN_DISK_BYTES:
            missing.append(
                Missing("disk for jobs", f"free at least {MIN_DISK_BYTES // GIB} GiB", vital=False)
            )
    memory = _free_memory()
    if memory is not None:
        facts["free memory"] = f"{memory / GIB:.1f} GiB"
        if memory < MIN_MEMORY_BYTES:
            missing.append(
                Missing("memory for jobs", f"free at least {MIN_MEMORY_BYTES // GIB} GiB", vital=False)
            )
    return facts, missing


def _free_disk(root: str) -> int | None:
    """Return the free bytes where the engine keeps its images; None when it is elsewhere or not ours to see."""
    try:
        return shutil.disk_usage(root).free
    except OSError:
        return None


def _free_memory() -> int | None:
    try:
        lines = MEMORY_FILE.read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) * 1024 if found else None


def _find_tools(home: Home) -> tuple[dict[str, str], list[Missing]]:
    """Look for what a local chain needs, where there is a home folder that may want one."""
    if not home.root.is_dir():
        return {}, []
    try:
        return {"chain tools": f"anvil at {find_anvil(home.root)}"}, []
    except LocalChainError as error:
        return {"chain tools": "none"}, [Missing(str(error), "run deploy/setup/node.sh", vital=False)]
