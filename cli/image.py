"""`sealroom image`: which images the engine holds, by digest, and whether a job can be sealed in them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from cli.context import Session, SessionGroup, pass_session
from cli.errors import ExitCode
from cli.ids import DIGEST
from cli.output import fields, table

if TYPE_CHECKING:
    from cli.images import Workshop
    from sandbox.images import ImageFacts

MEGABYTE = 1_000_000
SHORT = len("sha256:") + 12


@click.group(cls=SessionGroup)
def image() -> None:
    """List, add and verify the images that algorithms run in; nothing is ever pulled."""


@image.command("list")
@click.option("--quick", is_flag=True, help="Don't try each image out.")
@pass_session
def list_(session: Session, *, quick: bool) -> None:
    """List the engine's images by digest, on which runtimes each can be sealed, and which policies allow it."""
    from cli.images import Workshop, allowed_by, find_allowances

    allowances = find_allowances(session)
    with Workshop() as workshop:
        rows = [_row(workshop, facts, quick=quick) for facts in workshop.store.list_images()]
    if allowances is not None:
        for row in rows:
            row["allowed_by"] = allowed_by(allowances, row["digest"])
    session.output.data({"images": rows}, lambda: _table(rows))


def _row(workshop: Workshop, facts: ImageFacts, *, quick: bool) -> dict[str, Any]:
    from cli.images import describe_image, describe_trials, say_ready

    row = describe_image(facts)
    if not quick:
        trials = workshop.try_image(facts.digest)
        row |= {"ready": say_ready(trials), "trials": describe_trials(trials)}
    return row


def _table(rows: list[dict[str, Any]]) -> str:
    columns: dict[str, Callable[[dict[str, Any]], object]] = {
        "IMAGE": lambda row: row["digest"],
        "NAMES": lambda row: " ".join(row["names"]) or "-",
        "MB": lambda row: row["size_bytes"] // MEGABYTE,
        "CREATED": lambda row: datetime.fromtimestamp(row["created"], UTC).date(),
        "TREE": lambda row: (row["tree"] or "-")[:SHORT],
    }
    if any("ready" in row for row in rows):
        columns["READY ON"] = lambda row: row["ready"]
    if any("allowed_by" in row for row in rows):
        columns["ALLOWED BY"] = lambda row: f"{len(row['allowed_by'])} datasets"
    lines = [[read(row) for read in columns.values()] for row in rows]
    return table(
        list(columns), lines, empty="no images: run deploy/image/build.sh, or `sealroom image add FILE`"
    )


@image.command("add")
@click.argument("source", metavar="ARCHIVE|NAME")
@pass_session
def add(session: Session, source: str) -> ExitCode:
    """Load an image archive (made by `docker save`), or take a local image by its name, and try it out sealed.

    Prints the digest that algorithm.yaml and policies name. Exits 4 when no job could be sealed in it.
    """
    from cli.images import Workshop, describe_trials, say_ready

    with Workshop() as workshop:
        tried = {digest: workshop.try_image(digest) for digest in workshop.take(source)}
    added = [
        {"digest": digest, "ready": say_ready(trials), "trials": describe_trials(trials)}
        for digest, trials in tried.items()
    ]
    usable = all(any(trial.passed for trial in trials) for trials in tried.values())
    if not usable:
        session.output.say("error: no job can be sealed in this image")
        session.output.say("  try: an image with Python 3.9 or newer as python3 on PATH; see docs/images.md")
    session.output.data({"images": added}, lambda: "\n".join(_added(item) for item in added))
    return ExitCode.OK if usable else ExitCode.VERIFICATION


def _added(item: dict[str, Any]) -> str:
    named = {"algorithm.yaml": f"image: {item['digest']}", "policy": f"images: [{item['digest']}]"}
    return fields({"image": item["digest"], "ready on": item["ready"], **named})


@image.command("verify")
@click.argument("digest", type=DIGEST)
@click.option(
    "--tree", type=DIGEST, help="The digest that its file tree must have (default: the image's label)."
)
@pass_session
def verify(session: Session, digest: str, *, tree: str | None) -> ExitCode:
    """Compute the digest of an image's file tree anew, compare it, and try the image out sealed on every runtime.

    Exits 4 when the tree is another one, when there is nothing to compare it with, or when a trial failed.
    """
    from cli.images import Workshop, describe_trials
    from sandbox.images import LABEL_TREE

    with Workshop() as workshop:
        labelled = workshop.engine.image_labels(digest).get(LABEL_TREE)
        found = workshop.store.digest_tree(digest)
        trials = workshop.try_image(digest)
    expected = tree or labelled
    problems = _tree_problems(found, expected)
    problems += [f"{trial.runtime.value}: {trial.problem}" for trial in trials if not trial.passed]
    document = {"digest": digest, "tree": found, "expected": expected, "verified": not problems}
    for problem in problems:
        session.output.say(f"error: {problem}")
    if problems:
        session.output.say(
            "  try: build or load the image again, and compare with a tree digest that you trust"
        )
    facts = {**document, "trials": [f"{trial.runtime.value} {trial.problem or 'passed'}" for trial in trials]}
    session.output.data(
        {**document, "problems": problems, "trials": describe_trials(trials)}, lambda: fields(facts)
    )
    return ExitCode.VERIFICATION if problems else ExitCode.OK


def _tree_problems(found: str, expected: str | None) -> list[str]:
    if expected is None:
        return ["the image claims no tree digest, and --tree gave none to compare with"]
    return [] if found == expected else [f"file tree: expected {expected}, got {found}"]
