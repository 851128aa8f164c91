"""Reads one dataset's public description and the schema in it, held against the digest on chain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import CliError, InputError, MismatchError, UnreachableError
from cli.home import read_file
from provider.description import MAX_BYTES, Description, parse_description

if TYPE_CHECKING:
    from cli.context import Session
    from cli.discovery import Entry
    from policies.schema import DatasetSchema


def fetch_description(session: Session, asset_id: str) -> Description:
    """Return the description that a dataset has on chain, from its provider.

    Raises:
        InputError: the registry has no such asset.
        MismatchError: the provider's is another, or none.
        UnreachableError: the provider doesn't give it.
    """
    from cli.datasets import get_asset
    from cli.descriptions import Kind
    from cli.discovery import discover

    (entry,) = discover(session, [get_asset(session, asset_id)], kinds=[Kind.METADATA]).entries
    if entry.description is None:
        raise _missing(entry)
    return entry.description


def load_description(path: Path) -> Description:
    """Return the description in a file, as it was fetched before; nobody says here that it is the one on chain.

    Raises:
        InputError: it can't be read.
        MalformedError: it is no description.
    """
    return parse_description(read_file(path, what="description", max_bytes=MAX_BYTES))


def get_schema(description: Description) -> DatasetSchema:
    """Return the schema that a description carries.

    Raises:
        InputError: it carries none.
    """
    if description.table_schema is None:
        raise InputError(
            f"the owner of {description.name!r} has published no schema of its columns",
            code="schema-missing",
            remedy="ask the owner to register the dataset with --schema",
        )
    return description.table_schema


def fetch_schema(session: Session, asset_id: str) -> DatasetSchema:
    """Return the schema that stands in a dataset's description on chain.

    Raises:
        InputError: there is no such asset, or its description carries no schema.
        MismatchError, UnreachableError: see `fetch_description`.
    """
    return get_schema(fetch_description(session, asset_id))


def _missing(entry: Entry) -> CliError:
    from cli.descriptions import Flaw, Kind

    flaw, asset_id = entry.flaws[Kind.METADATA], entry.asset.asset_id
    if flaw in {Flaw.DIFFERS, Flaw.UNREADABLE}:
        words = "is not the one on chain" if flaw is Flaw.DIFFERS else "can't be read"
        return MismatchError(f"dataset {asset_id}: the description that its provider gives {words}")
    problem = entry.provider.problem or "does not give the description"
    return UnreachableError(f"dataset {asset_id}: its provider {problem}", code="description-unreachable")
