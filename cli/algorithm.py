"""`sealroom algorithm`: pack code, ask for its approval, read what one is asked to approve."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import Session, SessionGroup, pass_session
from cli.errors import InputError
from cli.home import read_file
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
        "kind": bundle.manifest.kind,
        "outputs": bundle.manifest.outputs.model_dump(mode="json"),
    }


def _words(bundle: Bundle) -> str:
    from cli.recipewords import describe_recipe

    heading = {"algorithm": bundle.digest, "name": bundle.manifest.name, "version": bundle.manifest.version}
    sizes = {path: f"{len(content)} bytes" for path, content in bundle.files.items()}
    words = fields({**heading, "image": bundle.manifest.image}) + "\n" + fields(sizes)
    recipe = bundle.manifest.recipe
    return words if recipe is None else words + "\n" + describe_recipe(recipe)


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


@algorithm.command("recipe")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--dataset", "asset_id", type=ASSET_ID, help="Take bounds and categories from this dataset's schema."
)
@click.option("--schema", type=click.Path(path_type=Path), help="Take them from a schema file instead.")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="A new folder for the bundle.")
@image_option
@pass_session
def recipe(
    session: Session,
    file: Path,
    *,
    asset_id: str | None,
    schema: Path | None,
    output: Path,
    image: str | None,
) -> None:
    """Make the bundle of a recipe from FILE, which names columns: what they can hold is the dataset's schema.

    A recipe is training without code: features, target, layers and privacy, run by the provider's own trainer.
    """
    from cli.bundles import write_bundle
    from cli.recipes import MAX_DRAFT_BYTES, fill_recipe, read_schema

    found = read_schema(session, asset_id, schema)
    draft = read_file(file, what="recipe", max_bytes=MAX_DRAFT_BYTES)
    bundle = fill_recipe(draft, found, image=image)
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
