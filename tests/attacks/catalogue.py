"""Every hostile algorithm: where it stands, what it tries, under which limits, and how its run may end."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.bundle import Bundle
from sandbox.spec import ExitReason, Runtime
from tests.sandbox_fixtures import MIB, make_bundle

FOLDER = Path(__file__).resolve().parent / "algorithms"
KIT = FOLDER / "attacker.py"
OUTCOMES = FOLDER.parent / "outcomes.json"
GROUPS = ("network", "host", "others", "privileges", "resources", "deadline", "output", "probe", "init")
FAILED, BROKEN = ExitReason.ALGORITHM_FAILED, ExitReason.STREAM_BROKEN
COMPLETED, OUTPUT = ExitReason.COMPLETED, ExitReason.TOO_MUCH_OUTPUT
TIMEOUT, MEMORY = ExitReason.TIMEOUT, ExitReason.OUT_OF_MEMORY

# How a run may end, on runc and on gVisor; whoever is refused everything ends by itself, which is not listed.
# Where several are given, scheduling decides between them. gVisor's own kernel may end at once under very many processes, when
# the limit on the host's processes refuses it a thread, as the host's log tells: from outside that looks like a crash.
ENDS: dict[str, tuple[set[ExitReason], set[ExitReason]]] = {
    "resources/memory": ({MEMORY}, {MEMORY}),
    "resources/memory_of_children": ({TIMEOUT}, {MEMORY}),
    "resources/memory_in_the_kernel": ({MEMORY, COMPLETED}, {MEMORY, COMPLETED}),
    "resources/locked_memory": ({MEMORY}, {MEMORY}),
    "resources/fork_bomb": ({TIMEOUT}, {TIMEOUT, MEMORY, FAILED}),
    "resources/many_processes": ({COMPLETED}, {COMPLETED, MEMORY, FAILED}),
    "resources/many_threads": ({COMPLETED}, {COMPLETED, MEMORY, FAILED}),
    "resources/zombies": ({COMPLETED}, {COMPLETED, MEMORY, FAILED}),
    "resources/signals": ({COMPLETED}, {COMPLETED, MEMORY}),
    "resources/processor": ({TIMEOUT}, {TIMEOUT}),
    "resources/inodes": ({COMPLETED}, {MEMORY, TIMEOUT}),
    "resources/output_bytes": ({OUTPUT}, {OUTPUT}),
    "resources/output_files": ({OUTPUT}, {OUTPUT}),
    "resources/sparse_output": ({OUTPUT}, {OUTPUT}),
    "deadline/ignore_signals": ({TIMEOUT}, {TIMEOUT}),
    "deadline/run_of_forks": ({TIMEOUT}, {TIMEOUT, FAILED}),
    "deadline/run_of_programs": ({TIMEOUT}, {TIMEOUT}),
    "deadline/stopped_children": ({TIMEOUT}, {TIMEOUT, FAILED}),
    "deadline/stop_the_clock": ({TIMEOUT}, {TIMEOUT}),
    "deadline/new_parent": ({TIMEOUT}, {TIMEOUT}),
    "deadline/out_of_breath": ({TIMEOUT, MEMORY}, {TIMEOUT, MEMORY}),
    "deadline/flood_the_init": ({TIMEOUT}, {TIMEOUT}),
    "output/exit_code": ({FAILED}, {FAILED}),
    "output/crash_with_output": ({FAILED}, {FAILED}),
    "output/forge_frames": ({COMPLETED}, {BROKEN}),
    "probe/second_table": ({COMPLETED}, {BROKEN}),
    "init/kill": ({COMPLETED}, {FAILED}),
    "init/limit_the_init": ({COMPLETED, FAILED}, {COMPLETED, FAILED}),
    "init/sacrifice": ({MEMORY}, {MEMORY}),
    "init/second_init": ({FAILED}, {BROKEN}),
    "init/jam_the_stream": ({COMPLETED}, {BROKEN}),
}
SHORT = 2
LIMITS: dict[str, dict[str, Any]] = {
    "resources/memory_of_children": {"time_s": SHORT},
    "resources/memory_in_the_kernel": {"memory_bytes": 128 * MIB},
    "resources/fork_bomb": {"time_s": SHORT},
    "resources/processor": {"time_s": SHORT, "cpus": "0.5"},
    "resources/file_size": {"file_bytes": 4 * MIB},
    "resources/inodes": {"memory_bytes": 128 * MIB, "time_s": 10},
    "output/deep_tree": {"output_files": 200},
}
# Those whose own words can't be heard: what they print is drowned, or taken away, or ends with the init.
SILENT = frozenset(
    {"deadline/flood_the_init", "deadline/stop_the_clock", "init/take_the_log", "init/steal_descriptors"}
)
SHADOW = b"import os\nif os.getpid() == 1: open('/scratch/loaded-by-1', 'w').close()\n"
BESIDE: dict[str, dict[str, bytes]] = {
    "probe/shadow_modules": dict.fromkeys(("probe.py", "init.py", "hmac.py", "sitecustomize.py"), SHADOW),
}


@dataclass(frozen=True, slots=True)
class Attack:
    """One hostile algorithm; `ends` are the reasons that its run may end with, by runtime."""

    name: str
    tries: str
    path: Path
    limits: Mapping[str, Any]
    ends: Mapping[Runtime, frozenset[ExitReason]]

    @property
    def group(self) -> str:
        """The folder that it stands in."""
        return self.name.split("/")[0]

    @property
    def speaks(self) -> bool:
        """Whether what it prints can be heard."""
        return self.name not in SILENT

    def bundle(self, image: str) -> Bundle:
        """Return it as a bundle, with the kit beside it."""
        files = {KIT.name: KIT.read_bytes(), **BESIDE.get(self.name, {})}
        return make_bundle(self.path.read_text(encoding="utf-8"), image=image, files=files)


def _load(path: Path) -> Attack:
    name = f"{path.parent.name}/{path.stem}"
    documented = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    runc, runsc = ENDS.get(name, ({COMPLETED}, {COMPLETED}))
    usual = {"time_s": SHORT} if TIMEOUT in runc else {}
    return Attack(
        name=name,
        tries=documented.splitlines()[0] if documented else "",
        path=path,
        limits=LIMITS.get(name, usual),
        ends={Runtime.RUNC: frozenset(runc), Runtime.RUNSC: frozenset(runsc)},
    )


ATTACKS = {
    attack.name: attack
    for group in GROUPS
    for attack in (_load(path) for path in sorted((FOLDER / group).glob("*.py")))
}


def all_committed() -> dict[str, Any]:
    """Return what the suite recorded when it last wrote its outcomes, by attack."""
    known: dict[str, Any] = json.loads(OUTCOMES.read_text(encoding="utf-8"))
    return known


def committed(name: str, runtime: Runtime) -> dict[str, Any]:
    """Return the committed outcome of an attack: how it `ended` and what it `gained`."""
    known: dict[str, Any] = all_committed()[name][runtime.value]
    return known
