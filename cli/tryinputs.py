"""Gathers what a trial runs on: data of one's own or rows that nobody has, the policy, and the public description."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.errors import InputError
from cli.localruns import list_dataset
from cli.making import make_rows
from cli.trying import OWN_POLICY, Attempt
from policies.canonical import sha256
from provider.croissant import build_croissant
from provider.datasets import hash_files, list_files
from provider.description import Description, parse_description
from provider.errors import DatasetError

if TYPE_CHECKING:
    from cli.context import Session
    from policies.policy import Policy
    from sandbox.bundle import Bundle


@dataclass(frozen=True, slots=True)
class Sources:
    """Where data, policy and description are: files, or a dataset of the chain; `rows` are made where no data is given."""

    data: tuple[Path, ...] = ()
    asset_id: str | None = None
    description: Path | None = None
    policy: Path | None = None
    rows: int = 1000
    seed: int = 0


def gather_attempt(
    session: Session, bundle: Bundle, parameters: Mapping[str, Any], sources: Sources, folder: Path
) -> Attempt:
    """Return what is tried; rows are made in `folder`, which must not exist yet. Asks nobody unless a dataset is named.

    Raises:
        InputError: there is nothing to run on, or it can't be read.
        MalformedError, PolicyError: a file is no description, or no policy.
        MismatchError, UnreachableError: what the dataset's provider gives is not what stands on chain, or isn't given.
    """
    _check(sources)
    described = _find_description(session, sources)
    paths = sources.data
    if not paths and described is not None:
        make_rows(described, folder, rows=sources.rows, seed=sources.seed)
        paths = (folder,)
    ids = [sha256(f"trial {number}".encode()).hex() for number in range(len(paths))]
    if sources.asset_id is not None:
        ids = [sources.asset_id]
    titles = [(described.name, described.description)] if described else [(path.name, "") for path in paths]
    data = tuple(
        list_dataset(*item, *title) for item, title in zip(zip(ids, paths, strict=True), titles, strict=True)
    )
    policy = _find_policy(session, sources)
    return Attempt(bundle, parameters, data, policy, described or _describe(paths))


def _check(sources: Sources) -> None:
    if sources.asset_id is not None and sources.description is not None:
        raise InputError("expected either --asset or --description", code="description-ambiguous")
    named = sources.asset_id is not None or sources.description is not None
    if not sources.data and not named:
        raise InputError(
            "expected something to run on: --data, --asset or --description", code="data-missing"
        )
    if named and len(sources.data) > 1:
        raise InputError("expected --data once, for the one dataset that is named", code="data-ambiguous")


def _find_description(session: Session, sources: Sources) -> Description | None:
    from cli.described import fetch_description, load_description

    if sources.description is not None:
        return load_description(sources.description)
    return fetch_description(session, sources.asset_id) if sources.asset_id is not None else None


def _find_policy(session: Session, sources: Sources) -> Policy:
    from cli.described import fetch_policy
    from cli.governing import read_policy
    from policies.model import parse_policy

    if sources.policy is not None:
        return parse_policy(read_policy(sources.policy).encode())
    return fetch_policy(session, sources.asset_id) if sources.asset_id is not None else OWN_POLICY


def _describe(paths: tuple[Path, ...]) -> Description | None:
    """Describe data as its provider would; None for several datasets, and for what can't be described."""
    from provider.columns import profile_dataset

    if len(paths) != 1:
        return None
    try:
        files = list_files(paths[0])
        data = build_croissant(paths[0].name, "", hash_files(files), profile_dataset(files))
    except DatasetError:
        return None
    return parse_description(data)
