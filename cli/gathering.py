"""Gathers what a job is repeated from: receipt, bundle and descriptions, from files or from the provider.

What comes from the provider is held to the receipt's digests like anything else. Data is never fetched and never sent.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.bundles import fetch_bundle, pack_bundle
from cli.errors import InputError, MismatchError
from cli.home import read_file
from cli.ids import is_job_id
from cli.repetition import RepeatedFile, find_repeatable
from cli.replaying import Materials
from cli.verifying import parse_claims, read_receipt
from policies.canonical import DIGEST_PREFIX, digest_of
from provider.description import MAX_BYTES, Description, parse_description
from provider.receipts.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cli.context import Session
    from provider.receipts.facts import InputsFacts
    from sandbox.bundle import Bundle


@dataclass(frozen=True, slots=True)
class Sources:
    """Where everything is: `job` is a receipt file, or the id of a job of the provider, which is asked for what is None."""

    job: str
    data: tuple[Path, ...]
    bundle: Path | None
    descriptions: tuple[Path, ...]


def gather(session: Session, sources: Sources) -> Materials:
    """Return what a job is repeated from. Not checked here: bundle and data against the receipt; `replay` does that.

    Raises:
        InputError: a file can't be read, or the job can't be repeated.
        MismatchError: the provider's files or the descriptions are not what the receipt names.
        MalformedError, StatementRefusedError: it is no receipt, or no description.
    """
    path = Path(sources.job)
    statement = read_receipt(path)[1] if path.exists() else _fetch_statement(session, sources.job)
    job = find_repeatable(statement.facts)
    bundle = _get_bundle(session, sources.bundle, job.facts.inputs)
    descriptions = _get_descriptions(session, sources, job.facts.inputs, ask=not path.exists())
    return Materials(job, bundle, sources.data, descriptions)


def check_released(materials: Materials, folder: Path) -> None:
    """Check that the released files in a folder are those of the receipt.

    Raises:
        InputError: one is missing.
        MismatchError: one is another.
    """
    declared = materials.bundle.manifest.outputs.files
    for item in materials.job.facts.outputs:
        if item.released_digest is not None and item.name in declared:
            found = _hash_file(folder / item.name)
            if found != item.released_digest:
                raise MismatchError(
                    f"{item.name}: the receipt has {item.released_digest}, the file in {folder} has {found}",
                    code="released-differs",
                    remedy="give the folder that `sealroom job fetch` wrote",
                )


def check_new(folder: Path) -> None:
    """Check that a folder can be made.

    Raises:
        InputError: it is there already.
    """
    if folder.exists():
        raise InputError(f"{folder} is there already", code="target-exists", remedy="choose another folder")


def keep(files: Iterable[RepeatedFile], folder: Path) -> None:
    """Copy what the gate let out of the repetition into a new folder; nothing when it let nothing out."""
    for file in files:
        if file.file is not None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copyfile(file.file.path, folder / file.name)


def _fetch_statement(session: Session, job_id: str) -> Statement:
    if not is_job_id(job_id):
        raise InputError(f"{job_id[:80]!r} is neither a receipt file nor a job id", code="receipt-missing")
    _, statement = parse_claims(session.get_api().get_bytes(f"/v1/jobs/{job_id}/receipt"))
    if statement.facts.job.id != job_id:
        raise MismatchError(f"receipt: expected one for job {job_id}, got one for another job")
    return statement


def _get_bundle(session: Session, folder: Path | None, inputs: InputsFacts) -> Bundle:
    if folder is not None:
        return pack_bundle(folder, image=inputs.image)
    return fetch_bundle(session, inputs.algorithm)


def _get_descriptions(
    session: Session, sources: Sources, inputs: InputsFacts, *, ask: bool
) -> tuple[Description, ...]:
    """Return the description of each dataset, which the algorithm can read in part.

    None when none are given and there is nobody to ask, or the provider has others by now.
    """
    datasets = inputs.datasets
    documents = [read_file(path, what="description", max_bytes=MAX_BYTES) for path in sources.descriptions]
    if not documents and ask:
        api = session.get_api()
        documents = [api.get_bytes(f"/v1/datasets/{item.asset_id}/metadata") for item in datasets]
    if [digest_of(data) for data in documents] == [item.metadata_digest for item in datasets]:
        return tuple(parse_description(data) for data in documents)
    if sources.descriptions:
        raise MismatchError(
            "description: expected that of each dataset of the receipt, in its order, got another",
            code="description-differs",
            remedy="give none, or what GET /v1/datasets/<asset id>/metadata answered when the job ran",
        )
    return ()


def _hash_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return DIGEST_PREFIX + hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise InputError(f"released: {path} can't be read: {exc.strerror}", code="file-unreadable") from exc
