"""How a command speaks: data on stdout, talk on stderr; one JSON document with `--json`, words and tables without.

Text that came from others loses its control characters before a terminal sees it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from cli.errors import Problem

if TYPE_CHECKING:
    from datatokens.model import TxResult

Document = Mapping[str, Any]


def plain(text: object) -> str:
    """Return `text` without control characters (line ends become spaces), safe on a terminal."""
    joined = " ".join(str(text).splitlines())
    return "".join(letter if letter.isprintable() else "�" for letter in joined)


def json_text(document: Document) -> str:
    """Return `document` as JSON in which control characters are escaped, safe on a terminal."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return "".join(
        letter if letter.isprintable() or letter == "\n" else json.dumps(letter)[1:-1] for letter in text
    )


@dataclass(slots=True)
class Output:
    """The two streams of one command."""

    json: bool = False

    def say(self, text: str) -> None:
        """Tell the person something that is not data; above the live view, when there is one."""
        sys.stderr.write(f"{text}\n")  # what the live view puts in place of stderr, click.echo would pass by
        sys.stderr.flush()

    def data(self, document: Document, human: Callable[[], str]) -> None:
        """Print the data of the command: `document` with `--json`, else what `human` makes of it."""
        click.echo(json_text(document) if self.json else human())

    def problem(self, problem: Problem) -> None:
        """Print an error: a line for the person, and with `--json` the document in place of the data."""
        if self.json:
            click.echo(json_text(problem.to_json()))
        self.say(f"error: {plain(problem.message)}")
        if problem.remedy:
            self.say(f"  try: {plain(problem.remedy)}")


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str = "nothing") -> str:
    """Lay rows out under their columns; `empty` is said when there are none."""
    if not rows:
        return empty
    cells = [[plain(cell) for cell in row] for row in rows]
    widths = [max(len(title), *(len(row[i]) for row in cells)) for i, title in enumerate(columns)]
    lines = [list(columns), *cells]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def fields(pairs: Mapping[str, object]) -> str:
    """Lay out names and values, one a line."""
    width = max((len(name) for name in pairs), default=0)
    return "\n".join(
        f"{name.ljust(width)}  {plain('-' if value is None else value)}" for name, value in pairs.items()
    )


def indent(text: str) -> str:
    """Set the lines of somebody's text in by two, safe on a terminal."""
    return "\n".join("  " + plain(line) for line in text.splitlines())


def is_terminal() -> bool:
    """Tell whether talk goes to a terminal that can be redrawn."""
    return sys.stderr.isatty()


def say_transaction(output: Output, result: TxResult, facts: Document) -> None:
    """Print what a transaction did."""
    document = {**facts, "transaction": result.tx_hash, "gas_used": result.gas_used}
    output.data(document, lambda: fields(document))
