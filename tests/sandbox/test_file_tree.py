"""The digest of an image's file tree: what it covers, what it leaves out, and how layers are laid over each other."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.errors import ImageInvalidError
from sandbox.filetree import ATTRIBUTE, digest_tree, flatten, read_layer
from sandbox.images import digest_archive

Member = tuple[tarfile.TarInfo, bytes]


def file(name: str, content: bytes = b"x", **changes: object) -> Member:
    return entry(name, content=content, **changes)


def entry(name: str, *, content: bytes = b"", **changes: object) -> Member:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for key, value in changes.items():
        setattr(member, key, value)
    return member, content


def folder(name: str) -> Member:
    return entry(name, type=tarfile.DIRTYPE, mode=0o755)


def pack(*members: Member) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def digest_of_layers(*layers: bytes) -> str:
    return digest_tree(flatten(read_layer(io.BytesIO(layer)) for layer in layers))


def digest(*members: Member) -> str:
    return digest_of_layers(pack(*members))


def save(*layers: bytes, oci: bool = False, links: Iterable[Member] = ()) -> bytes:
    """Return an archive as `docker save` writes it."""
    names = [f"blobs/sha256/{n:064x}" if oci else f"{n:064x}/layer.tar" for n in range(len(layers))]
    config = "blobs/sha256/" + "c" * 64 if oci else "c" * 64 + ".json"
    manifest = [{"Config": config, "RepoTags": ["a:b"], "Layers": names}]
    parts = [file(name, layer) for name, layer in zip(names, layers, strict=True)]
    return pack(
        *parts, *links, file(config, b'{"os": "linux"}'), file("manifest.json", json.dumps(manifest).encode())
    )


def read(archive: bytes) -> str:
    return digest_archive([archive[start : start + 1000] for start in range(0, len(archive), 1000)])


PLAIN = (folder("etc"), file("etc/passwd", b"root"), entry("bin", type=tarfile.SYMTYPE, linkname="usr/bin"))


@pytest.mark.parametrize(
    "other",
    [
        (folder("etc"), file("etc/passwd", b"toor"), PLAIN[2]),
        (folder("etc"), file("etc/passwd", b"root", mode=0o4755), PLAIN[2]),
        (folder("etc"), file("etc/passwd", b"root", uid=1), PLAIN[2]),
        (folder("etc"), file("etc/passwd", b"root", gid=1), PLAIN[2]),
        (folder("etc"), file("etc/passwd2", b"root"), PLAIN[2]),
        (folder("etc"), PLAIN[1], entry("bin", type=tarfile.SYMTYPE, linkname="bin2")),
        (folder("etc"), PLAIN[1], file("bin", b"usr/bin")),
        (folder("etc"), PLAIN[1], PLAIN[2], folder("more")),
        (folder("etc"), PLAIN[1]),
        (
            folder("etc"),
            file("etc/passwd", b"root", pax_headers={f"{ATTRIBUTE}security.capability": "x"}),
            PLAIN[2],
        ),
    ],
    ids=[
        "a byte of a file",
        "a set-user-id bit",
        "an owner",
        "a group",
        "a name",
        "where a link leads",
        "a link or a file",
        "one folder more",
        "one link fewer",
        "a capability of a file",
    ],
)
def test_another_tree_has_another_digest(other: tuple[Member, ...]) -> None:
    assert digest(*other) != digest(*PLAIN)


def test_order_times_names_of_users_and_ways_to_write_a_path_do_not_count() -> None:
    same = (
        entry("./bin", type=tarfile.SYMTYPE, linkname="usr/bin", mtime=5),
        file("/etc/passwd", b"root", uname="somebody", mtime=1767225600),
        folder("./etc/"),
        folder("./"),
    )
    assert digest(*same) == digest(*PLAIN)


def test_the_digest_is_the_documented_one() -> None:
    content = "4813494d137e1631bba301d5acab6e7bb7aa74ce1185d456565ef51d737677b2"
    fields = ("sealroom-tree/1", "a", "f", "644", "0", "0", "4", content, "")
    text = "".join(field + "\0" for field in fields)
    assert digest(file("a", b"root", mode=0o644)) == "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def test_a_hard_link_is_the_file_that_it_names() -> None:
    link = entry("b", type=tarfile.LNKTYPE, linkname="./a")
    assert digest(file("a"), link) == digest(file("a"), file("b"))


def test_a_hard_link_to_nothing_is_refused() -> None:
    with pytest.raises(ImageInvalidError, match="not there"):
        digest(entry("b", type=tarfile.LNKTYPE, linkname="a"))


@pytest.mark.parametrize(
    ("upper", "result"),
    [
        ([file("d/a", b"new")], [folder("d"), file("d/a", b"new"), file("d/b")]),
        ([file("d/.wh.a", b"")], [folder("d"), file("d/b")]),
        ([file(".wh.d", b"")], []),
        ([file(".wh.d", b""), folder("d")], [folder("d")]),
        ([folder("d"), file("d/.wh..wh..opq", b""), file("d/c")], [folder("d"), file("d/c")]),
        ([file("d", b"now a file")], [file("d", b"now a file")]),
        ([folder("d")], [folder("d"), file("d/a"), file("d/b")]),
        ([file(".wh..wh..opq", b""), file("z")], [file("z")]),
    ],
    ids=[
        "a file replaced",
        "a file removed",
        "a folder removed",
        "a folder removed and made anew",
        "a folder emptied",
        "a folder that became a file",
        "a folder told again",
        "everything emptied",
    ],
)
def test_layers_are_laid_over_each_other_as_an_engine_does(upper: list[Member], result: list[Member]) -> None:
    lower = pack(folder("d"), file("d/a"), file("d/b"))
    assert digest_of_layers(lower, pack(*upper)) == digest(*result)


@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=3), st.binary(max_size=5), max_size=6), st.randoms()
)
def test_the_same_tree_in_any_number_of_layers_has_one_digest(tree: dict[str, bytes], random: object) -> None:
    members = [file(name, content) for name, content in tree.items()]
    random.shuffle(members)  # type: ignore[attr-defined] # Hypothesis's Random
    assert digest_of_layers(*(pack(member) for member in members)) == digest(*members)


@pytest.mark.parametrize("oci", [False, True], ids=["the older form", "OCI blobs"])
def test_an_archive_has_the_digest_of_its_layers(oci: bool) -> None:  # noqa: FBT001 - pytest's
    layers = (pack(*PLAIN), pack(file("etc/.wh.passwd", b""), file("new")))
    assert read(save(*layers, oci=oci)) == digest_of_layers(*layers)


def test_compressed_layers_count_as_what_they_hold() -> None:
    layer = pack(*PLAIN)
    assert read(save(gzip.compress(layer), oci=True)) == digest_of_layers(layer)


def test_a_layer_saved_as_a_link_to_another_is_that_layer() -> None:
    layer = pack(*PLAIN)
    manifest = [{"Layers": ["one/layer.tar", "two/layer.tar"]}]
    link = entry("two/layer.tar", type=tarfile.SYMTYPE, linkname="../one/layer.tar")
    archive = pack(file("one/layer.tar", layer), link, file("manifest.json", json.dumps(manifest).encode()))
    assert read(archive) == digest_of_layers(layer)


GOOD = save(pack(*PLAIN))


@pytest.mark.parametrize(
    "archive",
    [
        b"",
        b"no tar at all",
        GOOD[:700],
        pack(file("a")),
        pack(file("manifest.json", b"{")),
        pack(file("manifest.json", b"[]")),
        pack(file("manifest.json", b'[{"Layers": ["x/layer.tar"]}]')),
        pack(file("manifest.json", b'[{"Layers": [7]}]')),
        pack(file("manifest.json", b'[{"Layers": []}, {"Layers": []}]')),
        pack(file("manifest.json", b"[" * 100_000)),
        pack(file("x/layer.tar", b"not a tar"), file("manifest.json", b'[{"Layers": ["x/layer.tar"]}]')),
        pack(entry("manifest.json", type=tarfile.DIRTYPE)),
    ],
    ids=[
        "nothing",
        "text",
        "half of one",
        "a tar of something else",
        "a broken manifest",
        "no image",
        "an absent layer",
        "a layer without a name",
        "two images",
        "a manifest nested too deep",
        "a layer that is no tar",
        "a manifest that is a folder",
    ],
)
def test_what_is_no_archive_of_one_image_is_refused_as_such(archive: bytes) -> None:
    with pytest.raises(ImageInvalidError):
        read(archive)


@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=600))
def test_a_damaged_archive_ends_in_our_error_or_in_a_digest(place: int, noise: bytes) -> None:
    damaged = GOOD[:place] + noise + GOOD[place + len(noise) :]
    try:
        assert read(damaged).startswith("sha256:")
    except ImageInvalidError:
        return
