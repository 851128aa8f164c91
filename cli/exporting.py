"""Writes what a receipt says in the forms of others: a Five Safes RO-Crate in a BagIt bag, an SLSA provenance statement.

Verifies nothing of the receipt; artefacts go into a crate only with the digests that the receipt has.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from cli.crates import CrateSource, describe_root, list_entities, list_outputs, list_parts
from cli.errors import InputError, MismatchError
from cli.home import read_file, write_file
from cli.verifying import MAX_PROOF_BYTES, hash_artifacts, read_receipt
from provider.receipts.countersigners import verify_countersignatures
from provider.receipts.envelope import format_receipt
from provider.receipts.modelsigning import PROOF_FILE, RECEIPT_FILE
from provider.receipts.slsa import build_provenance
from provider.receipts.statement import Statement

CRATE_VERSION = "1.2"
FILE_MODE = 0o644


def export_provenance(receipt: Path, output: Path) -> tuple[Path, ...]:
    """Write the unsigned SLSA provenance v1 statement of what left.

    Raises:
        InputError: a file can't be used, or nothing left that a provenance could be of.
        MalformedError, StatementRefusedError: the file is no receipt.
    """
    envelope, statement = read_receipt(receipt)
    if not statement.is_released:
        raise InputError(
            "nothing was released, so there is no artefact to have a provenance",
            code="nothing-released",
            remedy="--format ro-crate tells of any end",
        )
    text = json.dumps(build_provenance(envelope, statement), indent=2, ensure_ascii=False)
    write_file(output, text.encode() + b"\n", mode=FILE_MODE)
    return (output,)


def export_crate(receipt: Path, proof: Path, artifacts: tuple[Path, ...], folder: Path) -> tuple[Path, ...]:
    """Write the bag: `data/` holds the crate with receipt, proof where there is one and artefacts; return every file.

    Raises:
        InputError: a file can't be used, or the folder is there already.
        MismatchError: an artefact isn't what the receipt says was released.
        MalformedError, StatementRefusedError: a file is no receipt.
    """
    envelope, statement = read_receipt(receipt)
    if folder.exists():
        raise InputError(f"{folder} is there already: a crate gets a folder of its own", code="folder-exists")
    _check_artifacts(statement, artifacts)
    files = {RECEIPT_FILE: format_receipt(envelope)}
    if proof.exists():
        files[PROOF_FILE] = read_file(proof, what="proof", max_bytes=MAX_PROOF_BYTES)
    source = CrateSource(
        statement=statement,
        artifacts={path.name: path for path in artifacts},
        countersigned=verify_countersignatures(envelope, statement),
        now=int(time.time()),
    )
    _write_crate(folder / "data", source, files)
    _write_manifests(folder, statement.facts.job.id)
    return tuple(sorted(path for path in folder.rglob("*") if path.is_file()))


def _check_artifacts(statement: Statement, artifacts: tuple[Path, ...]) -> None:
    released = {item.name: item.sha256 for item in statement.subjects} if statement.is_released else {}
    for name, digest in hash_artifacts(artifacts).items():
        if released.get(name) != digest.hex():
            raise MismatchError(f"artefact: {name} is not what the receipt says was released")


def _write_crate(folder: Path, source: CrateSource, files: Mapping[str, bytes]) -> None:
    from rocrate.rocrate import ROCrate

    crate: Any = ROCrate(version=CRATE_VERSION)
    for name, data in files.items():
        crate.add_file(BytesIO(data), name, properties={"name": name})
    for output in list_outputs(source):
        path = source.artifacts.get(output["name"])
        if path is not None:
            said = {"name": output["name"], "sha256": output["sha256"]}
            crate.add_file(path, f"outputs/{output['name']}", properties=said)
    for part in list_parts(source):
        crate.root_dataset.append_to("hasPart", crate.add_jsonld(part))
    for entity in list_entities(source):
        crate.add_jsonld(entity)
    for name, value in describe_root(source).items():
        crate.root_dataset[name] = value
    crate.write(folder)


def _write_manifests(folder: Path, job_id: str) -> None:
    """Write what makes a folder a bag (RFC 8493): its declaration, and manifests of the payload and of these files."""
    identifier = uuid.uuid5(uuid.NAMESPACE_URL, f"urn:sealroom:job:{job_id}")
    payload = sorted(path for path in (folder / "data").rglob("*") if path.is_file())
    tags = {
        "bagit.txt": "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
        "bag-info.txt": f"External-Identifier: {identifier.urn}\n",
        "manifest-sha512.txt": _manifest(folder, payload),
    }
    for name, text in tags.items():
        write_file(folder / name, text.encode(), mode=FILE_MODE)
    tagged = [folder / name for name in tags]
    write_file(folder / "tagmanifest-sha512.txt", _manifest(folder, tagged).encode(), mode=FILE_MODE)


def _manifest(folder: Path, paths: Sequence[Path]) -> str:
    lines = []
    for path in paths:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha512").hexdigest()
        lines.append(f"{digest}  {path.relative_to(folder).as_posix()}\n")
    return "".join(lines)
