"""Makes the files of a dataset that nobody has, from its description: for people to look at, and for jobs to be tried on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cli.described import get_schema

if TYPE_CHECKING:
    from provider.description import Description


def make_rows(description: Description, folder: Path, *, rows: int, seed: int) -> None:
    """Write `rows` rows drawn from the schema alone into a new folder, laid out as the description tells.

    Raises:
        InputError: there is no schema, the description contradicts itself, or the folder is there already.
    """
    from cli.synthetic import draw_rows
    from cli.tablewriting import check_layout, write_tables

    schema = get_schema(description)
    check_layout(description, schema, rows)
    write_tables(description, schema, draw_rows(schema, rows, seed=seed), folder)
