"""The images of an engine: listed, found, saved and loaded. Pulls nothing, builds nothing and removes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import IO, Any

from sandbox.engine import DockerEngine
from sandbox.errors import ImageInvalidError, ImageMissingError
from sandbox.images import ImageFacts, digest_archive
from sandbox.spec import IMAGE

CALL_TIMEOUT_S = 900
"""How long an engine may be silent while it packs or unpacks an image of several gigabytes."""
NO_NAME = "<none>:<none>"
_LOADED = re.compile(r"Loaded image(?: ID)?: (\S+)")


class ImageStore:
    """What a local engine holds. Every method may raise EngineUnavailableError."""

    def __init__(self, base_url: str | None = None) -> None:
        self._engine = DockerEngine(base_url, call_timeout_s=CALL_TIMEOUT_S)

    def close(self) -> None:
        """Let go of the connection."""
        self._engine.close()

    def list_images(self) -> tuple[ImageFacts, ...]:
        """Return every image that has a name or that nothing else is built on, the newest first."""
        with self._engine.calls() as client:
            found = client.images()
        return tuple(sorted((_facts(image) for image in found), key=lambda image: -image.created))

    def find_digest(self, name: str) -> str | None:
        """Return the digest of a local image by its name, its digest or the beginning of one; None when there is none."""
        try:
            with self._engine.calls(image=name) as client:
                return str(client.inspect_image(name)["Id"])  # type: ignore[no-untyped-call] # the stubs leave it out
        except ImageMissingError:
            return None

    def save_image(self, image: str) -> Iterator[bytes]:
        """Yield the archive of the image with this digest, as `docker save` writes it.

        Raises:
            ImageMissingError: it is not there.
        """
        if not IMAGE.fullmatch(image) or self.find_digest(image) != image:
            raise ImageMissingError(image)
        with self._engine.calls(image=image) as client:
            yield from client.get_image(image)

    def digest_tree(self, image: str) -> str:
        """Return the digest of the file tree of the image with this digest, computed from what the engine holds now.

        Raises:
            ImageMissingError: it is not there.
            ImageInvalidError: the engine's archive of it can't be read.
        """
        return digest_archive(self.save_image(image))

    def load_archive(self, stream: IO[bytes]) -> tuple[str, ...]:
        """Load an archive that `docker save` wrote, and return the digests of the images in it.

        Raises:
            ImageInvalidError: it is not such an archive, or holds no image.
        """
        names: list[str] = []
        with self._engine.calls() as client:
            for line in client.load_image(stream):  # type: ignore[no-untyped-call] # the stubs leave it out
                names += _loaded(line)
        digests = [self.find_digest(name) for name in names]
        found = tuple(dict.fromkeys(digest for digest in digests if digest is not None))
        if not found:
            raise ImageInvalidError("the archive holds no image: make it with `docker save`")
        return found


def _loaded(line: Mapping[str, Any]) -> list[str]:
    """Return the images that one line of the engine's answer names."""
    if "error" in line:
        raise ImageInvalidError("the engine can't load this archive: make it with `docker save`")
    return _LOADED.findall(str(line.get("stream", "")))


def _facts(image: Mapping[str, Any]) -> ImageFacts:
    names = tuple(sorted(set(image.get("RepoTags") or ()) - {NO_NAME}))
    return ImageFacts(
        digest=str(image["Id"]),
        names=names,
        size_bytes=int(image["Size"]),
        created=int(image["Created"]),
        labels=dict(image.get("Labels") or {}),
    )
