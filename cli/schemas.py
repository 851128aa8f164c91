"""`sealroom dataset schema|schema-draft|synth`: what the columns of a dataset hold, and rows to develop on that nobody has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import Session, SessionCommand, pass_session
from cli.errors import InputError
from cli.ids import ASSET_ID

if TYPE_CHECKING:
    from policies.schema import DatasetSchema
    from provider.description import Description

PATH = click.Path(path_type=Path)
DEFAULT_ROWS = 1000
output_option = click.option("-o", "--output", type=PATH, help="Write to this new file instead.")


def add_commands(group: click.Group) -> None:
    """Add the commands of this module to the dataset group."""
    for command in (schema, schema_draft, synth):
        group.add_command(command)


@click.command(cls=SessionCommand)
@click.argument("asset_id", type=ASSET_ID)
@output_option
@pass_session
def schema(session: Session, asset_id: str, output: Path | None) -> None:
    """Print the schema that a dataset's owner published, checked against the digest on chain."""
    from cli.described import fetch_schema

    found = fetch_schema(session, asset_id)
    document = _document(found)
    _tell(session, {"asset_id": asset_id, "schema": document}, _yaml(document), output)


@click.command("schema-draft", cls=SessionCommand)
@click.argument("path", metavar="FILE|FOLDER", type=PATH)
@output_option
@pass_session
def schema_draft(session: Session, path: Path, output: Path | None) -> None:
    """Write a draft of a schema for your data: names and kinds, with gaps for the bounds, which only you know.

    Bounds and categories are never computed from the data: a smallest value is some patient's.
    """
    from cli.schemadraft import draft_schema
    from provider.columns import profile_dataset
    from provider.datasets import list_files
    from provider.errors import DatasetError

    try:
        tables = profile_dataset(list_files(path)).tables
    except DatasetError as exc:
        raise InputError(f"{path}: {exc}", code=exc.code, remedy=exc.remedy) from exc
    if not tables:
        raise InputError(f"{path}: expected a CSV or Parquet file, got none", code="dataset-format")
    text = draft_schema(tables[0].columns)
    _tell(session, {"draft": text}, text, output)


@click.command(cls=SessionCommand)
@click.argument("asset_id", type=ASSET_ID, required=False)
@click.option("--description", type=PATH, help="The dataset's description as a file: nobody is asked.")
@click.option(
    "--rows", type=click.IntRange(1), default=DEFAULT_ROWS, show_default=True, help="Of all tables together."
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**64 - 1),
    default=0,
    show_default=True,
    help="The same seed gives the same rows.",
)
@click.option("-o", "--output", type=PATH, required=True, help="A new folder.")
@pass_session
def synth(
    session: Session, asset_id: str | None, *, description: Path | None, rows: int, seed: int, output: Path
) -> None:
    """Make rows to develop on: the dataset's files, formats and columns, and values that its schema allows.

    They are drawn from the schema alone: free, known to everybody, and of no meaning.
    """
    from cli.making import make_rows

    described = _describe(session, asset_id, description)
    make_rows(described, output, rows=rows, seed=seed)
    document = {
        "folder": str(output),
        "rows": rows,
        "seed": seed,
        "files": [file.name for file in described.files],
    }
    session.output.data(document, lambda: f"{rows} rows that nobody has are in {output}")


def _describe(session: Session, asset_id: str | None, path: Path | None) -> Description:
    from cli.described import fetch_description, load_description

    if (asset_id is None) == (path is None):
        raise InputError(
            "expected either a dataset's id or --description",
            code="description-missing",
            remedy="give one of them",
        )
    return load_description(path) if path is not None else fetch_description(session, asset_id or "")


def _document(found: DatasetSchema) -> dict[str, Any]:
    return {"version": found.version, **found.model_dump(mode="json", exclude_defaults=True)}


def _yaml(document: dict[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)


def _tell(session: Session, document: dict[str, Any], text: str, output: Path | None) -> None:
    """Print, or write to a new file, which nobody's own words are lost in."""
    from cli.home import write_file
    from cli.output import plain

    if output is None:
        session.output.data(document, lambda: "\n".join(map(plain, text.splitlines())))
        return
    if output.exists():
        raise InputError(f"{output} is there already", code="target-exists", remedy="choose another file")
    write_file(output, text.encode(), mode=0o644)
    session.output.data({**document, "file": str(output)}, lambda: f"written to {output}")
