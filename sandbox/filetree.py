"""The file tree of an image, as entries and as one digest. Pure over streams of tar bytes; writes nothing.

The digest is SHA-256 over `sealroom-tree/1` and the entries in byte order of path; every field ends with a NUL byte. An
entry has eight fields: path without a leading slash, type (`f` file, `d` folder, `l` link, `c` and `b` device, `p`
FIFO), permission bits in octal, user, group, size in bytes, content (a file's SHA-256 in hex, a link's target, a
device's `major:minor`), extended attributes (`name=hex`, sorted, joined by commas). A hard link is the file that it
names. Times, names of users and the root folder itself are left out, so two builds from the same inputs agree.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import IO

from policies.canonical import digest_text
from sandbox.errors import ImageInvalidError

FORMAT = "sealroom-tree/1"
CHUNK_BYTES = 1024 * 1024
BUFFER_BYTES = 256 * 1024
MAX_ENTRIES = 2_000_000
WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
ATTRIBUTE = "SCHILY.xattr."
KINDS = {
    tarfile.REGTYPE: "f",
    tarfile.AREGTYPE: "f",
    tarfile.CONTTYPE: "f",
    tarfile.DIRTYPE: "d",
    tarfile.SYMTYPE: "l",
    tarfile.CHRTYPE: "c",
    tarfile.BLKTYPE: "b",
    tarfile.FIFOTYPE: "p",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a file tree, as the digest covers it."""

    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    content: str
    attributes: str

    def to_bytes(self, path: str) -> bytes:
        """Return the entry's part of what is hashed."""
        facts = (self.kind, f"{self.mode:o}", str(self.uid), str(self.gid), str(self.size))
        parts = (path, *facts, self.content, self.attributes)
        return b"".join(_encode(part) + b"\0" for part in parts)


@dataclass(frozen=True, slots=True)
class Layer:
    """What one layer adds (hard links apart, by their target), which paths it removes, and which folders it empties."""

    entries: dict[str, Entry] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    emptied: set[str] = field(default_factory=set)


def digest_tree(entries: Mapping[str, Entry]) -> str:
    """Return the digest of a file tree, `sha256:…`."""
    total = hashlib.sha256(_encode(FORMAT) + b"\0")
    for path in sorted(entries, key=_encode):
        total.update(entries[path].to_bytes(path))
    return digest_text(total.digest())


def read_layer(stream: IO[bytes]) -> Layer:
    """Read one layer, or a whole tree, from a tar that may be compressed.

    Raises:
        ImageInvalidError: it is not a whole tar, or has too many entries.
    """
    layer = Layer()
    try:
        with tarfile.open(fileobj=stream, mode="r|*", bufsize=BUFFER_BYTES) as archive:
            for count, member in enumerate(archive):
                if count >= MAX_ENTRIES:
                    raise ImageInvalidError(f"a layer has more than {MAX_ENTRIES} entries")
                _add(layer, archive, member)
    except (tarfile.TarError, EOFError, OSError) as exc:
        raise ImageInvalidError("a layer is not a whole tar archive") from exc
    return layer


def flatten(layers: Iterable[Layer]) -> dict[str, Entry]:
    """Lay layers over each other, the lowest first, as an engine does.

    Raises:
        ImageInvalidError: a hard link names a file that is not there.
    """
    tree: dict[str, Entry] = {}
    for layer in layers:
        for path in _gone(tree, layer):
            del tree[path]
        tree.update(layer.entries)
        for path, target in layer.links.items():
            if target not in tree:
                raise ImageInvalidError(f"a hard link names {target[:100]!r}, which is not there")
            tree[path] = tree[target]
    return tree


def clean_path(name: str) -> str:
    """Return a member's name without a leading `./` or slash and without a slash at its end."""
    return "/".join(part for part in name.split("/") if part not in {"", "."})


def _add(layer: Layer, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
    path = clean_path(member.name)
    folder, _, name = path.rpartition("/")
    if not path:
        return
    if name == OPAQUE:
        layer.emptied.add(folder)
    elif name.startswith(WHITEOUT):
        layer.removed.add(f"{folder}/{name.removeprefix(WHITEOUT)}".removeprefix("/"))
    elif member.islnk():
        layer.links[path] = clean_path(member.linkname)
    else:
        layer.entries[path] = _read_entry(archive, member)


def _read_entry(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    if member.type not in KINDS:
        raise ImageInvalidError(f"{member.name[:100]!r} is neither a file, a folder, a link nor a device")
    found = sorted((key, value) for key, value in member.pax_headers.items() if key.startswith(ATTRIBUTE))
    attributes = ",".join(f"{key.removeprefix(ATTRIBUTE)}={_encode(value).hex()}" for key, value in found)
    kind = KINDS[member.type]
    return Entry(
        kind=kind,
        mode=member.mode & 0o7777,
        uid=member.uid,
        gid=member.gid,
        size=member.size if kind == "f" else 0,
        content=_read_content(archive, member),
        attributes=attributes,
    )


def _read_content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    if member.issym():
        return member.linkname
    if member.isdev() and not member.isfifo():
        return f"{member.devmajor}:{member.devminor}"
    if not member.isfile():
        return ""
    digest = hashlib.sha256()
    stream = archive.extractfile(member)
    while stream is not None and (chunk := stream.read(CHUNK_BYTES)):
        digest.update(chunk)
    return digest.hexdigest()


def _gone(tree: Mapping[str, Entry], layer: Layer) -> list[str]:
    """Return the paths of `tree` that `layer` hides: removed, below an emptied folder, or below what is no folder now."""
    cut = {path for path, entry in layer.entries.items() if entry.kind != "d"} | layer.links.keys()
    if not (cut or layer.removed or layer.emptied):
        return []
    below = cut | layer.removed | layer.emptied
    return [path for path in tree if path in layer.removed or not below.isdisjoint(_ancestors(path))]


def _ancestors(path: str) -> list[str]:
    parts = path.split("/")
    return ["", *("/".join(parts[:depth]) for depth in range(1, len(parts)))]


def _encode(text: str) -> bytes:
    return text.encode(errors="surrogateescape")
