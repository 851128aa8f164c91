"""Images between the engine and this home: tried out sealed, and told with the policies that allow them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from cli.descriptions import Kind
from cli.discovery import discover, list_datasets
from cli.errors import InputError
from datatokens.errors import ChainUnreachableError
from sandbox.engine import DockerEngine
from sandbox.images import ImageFacts
from sandbox.imagestore import ImageStore
from sandbox.spec import Runtime
from sandbox.trial import Trial, try_image

if TYPE_CHECKING:
    from cli.context import Session

ANY_IMAGE = "any"


class Workshop:
    """An engine, its images, and a folder for trials. Leaves nothing behind when it is closed."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self.engine = DockerEngine()
        self.store = ImageStore()
        self._open.callback(self.engine.close)
        self._open.callback(self.store.close)
        self._folder = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="sealroom-trial-")))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def try_image(self, image: str, *, runtimes: Iterable[Runtime] | None = None) -> tuple[Trial, ...]:
        """Try an image on every runtime of the engine, or on those named."""
        return try_image(self.engine, image, self._folder, runtimes=runtimes)

    def take(self, source: str) -> tuple[str, ...]:
        """Return the digests of the images in an archive, which is loaded, or of the local image of that name.

        Raises:
            InputError: it is neither. Nothing is pulled.
            ImageInvalidError: the file is no image archive.
        """
        path = Path(source)
        if path.is_file():
            with path.open("rb") as stream:
                return self.store.load_archive(stream)
        digest = self.store.find_digest(source)
        if digest is None:
            raise InputError(
                f"{source[:200]!r} is neither an archive here nor an image that the engine holds; nothing is pulled",
                code="image-missing",
                remedy="save the image where it is with `docker save --output FILE NAME`, and add FILE",
            )
        return (digest,)


def find_allowances(session: Session) -> dict[str, frozenset[str]] | None:
    """Return which images each published policy allows (`any` for all), by asset id; None where no provider answers."""
    if not session.home.settings_file.exists():
        return None
    try:
        assets = list_datasets(session.get_chain(), session.get_provider())
        found = discover(session, [asset for asset in assets if not asset.retired], kinds=[Kind.POLICY])
    except (ChainUnreachableError, InputError):
        return None
    if found.unanswered:
        return None
    return {
        entry.asset.asset_id: frozenset({ANY_IMAGE} if entry.policy.images is None else entry.policy.images)
        for entry in found.entries
        if entry.policy is not None
    }


def allowed_by(allowances: dict[str, frozenset[str]], image: str) -> list[str]:
    """Return the datasets whose policies allow an image."""
    return sorted(asset_id for asset_id, images in allowances.items() if images & {ANY_IMAGE, image})


def describe_image(facts: ImageFacts) -> dict[str, Any]:
    """Return an image as JSON."""
    return {
        "digest": facts.digest,
        "names": list(facts.names),
        "size_bytes": facts.size_bytes,
        "created": facts.created,
        "tree": facts.tree,
    }


def describe_trials(trials: Iterable[Trial]) -> list[dict[str, Any]]:
    """Return what came of an image's trials as JSON."""
    return [
        {"runtime": trial.runtime.value, "passed": trial.passed, "problem": trial.problem} for trial in trials
    ]


def say_ready(trials: Iterable[Trial]) -> str:
    """Return on which runtimes an image can be sealed, or why on none."""
    tried = list(trials)
    passed = [trial.runtime.value for trial in tried if trial.passed]
    problems = [f"{trial.runtime.value}: {trial.problem}" for trial in tried if not trial.passed]
    return "; ".join(([" ".join(passed)] if passed else []) + problems) or "the engine has no runtime"
