"""Algorithm bundles between a folder, a digest and the provider; what the provider shows is checked to have the digest."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import InputError, MismatchError
from cli.home import write_file
from cli.ids import is_digest
from provider.wire import AlgorithmUploadBody, AlgorithmView
from sandbox.bundle import Bundle, load_bundle, parse_bundle

if TYPE_CHECKING:
    from cli.context import Session


def pack_bundle(folder: Path, *, image: str | None) -> Bundle:
    """Read a bundle folder and compute its digest.

    Raises:
        InputError: there is no such folder.
        BundleInvalidError: it is not a bundle.
    """
    if not folder.is_dir():
        raise InputError(f"algorithm: {folder} is not a folder", code="algorithm-missing")
    return load_bundle(folder, image=image)


def write_bundle(bundle: Bundle, target: Path) -> None:
    """Write a bundle's files, exactly those that the digest is of, into a new folder.

    Raises:
        InputError: the folder is there already.
    """
    if target.exists():
        raise InputError(f"{target} is there already", code="target-exists", remedy="choose another folder")
    for path, content in bundle.files.items():
        write_file(target / path, content, mode=0o644)


def upload_bundle(session: Session, bundle: Bundle) -> AlgorithmView:
    """Hand a bundle to the provider; doing it again changes nothing.

    Raises:
        MismatchError: the provider computed another digest.
    """
    body = AlgorithmUploadBody(
        files={path: base64.b64encode(data).decode() for path, data in bundle.files.items()}
    )
    view = session.get_api().act("algorithm.upload", body, AlgorithmView)
    _check_digest(expected=bundle.digest, got=view.algorithm)
    return view


def resolve_algorithm(
    session: Session, text: str, *, base: Path, image: str | None
) -> tuple[str, Bundle | None]:
    """Return the digest that `text` names; a folder (relative to `base`) is packed and uploaded."""
    if is_digest(text):
        return text, None
    bundle = pack_bundle(base / text, image=image)
    upload_bundle(session, bundle)
    return bundle.digest, bundle


def fetch_bundle(session: Session, digest: str) -> Bundle:
    """Return the files that the provider holds for `digest`, checked to have it.

    Raises:
        MismatchError: the files have another digest, so they are not what an approval would be of.
    """
    api = session.get_api()
    view = api.get_model(f"/v1/algorithms/{digest}", AlgorithmView, login=True)
    files = {
        path: api.get_bytes(f"/v1/algorithms/{digest}/files/{path}", login=True)
        for path in sorted(view.files)
    }
    bundle = parse_bundle(files)
    _check_digest(expected=digest, got=bundle.digest)
    return bundle


def _check_digest(*, expected: str, got: str) -> None:
    if expected != got:
        raise MismatchError(
            f"algorithm digest: expected {expected}, the provider's files have {got}",
            remedy="approve and order nothing before the provider explains it",
        )
