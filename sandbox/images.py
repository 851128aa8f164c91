"""Images as an engine tells of them, and the digest of an image's file tree out of the archive that an engine saves.

Pure over a stream of bytes. Not checked here: whether the archive's image has the id that was asked for; the engine's
id is a digest over its configuration and its layers already, and the engine checks it when an image is loaded.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, cast

from sandbox.errors import ImageInvalidError
from sandbox.filetree import BUFFER_BYTES, CHUNK_BYTES, Layer, clean_path, digest_tree, flatten, read_layer

LABEL_TREE = "org.sealroom.tree"
MANIFEST = "manifest.json"
MAX_LAYERS = 512
MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
_LAYER = re.compile(r".+/layer\.tar|blobs/sha256/[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """An image that an engine holds: its id (`sha256:…`), the names it goes by here, and its own labels.

    `created` is a Unix time, as the image claims it.
    """

    digest: str
    names: tuple[str, ...]
    size_bytes: int
    created: int
    labels: Mapping[str, str]

    @property
    def tree(self) -> str | None:
        """The digest of the file tree that the image's label claims."""
        return self.labels.get(LABEL_TREE)


class Chunks:
    """Chunks of bytes as the file that tarfile reads. A chunk is cut without copying what is left of it."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks: Iterator[bytes] = iter(chunks)
        self._rest = memoryview(b"")

    def read(self, size: int) -> bytes:
        """Return `size` bytes, fewer only at the end."""
        parts: list[memoryview] = []
        wanted = size
        while wanted > 0:
            if not self._rest:
                chunk = next(self._chunks, None)
                if chunk is None:
                    break
                self._rest = memoryview(chunk)
            parts.append(self._rest[:wanted])
            self._rest = self._rest[wanted:]
            wanted -= len(parts[-1])
        return b"".join(parts)


def digest_archive(chunks: Iterable[bytes]) -> str:
    """Return the digest of the file tree of the one image in an archive, in one pass.

    The archive is what `docker save` writes, in its older form (a folder for each layer) or its newer one (OCI blobs).

    Raises:
        ImageInvalidError: it is not such an archive, or not of exactly one image.
    """
    layers: dict[str, Layer] = {}
    aliases: dict[str, str] = {}
    manifest: object = None
    try:
        with tarfile.open(
            fileobj=cast("IO[bytes]", Chunks(chunks)), mode="r|", bufsize=BUFFER_BYTES
        ) as archive:
            for member in archive:
                name = clean_path(member.name)
                if member.issym() or member.islnk():
                    aliases[name] = _target(name, member)
                elif name == MANIFEST:
                    manifest = _read_document(archive, member)
                elif member.isfile() and _LAYER.fullmatch(name):
                    layers |= _read_blob(archive, member, name)
    except (tarfile.TarError, EOFError, OSError) as exc:
        raise ImageInvalidError("expected an archive as `docker save` writes it, got something else") from exc
    names = [aliases.get(name, name) for name in _layer_names(manifest)]
    absent = [name for name in names if name not in layers]
    if absent:
        raise ImageInvalidError(f"the archive lacks the layer {absent[0][:100]!r}")
    return digest_tree(flatten(layers[name] for name in names))


def _target(name: str, member: tarfile.TarInfo) -> str:
    """Return what a link stands for: one layer that is used twice is saved once."""
    if member.islnk():
        return clean_path(member.linkname)
    parts = name.split("/")[:-1]
    for part in member.linkname.split("/"):
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)


def _read_blob(archive: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> dict[str, Layer]:
    """Read a layer; a blob that is a document and no layer yields nothing."""
    stream = archive.extractfile(member)
    first = stream.read(1) if stream is not None else b""
    if stream is None or first in {b"", b"{", b"["}:
        return {}
    rest = iter(lambda: stream.read(CHUNK_BYTES), b"")
    return {name: read_layer(cast("IO[bytes]", Chunks(_prepend(first, rest))))}


def _prepend(first: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _read_document(archive: tarfile.TarFile, member: tarfile.TarInfo) -> object:
    stream = archive.extractfile(member)
    if stream is None or member.size > MAX_DOCUMENT_BYTES:
        raise ImageInvalidError(f"{MANIFEST} is not a plain file of at most {MAX_DOCUMENT_BYTES} bytes")
    try:
        return json.loads(stream.read())
    except (ValueError, RecursionError) as exc:
        raise ImageInvalidError(f"{MANIFEST} is not JSON") from exc


def _layer_names(manifest: object) -> list[str]:
    """Return the layers of the archive's one image, the lowest first."""
    match manifest:
        case [{"Layers": [*names]}] if len(names) <= MAX_LAYERS and all(isinstance(n, str) for n in names):
            return [clean_path(name) for name in names]
        case _:
            raise ImageInvalidError(f"{MANIFEST} doesn't describe exactly one image")
