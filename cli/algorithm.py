"""`sealroom algorithm`: pack code, ask for its approval, read what one is asked to approve."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import Session, SessionGroup, pass_session
from cli.errors import InputError
from cli.ids import ASSET_ID, DIGEST, PURPOSE
from cli.output import fields, indent, plain

if TYPE_CHECKING:
    from sandbox.bundle import Bundle


@click.group(cls=SessionGroup)
def algorithm() -> None:
    """Pack algorithms, ask for approval, read their code."""


image_option = click.option(
    "--image", type=DIGEST, help="Fill in the word IMAGE in algorithm.yaml: the image's id."
)


def _document(bundle: Bundle) -> dict[str, Any]:
    return {
        "algorithm": bundle.digest,
        "name": bundle.manifest.name,
        "version": bundle.manifest.version,
        "image": bundle.manifest.image,
        "files": {path: len(content) for path, content in bundle.files.items()},
        "outputs": bundle.manifest.outputs.model_dump(mode="json"),
    }


def _words(bundle: Bundle) -> str:
    heading = {"algorithm": bundle.digest, "name": bundle.manifest.name, "version": bundle.manifest.version}
    sizes = {path: f"{len(content)} bytes" for path, content in bundle.files.items()}
    return fields({**heading, "image": bundle.manifest.image}) + "\n" + fields(sizes)


@algorithm.command("pack")
@click.argument("folder", type=click.Path(path_type=Path))
@image_option
@click.option("--output", type=click.Path(path_type=Path), help="Write the packed files to this new folder.")
@pass_session
def pack(session: Session, folder: Path, image: str | None, output: Path | None) -> None:
    """Check the bundle in FOLDER and show its digest; nothing is sent."""
    from cli.bundles import pack_bundle, write_bundle

    bundle = pack_bundle(folder, image=image)
    if output is not None:
        write_bundle(bundle, output)
    session.output.data(_document(bundle), lambda: _words(bundle))


@algorithm.command("request")
@click.argument("what", metavar="FOLDER|DIGEST")
@click.option("--dataset", "asset_id", required=True, type=ASSET_ID, help="The dataset's id.")
@click.option("--purpose", required=True, type=PURPOSE, help="What for: a DUO term such as DUO:0000042.")
@click.option("--message", default="", help="A word to the owner.")
@image_option
@pass_session
def request(
    session: Session, what: str, *, asset_id: str, purpose: str, message: str, image: str | None
) -> None:
    """Upload an algorithm and ask the dataset's owner to approve it."""
    from cli.bundles import resolve_algorithm
    from policies.documents import validate_document
    from provider.wire import ApprovalRequestBody, ApprovalView

    digest, _ = resolve_algorithm(session, what, base=Path(), image=image)
    value = {"asset_id": asset_id, "algorithm": digest, "purpose": purpose, "message": message}
    body = validate_document(value, ApprovalRequestBody, document="request")
    view = session.get_api().act("approval.request", body, ApprovalView)
    session.output.data(view.model_dump(mode="json"), lambda: fields(view.model_dump(mode="json")))


@algorithm.command("show")
@click.argument("digest", type=DIGEST)
@click.option("--file", "name", help="Show only this file.")
@pass_session
def show(session: Session, digest: str, name: str | None) -> None:
    """Show an algorithm's code; the files are checked to have DIGEST, which is what an approval is of."""
    from cli.bundles import fetch_bundle

    bundle = fetch_bundle(session, digest)
    if name is not None and name not in bundle.files:
        raise InputError(f"the bundle has no file {name!r}", remedy=f"it has: {', '.join(bundle.files)}")
    chosen = {path: data for path, data in bundle.files.items() if name in (None, path)}
    texts = {path: data.decode(errors="replace") for path, data in chosen.items()}
    code = "\n\n".join(f"--- {plain(path)}\n{indent(text)}" for path, text in texts.items())
    session.output.data({**_document(bundle), "code": texts}, lambda: f"{_words(bundle)}\n\n{code}")
