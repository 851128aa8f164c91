"""`make bench-receipts`: what it takes to verify a receipt, to audit a log and to keep one. Prints a table, writes it as JSON.

Each module in PARTS measures some rows in one run of its own and says how in its first lines. A part that isn't there is named
in the results, and the run then ends with an error.
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

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("bench.receipts_verify", "bench.receipts_log", "bench.receipts_audit")
"""Each has `rows() -> list[Row]`."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The rows of all parts, how each part measured its own, and the parts that are not there."""

    rows: list[Row] = field(default_factory=list)
    how: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def measure(parts: Sequence[str]) -> Measured:
    """Measure one part after the other."""
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


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="bench-receipts", description="Measure receipts.")
    parser.add_argument("--output", type=Path, default=ROOT / "bench" / "results" / "receipts.json")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    arguments = parser.parse_args()
    conditions: dict[str, Any] = describe_host() | {"python": platform.python_version()}
    measured = measure(arguments.only)
    conditions |= {
        "load_average_after": [round(load, 2) for load in os.getloadavg()],
        "missing": measured.missing,
    }
    words = {row.name: row.words for row in measured.rows}
    write_rows(arguments.output, conditions, measured.rows, {"how": measured.how, "words": words})
    print(format_rows(measured.rows))
    sys.exit(f"bench-receipts: not there: {', '.join(measured.missing)}" if measured.missing else 0)


if __name__ == "__main__":
    main()
