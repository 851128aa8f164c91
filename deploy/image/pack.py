"""Makes an image of a container's file tree so that the same tree gives the same image id, on any machine.

    docker export --output EXPORTED CONTAINER
    pack.py --epoch N --architecture ARCH --name NAME [--label KEY=VALUE]… EXPORTED | docker load

One layer, sorted, every time `--epoch`; no history. What depends on the machine that built it is left out or emptied:
its name, its resolver, what the engine puts under /dev, logs, caches.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
import tarfile
import time
from pathlib import Path
from typing import IO

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from sandbox.filetree import ATTRIBUTE, clean_path, digest_tree, flatten, read_layer
from sandbox.images import LABEL_TREE, MANIFEST

DROPPED = (".dockerenv", "dev/", "proc/", "sys/", "run/", "tmp/", "var/log/", "var/cache/", "var/tmp/")
EMPTIED = {"etc/hostname", "etc/hosts", "etc/machine-id", "etc/resolv.conf"}
SETTINGS = {
    "Env": ["PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin"],
    "User": "65532:65532",
    "WorkingDir": "/scratch",
}


def main() -> None:
    """Write the archive of the image to stdout."""
    parser = argparse.ArgumentParser(prog="pack.py", description="Make an image of an exported container.")
    parser.add_argument("--epoch", type=int, required=True, help="the time of everything, in Unix seconds")
    parser.add_argument("--architecture", required=True, help="such as amd64")
    parser.add_argument("--name", required=True, help="what the engine calls the image")
    parser.add_argument("--label", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("exported", type=Path, help="what docker export wrote; replaced by the layer")
    arguments = parser.parse_args()
    layer = arguments.exported.with_suffix(".layer")
    write_layer(arguments.exported, layer, arguments.epoch)
    layer.replace(arguments.exported)
    labels = dict(item.split("=", 1) for item in arguments.label)
    config = describe(arguments.exported, labels, architecture=arguments.architecture, epoch=arguments.epoch)
    write_archive(sys.stdout.buffer, config, arguments.exported, name=arguments.name, epoch=arguments.epoch)


def write_layer(exported: Path, layer: Path, epoch: int) -> None:
    """Write the tree again: sorted, every time `epoch`, without what a machine leaves in it."""
    with tarfile.open(exported) as source, tarfile.open(layer, "w", format=tarfile.PAX_FORMAT) as target:
        members = {clean_path(member.name): member for member in source}
        for name in sorted(members, key=lambda name: name.encode(errors="surrogateescape")):
            if name and not name.startswith(DROPPED):
                add(target, name, source, members[name], epoch)


def add(
    target: tarfile.TarFile, name: str, source: tarfile.TarFile, member: tarfile.TarInfo, epoch: int
) -> None:
    """Copy one entry; a hard link becomes the file that it names."""
    plain = tarfile.TarInfo(name)
    plain.mtime = epoch
    plain.mode, plain.uid, plain.gid = member.mode, member.uid, member.gid
    plain.type, plain.linkname = member.type, member.linkname
    plain.devmajor, plain.devminor = member.devmajor, member.devminor
    plain.pax_headers = {key: text for key, text in member.pax_headers.items() if key.startswith(ATTRIBUTE)}
    content: IO[bytes] | None = None
    if member.isreg() or member.islnk():
        content = io.BytesIO() if name in EMPTIED else source.extractfile(member)
        plain.type, plain.linkname = tarfile.REGTYPE, ""
        plain.size = content.seek(0, io.SEEK_END) if content else 0
        if content:
            content.seek(0)
    target.addfile(plain, content)


def describe(layer: Path, labels: dict[str, str], *, architecture: str, epoch: int) -> bytes:
    """Return the image's configuration, whose digest is the image's id."""
    with layer.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    with layer.open("rb") as stream:
        tree = digest_tree(flatten([read_layer(stream)]))
    config = {
        "architecture": architecture,
        "os": "linux",
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch)),
        "config": {**SETTINGS, "Labels": {**labels, LABEL_TREE: tree}},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    return json.dumps(config, sort_keys=True, separators=(",", ":")).encode()


def write_archive(target: IO[bytes], config: bytes, layer: Path, *, name: str, epoch: int) -> None:
    """Write what `docker load` reads."""
    described = f"{hashlib.sha256(config).hexdigest()}.json"
    image = {"Config": described, "RepoTags": [name], "Layers": ["layer/layer.tar"]}
    manifest = json.dumps([image]).encode()
    with (
        tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as archive,
        layer.open("rb") as stream,
    ):
        for path, size, content in (
            (described, len(config), io.BytesIO(config)),
            ("layer/layer.tar", layer.stat().st_size, stream),
            (MANIFEST, len(manifest), io.BytesIO(manifest)),
        ):
            member = tarfile.TarInfo(path)
            member.size, member.mtime = size, epoch
            archive.addfile(member, content)


if __name__ == "__main__":
    main()
