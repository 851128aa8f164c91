"""Reads one dataset's public documents, its description with the schema in it and its policy, held against the digests on chain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import CliError, InputError, MismatchError, UnreachableError
from cli.home import read_file
from provider.description import MAX_BYTES, Description, parse_description

if TYPE_CHECKING:
    from cli.context import Session
    from cli.descriptions import Kind
    from cli.discovery import Entry
    from policies.model import Policy
    from policies.schema import DatasetSchema


def fetch_description(session: Session, asset_id: str) -> Description:
    """Return the description that a dataset has on chain, from its provider.

    Raises:
        InputError: the registry has no such asset.
        MismatchError: the provider's is another, or none.
        UnreachableError: the provider doesn't give it.
    """
    from cli.descriptions import Kind

    entry = _find(session, asset_id, Kind.METADATA)
    if entry.description is None:
        raise _missing(entry, Kind.METADATA)
    return entry.description


def fetch_policy(session: Session, asset_id: str) -> Policy:
    """Return the policy that a dataset has on chain, from its provider.

    Raises:
        InputError, MismatchError, UnreachableError: see `fetch_description`.
    """
    from cli.descriptions import Kind

    entry = _find(session, asset_id, Kind.POLICY)
    if entry.policy is None:
        raise _missing(entry, Kind.POLICY)
    return entry.policy


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


def _find(session: Session, asset_id: str, kind: Kind) -> Entry:
    from cli.datasets import get_asset
    from cli.discovery import discover

    (entry,) = discover(session, [get_asset(session, asset_id)], kinds=[kind]).entries
    return entry


def _missing(entry: Entry, kind: Kind) -> CliError:
    from cli.descriptions import Flaw
    from cli.entries import FLAWS, NAMES

    flaw, what = entry.flaws[kind], f"dataset {entry.asset.asset_id}: its {NAMES[kind]}"
    if flaw in {Flaw.DIFFERS, Flaw.UNREADABLE}:
        return MismatchError(f"{what} {FLAWS[flaw]}", remedy="ask its provider to explain")
    problem = f"; its provider {entry.provider.problem}" if entry.provider.problem else ""
    return UnreachableError(f"{what} {FLAWS[flaw]}{problem}", code="description-unreachable")
