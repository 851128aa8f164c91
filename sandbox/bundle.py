"""Reads an algorithm bundle: a folder of plain files with algorithm.yaml, turned into bytes and one digest.

Nothing in the folder is ignored: what is not a regular file, or has a name that could be read in two ways, is refused,
because approval is of the digest of everything. Runs nothing.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema

from policies.canonical import canonical_json, digest_of, sha256
from policies.documents import parse_document
from policies.errors import DocumentError
from sandbox.declaration import (
    MetricDeclaration,
    MetricsDeclaration,
    OutputsDeclaration,
    TensorDeclaration,
    WeightsDeclaration,
)
from sandbox.errors import BundleInvalidError
from sandbox.manifest import (
    IMAGE_PLACEHOLDER,
    AlgorithmManifest,
    ScorerDeclaration,
    count_levels,
    count_nodes,
)
from sandbox.recipe import Recipe, override

__all__ = [
    "AlgorithmManifest",
    "Bundle",
    "MetricDeclaration",
    "MetricsDeclaration",
    "OutputsDeclaration",
    "ScorerDeclaration",
    "TensorDeclaration",
    "WeightsDeclaration",
    "apply_parameters",
    "check_parameters",
    "load_bundle",
    "parse_bundle",
]

MANIFEST = "algorithm.yaml"
MAX_BUNDLE_FILES = 256
MAX_BUNDLE_BYTES = 6 * 1024 * 1024
MAX_PATH_BYTES = 200
MAX_PARAMETERS_BYTES = 64 * 1024
MAX_PARAMETERS_DEPTH = 8
MAX_PARAMETER_CHECKS = 200_000
"""Parts of the schema times values of the parameters: what checking them can cost at most."""
_PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
_PLACEHOLDER = re.compile(rb'(?m)^( *"?(?:image|checksum)"?: "?)' + IMAGE_PLACEHOLDER.encode() + rb'("?,?)$')
"""The whole line, in YAML or JSON, of our form or of Ocean's."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle's files (relative POSIX path to content, in byte order of path), its manifest and its digest."""

    files: Mapping[str, bytes]
    manifest: AlgorithmManifest
    digest: str


def load_bundle(folder: Path, *, image: str | None = None) -> Bundle:
    """Read the bundle in `folder`. With `image`, that digest replaces IMAGE in algorithm.yaml's line `image: IMAGE` or `checksum: IMAGE`.

    Raises:
        BundleInvalidError: a link, a device, a name or size out of bounds, or a manifest that doesn't hold.
    """
    files: dict[str, bytes] = {}
    _read_folder(folder, "", files)
    if image is not None and MANIFEST in files:
        files[MANIFEST] = _PLACEHOLDER.sub(rb"\g<1>" + image.encode() + rb"\g<2>", files[MANIFEST])
    return parse_bundle(files)


def parse_bundle(files: Mapping[str, bytes]) -> Bundle:
    """Check the files of a bundle and return it with its digest.

    The digest is SHA-256 over the canonical JSON list of `[path, size, sha256 hex]` in byte order of path.

    Raises:
        BundleInvalidError: too many or too large files, a bad path, or a manifest that doesn't hold.
    """
    _check_size(files)
    for path in files:
        _check_path(path)
    if MANIFEST not in files:
        raise BundleInvalidError(MANIFEST, "is missing")
    try:
        manifest = parse_document(files[MANIFEST], AlgorithmManifest, document=MANIFEST)
    except DocumentError as exc:
        raise BundleInvalidError(f"{MANIFEST}: {exc.path}" if exc.path else MANIFEST, exc.problem) from exc
    _check_main(files, manifest)
    ordered = {path: files[path] for path in sorted(files, key=str.encode)}
    entries = [[path, len(content), sha256(content).hex()] for path, content in ordered.items()]
    return Bundle(ordered, manifest, digest_of(canonical_json(entries)))


def check_parameters(manifest: AlgorithmManifest, parameters: dict[str, Any]) -> None:
    """Check a job's parameters against the manifest's schema.

    Raises:
        BundleInvalidError: with the JSON path of the first parameter that the schema refuses.
    """
    try:
        size = len(canonical_json(parameters))
    except DocumentError as exc:
        raise BundleInvalidError(f"parameters: {exc.path}", exc.problem) from exc
    if size > MAX_PARAMETERS_BYTES:
        raise BundleInvalidError(
            "parameters", f"are {size} bytes, at most {MAX_PARAMETERS_BYTES} are allowed"
        )
    if count_levels(parameters) > MAX_PARAMETERS_DEPTH:
        raise BundleInvalidError("parameters", f"are nested deeper than {MAX_PARAMETERS_DEPTH}")
    if count_nodes(manifest.parameters) * count_nodes(parameters) > MAX_PARAMETER_CHECKS:
        raise BundleInvalidError("parameters", "are too many values for a schema of this size")
    error = next(jsonschema.Draft202012Validator(manifest.parameters).iter_errors(parameters), None)
    if error is not None:
        raise BundleInvalidError(f"parameters: {error.json_path}", error.message[:200])
    if manifest.recipe is not None:
        apply_parameters(manifest.recipe, parameters)


def apply_parameters(recipe: Recipe, parameters: dict[str, Any]) -> Recipe:
    """Return the recipe as a job with these parameters has it.

    Raises:
        BundleInvalidError: a value with which the recipe doesn't hold.
    """
    try:
        return override(recipe, parameters)
    except DocumentError as exc:
        raise BundleInvalidError(f"parameters: {exc.path}", exc.problem) from exc


def _check_size(files: Mapping[str, bytes]) -> None:
    size = sum(len(content) for content in files.values())
    if len(files) > MAX_BUNDLE_FILES or size > MAX_BUNDLE_BYTES:
        problem = f"has {len(files)} files of {size} bytes, at most {MAX_BUNDLE_FILES} of {MAX_BUNDLE_BYTES} are allowed"
        raise BundleInvalidError("", problem)


def _check_path(path: str) -> None:
    parts = path.split("/")
    if len(path) > MAX_PATH_BYTES or not all(_PART.fullmatch(part) for part in parts):
        problem = "expected parts of letters, digits, . _ - (no leading dot); move junk out of the folder"
        raise BundleInvalidError(ascii(path[:MAX_PATH_BYTES]), problem)


def _check_main(files: Mapping[str, bytes], manifest: AlgorithmManifest) -> None:
    if manifest.recipe is not None and len(files) > 1:
        other = min(files.keys() - {MANIFEST})
        raise BundleInvalidError(other, f"a recipe has no code: remove every file but {MANIFEST}")
    if manifest.main not in files:
        raise BundleInvalidError(f"{MANIFEST}: main", f"names {manifest.main!r}, which is not in the bundle")
    taken = {path for path in files if path.split("/")[0] == "algorithm"}
    shadow = min(taken - ({"algorithm"} & {manifest.main}), default=None)
    if shadow is not None:
        raise BundleInvalidError(
            shadow, "the name `algorithm` is where the main file is placed: rename this one"
        )
    folders = {path.rsplit("/", depth)[0] for path in files for depth in range(1, path.count("/") + 1)}
    clash = min(folders & files.keys(), default=None)
    if clash is not None:
        raise BundleInvalidError(clash, "is both a file and a folder")


def _read_folder(folder: Path, prefix: str, files: dict[str, bytes]) -> None:
    try:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda item: item.name):
                _read_entry(entry, prefix + entry.name, files)
    except OSError as exc:
        raise BundleInvalidError(prefix, "can't be read as a folder") from exc


def _read_entry(entry: os.DirEntry[str], path: str, files: dict[str, bytes]) -> None:
    _check_path(path)
    if entry.is_dir(follow_symlinks=False):
        _read_folder(Path(entry.path), path + "/", files)
        return
    if not entry.is_file(follow_symlinks=False):
        raise BundleInvalidError(path, "is a link or a device: a bundle has plain files only")
    descriptor = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BundleInvalidError(path, "is not a plain file")
        files[path] = stream.read(MAX_BUNDLE_BYTES + 1)
    _check_size(files)
