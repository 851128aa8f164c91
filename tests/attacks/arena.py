"""Runs hostile algorithms truly sealed beside an honest neighbour, and says everything that is wrong afterwards."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sandbox.expectation import expect
from sandbox.spec import ExitReason, Limits, RunReport, Runtime
from tests.attacks.catalogue import FOLDER, KIT, Attack
from tests.attacks.host_side import Host
from tests.attacks.watching import WatchedEngine
from tests.sandbox_fixtures import ASSET, LIMITS, Bench, make_bundle, make_spec, printed

NEIGHBOUR = FOLDER / "neighbour.py"
NEIGHBOUR_ASSET = "c3" * 32
OWN_ROWS = b"x,y\n1,2\n"
PLAIN_PATH = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}){0,3}")
RULE = re.compile(r"[a-z-]{1,32}")
TOLD = frozenset({ExitReason.COMPLETED, ExitReason.TIMEOUT, ExitReason.TOO_MUCH_OUTPUT})
START_TIMEOUT_S = 120
GRACE_S = 30
ATTACK_TIME_S = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attack went on one runtime: its own words, and what the host saw."""

    report: RunReport
    printed: str
    faults: tuple[str, ...]

    @property
    def gained(self) -> list[str]:
        """What the attacker says that it got."""
        return [
            line.removeprefix("GAINED").strip()
            for line in self.printed.splitlines()
            if line.startswith("GAINED")
        ]

    @property
    def tried(self) -> bool:
        """Whether the attacker says that it tried."""
        return "TRIED" in self.printed.splitlines()

    @property
    def told(self) -> bool:
        """Whether the init lived to hand over what was printed."""
        return self.report.log is not None or self.report.reason in TOLD


class Neighbour:
    """An honest job that runs, sealed on `runtime`, for as long as attackers are about."""

    def __init__(self, arena: Arena, runtime: Runtime) -> None:
        self._engine = WatchedEngine()
        self._begun, self._leave = threading.Event(), threading.Event()
        self.report: RunReport | None = None
        self.folder = arena.folder / f"neighbour-{runtime.value}"
        bench = Bench(self._engine, arena.image, self.folder)
        self.folder.mkdir()
        code = NEIGHBOUR.read_text(encoding="utf-8")
        bundle = make_bundle(code, image=arena.image, files={KIT.name: KIT.read_bytes()})
        dataset = bench.dataset(arena.host.secret.encode(), asset_id=NEIGHBOUR_ASSET)
        plan = arena.host.plan() | {
            "own_dataset": NEIGHBOUR_ASSET,
            "neighbour_address": arena.address(runtime),
        }

        def live() -> None:
            try:
                self.report = bench.run(
                    "",
                    runtime,
                    bundle=bundle,
                    datasets=[dataset],
                    parameters=plan,
                    time_s=3600,
                    cancelled=self._asked(bench),
                )
            finally:
                self._begun.set()

        self._thread = threading.Thread(target=live, daemon=True)
        self._thread.start()
        if not self._begun.wait(START_TIMEOUT_S) or not self.lives:
            raise RuntimeError(f"the neighbour did not start: {printed(self.report) if self.report else ''}")

    def _asked(self, bench: Bench) -> Any:
        def cancelled() -> bool:
            if "running" in bench.events:
                self._begun.set()
            return self._leave.is_set()

        return cancelled

    @property
    def lives(self) -> bool:
        """Whether nobody has ended it."""
        return self._thread.is_alive()

    def plan(self) -> dict[str, Any]:
        """Return what attackers are told of it: all but its secret."""
        done = subprocess.run(
            ["docker", "inspect", "--format", "{{.State.Pid}}", self._engine.container],
            check=True, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        staged = self.folder / "1" / "inputs" / "data" / "inputs" / NEIGHBOUR_ASSET / "0"
        source = self.folder / "source" / NEIGHBOUR_ASSET / "0.csv"
        return {
            "neighbour_pid": int(done.stdout),
            "neighbour_dataset": NEIGHBOUR_ASSET,
            "neighbour_files": [str(staged), str(source)],
        }

    def close(self) -> RunReport | None:
        """Ask it to leave; return how it ended."""
        self._leave.set()
        self._thread.join(START_TIMEOUT_S)
        self._engine.close()
        return self.report


class Arena:
    """The host's things, a neighbour for each runtime, and one attacker after another."""

    def __init__(self, image: str, folder: Path) -> None:
        self.image = image
        self.folder = folder
        self.host = Host(folder)
        self.neighbours: dict[Runtime, Neighbour] = {}
        self._lock = threading.Lock()

    def address(self, runtime: Runtime) -> str:
        """Return the abstract address that the neighbour on `runtime` listens on."""
        return f"{self.host.mark}-{runtime.value}"

    def plan(self, attack: Attack, runtime: Runtime) -> dict[str, Any]:
        """Return what an attacker is told."""
        with self._lock:
            if runtime not in self.neighbours:
                self.neighbours[runtime] = Neighbour(self, runtime)
        limits = asdict(LIMITS) | {"time_s": ATTACK_TIME_S} | dict(attack.limits)
        spec = make_spec(self.folder, runtime=runtime, limits=Limits(**limits))
        told = {
            "own_dataset": ASSET,
            "limits": limits,
            "expected": expect(spec),
            "neighbour_address": self.address(runtime),
        }
        return self.host.plan() | self.neighbours[runtime].plan() | told

    def run(self, attack: Attack, runtime: Runtime) -> Outcome:
        """Run one attack truly sealed, and look at everything afterwards."""
        plan = self.plan(attack, runtime)
        folder = self.folder / f"{attack.name.replace('/', '-')}-{runtime.value}"
        folder.mkdir()
        engine = WatchedEngine()
        try:
            bench = Bench(engine, self.image, folder)
            report = bench.run(
                "",
                runtime,
                bundle=attack.bundle(self.image),
                datasets=[bench.dataset(OWN_ROWS)],
                parameters=plan,
                **plan["limits"],
            )
            left = engine.left()
        finally:
            engine.close()
        printed = report.log.read_bytes().decode(errors="replace") if report.log else ""
        faults = [
            *left,
            *self.host.damage(),
            *self._leaks(report),
            *_unsealed(report),
            *_odd_outputs(report, plan["limits"]),
        ]
        if report.finished - report.started > plan["limits"]["time_s"] + GRACE_S:
            faults.append("it outlived its deadline")
        if not self.neighbours[runtime].lives:
            faults.append("the neighbour was ended")
        return Outcome(report, printed, tuple(faults))

    def close(self) -> list[str]:
        """End the neighbours; return what is wrong with how they ended."""
        reports = {runtime: neighbour.close() for runtime, neighbour in self.neighbours.items()}
        self.host.close()
        return [
            f"the neighbour on {runtime.value} ended with {report.reason.value if report else 'nothing'}"
            for runtime, report in reports.items()
            if report is None or report.reason is not ExitReason.CANCELLED
        ]

    def _leaks(self, report: RunReport) -> list[str]:
        secret = self.host.secret.encode()
        places = {output.path: output.content for output in report.outputs}
        places |= {"the log": report.log} if report.log else {}
        return [f"the secret in {name}" for name, place in places.items() if secret in place.read_bytes()]


def _unsealed(report: RunReport) -> list[str]:
    if report.probe is None or not report.probe.passed:
        return ["the probe did not pass"]
    return [
        f"the probe saw {row.seen} for {row.check}" for row in report.probe.rows if row.seen != row.expected
    ]


def _odd_outputs(report: RunReport, limits: dict[str, Any]) -> list[str]:
    """Return what is wrong with what was collected: only plain files with plain names within the limits may be."""
    found = [f"output {output.path}" for output in report.outputs if not PLAIN_PATH.fullmatch(output.path)]
    for output in report.outputs:
        facts = output.content.lstat()
        if not stat.S_ISREG(facts.st_mode) or facts.st_mode & 0o7111 or os.listxattr(output.content):
            found.append(f"a strange file for {output.path}")
        if facts.st_mtime < report.started - 1:
            found.append(f"a time of its own for {output.path}")
    if sum(output.size_bytes for output in report.outputs) > limits["output_bytes"]:
        found.append("too many bytes of output")
    if len(report.outputs) > limits["output_files"]:
        found.append("too many outputs")
    if report.reason is not ExitReason.COMPLETED and report.outputs:
        found.append("outputs of a run that failed")
    if report.log and report.log.stat().st_size > limits["log_bytes"]:
        found.append("too long a log")
    return found + [f"rule {rule}" for rule in report.refused if not RULE.fullmatch(rule)]
