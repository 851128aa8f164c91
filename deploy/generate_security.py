"""Writes docs/security.md from the seal's own tables, what the probe must see, and what the attack suite recorded."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sandbox.expectation import expect, expect_engine
from sandbox.run import ENDING_GRACE_S
from sandbox.seal import seal_table
from sandbox.seccomp import REFUSED, seccomp_profile
from sandbox.spec import Limits, RunSpec, Runtime

ROOT = Path(__file__).resolve().parent.parent
ATTACKS = ROOT / "tests" / "attacks"
OUTCOMES = ATTACKS / "outcomes.json"
MIB = 1024 * 1024
TITLES = {
    "network": "Reach the network",
    "host": "Reach the host or the engine",
    "others": "Reach other jobs' or datasets' files",
    "privileges": "Raise privileges",
    "resources": "Exhaust a resource",
    "deadline": "Survive the deadline",
    "output": "Forge or smuggle output",
    "probe": "Lie to the probe",
    "init": "Kill or impersonate the init",
}
EXAMPLE = Limits(
    time_s=600,
    memory_bytes=2048 * MIB,
    cpus="1.0",
    pids=256,
    scratch_bytes=1024 * MIB,
    output_bytes=64 * MIB,
    output_files=16,
    log_bytes=MIB,
    open_files=1024,
    file_bytes=1024 * MIB,
)
INTRODUCTION = """\
# The seal, for whoever answers for the data

A job's code is a stranger's. It runs beside the data in a container that nothing gets out of but one stream, which our own
process 1 writes and the gate judges. This page says what seals it, how that is checked before every run, which attacks on it
were truly made and what they got, and what the seal does not protect against.

Made by `deploy/generate_security.py` from the code's own tables and from `tests/attacks/outcomes.json`; nothing in its tables is
written by hand. `make security` makes the attacks anew, `make check` fails when this page is not what its sources say.

## How to check it yourself

- `sealroom doctor` shows the engine, its runtimes, the images, and what the probe sees in a throw-away container on this machine.
- `make security` runs every attack below on every runtime that this machine's engine has.
- A receipt names the seal's digest (over all options and the programs of the init) and says what the probe saw.
"""
LIMITS_OF_THE_SEAL = f"""\
## What the seal does not protect against

- **A hole in the host's kernel, under runc.** The container shares it. The allow-list of system calls makes it smaller, and gVisor
  puts a kernel of its own in front; a policy can demand gVisor.
- **A hole in gVisor, the engine or the processor**, and what can be measured through shared hardware: caches, memory bandwidth,
  the time that a neighbour takes. Processors and memory are limited for each run, bandwidth is not.
- **What one user has in common.** All runs are the same user. Under runc the kernel counts queued real-time signals and the room
  in pipes by user over all containers, so that one run can leave none to another. The calls that a run would need them for are
  mostly refused to every run, and an honest training run next to such an attacker completes (tests/attacks/test_neighbours.py).
- **The image.** The probe is run by the image's Python. A hostile image could have it lie. What the engine and the kernel say from
  outside is compared too, and only images that the policy names by digest are used: read them as you read an algorithm.
- **Whoever watches a job's state** learns how long it ran: at most log2(time limit ÷ resolution) bits. See
  [covert-channels.md](covert-channels.md) for this and for every other thing that can be seen of a run.
- **What is in the released weights and metrics.** That is for the policy, the gate and the privacy budget.
- **The operator, and root on the host.** They can read the data without any algorithm.
- **A run that harms itself.** Under gVisor an algorithm can kill or stop the init and can write noise into its stream. It then
  gets no output, and the host ends the run at the latest {ENDING_GRACE_S} s after its time limit. gVisor doesn't limit the number of
  processes or of empty files inside; the memory limit and the host's limit on threads end what grows without end.
"""


def write_security_page() -> str:
    """Return the whole page."""
    parts = [INTRODUCTION, _seal(), _calls(), _probe(), _attacks(), LIMITS_OF_THE_SEAL]
    return "\n".join(parts)


def _example(runtime: Runtime) -> RunSpec:
    """Return a run to show the tables for."""
    return RunSpec(
        run_id="example",
        owner="example",
        image="sha256:" + "0" * 64,
        runtime=runtime,
        argv=("python", "/data/transformations/algorithm"),
        inputs=Path("/inputs"),
        dataset_ids=("0" * 64,),
        algorithm_id="0" * 64,
        limits=EXAMPLE,
    )


def _seal() -> str:
    rows = [(f"`{name}`", _code(value), reason) for name, value, reason in seal_table(_example(Runtime.RUNC))]
    text = (
        "Every option that the engine is asked for (`sandbox/seal.py`), for a run on runc with 2 GiB, one processor and 256\n"
        "processes. A job chooses among limits that the policy allows; it can't choose anything else.\n"
    )
    return f"## The seal\n\n{text}\n{_table(('option', 'value', 'why'), rows)}"


def _calls() -> str:
    allowed = {name for rule in seccomp_profile()["syscalls"] for name in rule["names"]}
    rows = [(", ".join(f"`{name}`" for name in names.split()), reason) for names, reason in REFUSED.items()]
    text = (
        f"{len(allowed)} system calls are allowed, some with certain arguments only; every other one fails. Among those left out"
        " (`sandbox/seccomp.py`):\n"
    )
    return f"## System calls\n\n{text}\n{_table(('refused', 'why'), rows)}"


def _probe() -> str:
    tables = [expect(_example(runtime)) | expect_engine(_example(runtime)) for runtime in Runtime]
    names = sorted(set().union(*tables))
    rows = [(f"`{name}`", *(_code(table.get(name, "")) for table in tables)) for name in names]
    text = (
        "Before any byte of an algorithm is executed, process 1 looks at the container from inside, and the worker asks the engine\n"
        "and the kernel from outside (`engine_…`). Each finding must be exactly the one below (for the run above); any difference ends\n"
        "the run as `probe-failed`. An empty cell is a thing that this runtime doesn't show.\n"
    )
    return f"## What the probe checks\n\n{text}\n{_table(('check', 'on runc', 'on gVisor'), rows)}"


def _attacks() -> str:
    outcomes: dict[str, dict[str, Any]] = json.loads(OUTCOMES.read_text(encoding="utf-8"))
    shown = sum(known["works_without_the_seal"] for known in outcomes.values())
    text = (
        f"{len(outcomes)} hostile algorithms, each a bundle that was truly run in a truly sealed container on both runtimes, next to an\n"
        "honest job that holds a secret. What an attacker got is judged by its own word and from the host: servers that nobody may\n"
        "reach, files that nobody may read or write, processes, mounts, containers and changes that are left. Then how the run ended.\n\n"
        f"{shown} of them are also run without the seal, where they get what they want (**✓**): the suite can fail.\n"
    )
    return f"## Attacks\n\n{text}\n" + "\n".join(_group(group, outcomes) for group in TITLES)


def _group(group: str, outcomes: dict[str, dict[str, Any]]) -> str:
    rows = [
        (
            f"`{name.split('/')[1]}`",
            _first_line(ATTACKS / "algorithms" / f"{name}.py"),
            *(_ending(known[runtime.value]) for runtime in Runtime),
            "✓" if known["works_without_the_seal"] else "",
        )
        for name, known in outcomes.items()
        if name.startswith(f"{group}/")
    ]
    head = ("attack", "what it tries", "runc: it got", "gVisor: it got", "unsealed")
    return f"### {TITLES[group]}\n\n{_table(head, rows)}"


def _ending(known: dict[str, Any]) -> str:
    gained = "; ".join(known["gained"]) or "nothing"
    return f"{gained}; ended `{known['ended']}`"


def _first_line(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n", 1)[0]


def _code(value: str) -> str:
    return f"`{value}`" if value else ""


def _table(head: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    def lines() -> Iterator[str]:
        columns = tuple(head)
        yield _row(columns)
        yield "|" + "---|" * len(columns)
        yield from (_row(row) for row in rows)

    return "\n".join(lines()) + "\n"


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
