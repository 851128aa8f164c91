"""A benchmark in parts: each module measures some rows in one run of its own and says how in its first lines.

A part that isn't there, or that the command line leaves out, is named in the results. For one that isn't there the run ends with
an error.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.figures import Row, format_rows, write_rows
from bench.machine import describe_host

RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True, slots=True)
class Measured:
    """The rows of all parts, how each part measured its own, and the parts that are not there."""

    rows: list[Row] = field(default_factory=list)
    how: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def measure(parts: Sequence[str]) -> Measured:
    """Measure one part after the other; each has `rows() -> list[Row]`."""
    measured = Measured()
    for name in parts:
        if importlib.util.find_spec(name) is None:
            measured.missing.append(name)
            continue
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        part = importlib.import_module(name)
        measured.rows.extend(part.rows())
        measured.how[name] = str(part.__doc__).strip()
    return measured


def run_parts(prog: str, description: str, parts: Sequence[str], output: Path) -> None:
    """Measure the parts that the command line names, all unless it names some; print the rows and write them."""
    parser = argparse.ArgumentParser(prog=prog, description=description)
    parser.add_argument("--output", type=Path, default=output)
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    arguments = parser.parse_args()
    conditions: dict[str, Any] = describe_host() | {"python": platform.python_version()}
    measured = measure(arguments.only)
    conditions |= {
        "load_average_after": [round(load, 2) for load in os.getloadavg()],
        "missing": [part for part in parts if part not in measured.how],
    }
    words = {row.name: row.words for row in measured.rows}
    write_rows(arguments.output, conditions, measured.rows, {"how": measured.how, "words": words})
    print(format_rows(measured.rows))
    sys.exit(f"{prog}: not there: {', '.join(measured.missing)}" if measured.missing else 0)
