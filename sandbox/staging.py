"""Copies a run's inputs into one folder, laid out as the container sees it, and says the digest of what it copied.

Bytes are hashed while they are copied, so what is checked is what is used. Names come from ids and numbers alone, never
from a dataset's own file names, so nothing can collide. Judges no digest.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policies.canonical import canonical_json, digest_text
from sandbox.bundle import Bundle, apply_parameters
from sandbox.ddo import describe_algorithm, describe_dataset
from sandbox.errors import StagingError
from sandbox.guest import guest_files, trainer_start
from sandbox.spec import HEX32
from sandbox.training import ORDERS_FILE, TrainingOrders

CHUNK_BYTES = 1024 * 1024
FILE_MODE = 0o444
PROGRAM_MODE = 0o555
FOLDER_MODE = 0o555
PARAMETERS_FILE = "algoCustomData.json"
MAIN_FILE = "algorithm"


@dataclass(frozen=True, slots=True)
class StagedDataset:
    """One dataset to stage: its source files in byte order of name, their names, and what it is called and about.

    `rewrite(path, name)` replaces each copy, after it was hashed, with what the algorithm is to see of it.
    """

    asset_id: str
    files: tuple[Path, ...]
    names: tuple[str, ...]
    title: str = ""
    description: str = ""
    rewrite: Callable[[Path, str], None] | None = None


@dataclass(frozen=True, slots=True)
class StagedInputs:
    """The staged folder, and `(name, size in bytes, sha256:…)` of every file as it was copied, by asset id."""

    root: Path
    datasets: Mapping[str, tuple[tuple[str, int, str], ...]]


def stage(
    target: Path,
    datasets: Sequence[StagedDataset],
    bundle: Bundle,
    parameters: Mapping[str, Any],
    *,
    orders: TrainingOrders | None = None,
) -> StagedInputs:
    """Fill `target`, which must not exist yet; on failure nothing of it is left.

    Raises:
        StagingError: `target` exists, an id is not 64 hex digits or stands twice, or a source is not a plain file.
    """
    staged = stage_datasets(target, datasets)
    try:
        stage_job(target, bundle, parameters, orders=orders)
    except StagingError:
        cleanup(target)
        raise
    return staged


def stage_datasets(target: Path, datasets: Sequence[StagedDataset]) -> StagedInputs:
    """Fill `target`, which must not exist yet, with all that doesn't depend on the job; on failure nothing of it is left.

    Raises:
        StagingError: see `stage`.
    """
    _check_datasets(datasets)
    try:
        target.mkdir(mode=0o700, parents=True)
    except OSError as exc:
        raise StagingError("the folder to stage into can't be made anew: remove it first") from exc
    with ExitStack() as undo:
        undo.callback(cleanup, target)
        staged = {dataset.asset_id: _stage_dataset(target / "data", dataset) for dataset in datasets}
        for name, content in guest_files().items():
            _write(target / "sealroom" / name, content)
        for folder in ("inputs", "ddos", "transformations"):
            (target / "data" / folder).mkdir(parents=True, exist_ok=True)
        _close_folders(target)
        undo.pop_all()
    return StagedInputs(target, staged)


def stage_job(
    root: Path, bundle: Bundle, parameters: Mapping[str, Any], *, orders: TrainingOrders | None = None
) -> None:
    """Add one job's algorithm and parameters to what `stage_datasets` made; once for each `root`.

    A recipe with privacy needs `orders`; for one without, they follow from recipe and parameters.

    Raises:
        StagingError: a job is there already, a file can't be written, or `orders` are not of this bundle's recipe.
    """
    orders = _complete_orders(bundle, parameters, orders)
    data = root / "data"
    inputs, ddos, code = data / "inputs", data / "ddos", data / "transformations"
    try:
        for folder in (inputs, ddos, code):
            folder.chmod(0o700)
        _write(inputs / PARAMETERS_FILE, canonical_json(parameters))
        if orders is not None:
            _write(inputs / ORDERS_FILE, canonical_json(orders.document()))
        algorithm_id = bundle.digest.removeprefix("sha256:")
        _write(ddos / algorithm_id, canonical_json(describe_algorithm(algorithm_id, bundle.manifest)))
        for path, content in bundle.files.items():
            _write(code / path, content)
        if orders is not None:
            _write(code / MAIN_FILE, trainer_start())
        elif bundle.manifest.main != MAIN_FILE:
            _write(code / MAIN_FILE, bundle.files[bundle.manifest.main])
        (code / MAIN_FILE).chmod(PROGRAM_MODE)  # `entrypoint: $ALGO` starts the file itself
        _close_folders(root)
    except OSError as exc:
        raise StagingError("the job can't be staged: its folder is full, gone, or already has a job") from exc


def _complete_orders(
    bundle: Bundle, parameters: Mapping[str, Any], orders: TrainingOrders | None
) -> TrainingOrders | None:
    """Return the orders to stage: none for code. Those given must be of exactly this job's recipe."""
    recipe = bundle.manifest.recipe
    if recipe is None:
        if orders is not None:
            raise StagingError("orders are for a recipe, and this algorithm is code")
        return None
    recipe = apply_parameters(recipe, dict(parameters))
    if orders is None and recipe.privacy is not None:
        raise StagingError("a recipe with privacy is not trained without the noise that its privacy needs")
    if orders is not None and orders.recipe != recipe:
        raise StagingError("the trainer's orders are of another recipe than the job's")
    return orders or TrainingOrders(recipe=recipe)


def add_inputs(root: Path, files: Mapping[str, bytes | Path]) -> None:
    """Add files, given as bytes or by where they lie, below the inputs of a staged job; their names are the caller's.

    Raises:
        StagingError: one is there already, is no plain file, or can't be written.
    """
    inputs = root / "data" / "inputs"
    try:
        inputs.chmod(0o700)
        for name, content in files.items():
            target = inputs / name
            if isinstance(content, bytes):
                _write(target, content)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                _copy(content, target)
        _close_folders(root)
    except OSError as exc:
        raise StagingError(
            "the inputs can't be staged: the folder is full, gone, or already has one"
        ) from exc


def cleanup(root: Path) -> None:
    """Remove a staged folder; one that is not there is fine."""
    for folder, _, _ in os.walk(root):
        Path(folder).chmod(0o700)
    shutil.rmtree(root, ignore_errors=True)


def _check_datasets(datasets: Sequence[StagedDataset]) -> None:
    ids = [dataset.asset_id for dataset in datasets]
    if len(set(ids)) < len(ids) or not all(HEX32.fullmatch(asset_id) for asset_id in ids):
        raise StagingError("expected distinct asset ids of 64 lower-case hex digits")
    if any(len(dataset.files) != len(dataset.names) for dataset in datasets):
        raise StagingError("expected one name for each file of a dataset")


def _stage_dataset(data: Path, dataset: StagedDataset) -> tuple[tuple[str, int, str], ...]:
    folder = data / "inputs" / dataset.asset_id
    folder.mkdir(parents=True)
    sources = enumerate(zip(dataset.names, dataset.files, strict=True))
    copied = tuple((name, *_copy(source, folder / str(n))) for n, (name, source) in sources)
    shown = copied if dataset.rewrite is None else _rewrite(folder, dataset.names, dataset.rewrite)
    document = describe_dataset(dataset.asset_id, dataset.title, dataset.description, shown)
    _write(data / "ddos" / dataset.asset_id, canonical_json(document))
    return copied


def _rewrite(
    folder: Path, names: Sequence[str], rewrite: Callable[[Path, str], None]
) -> tuple[tuple[str, int, str], ...]:
    """Rewrite each copy and return the facts of what stands there then."""
    facts = []
    for number, name in enumerate(names):
        path = folder / str(number)
        rewrite(path, name)
        path.chmod(FILE_MODE)
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").digest()
        facts.append((name, path.stat().st_size, digest_text(digest)))
    return tuple(facts)


def _close_folders(root: Path) -> None:
    """Let the container's user look into every folder, and nobody write; the root itself stays closed to others."""
    for part in (root / "data", root / "sealroom"):
        for folder, _, _ in os.walk(part):
            Path(folder).chmod(FOLDER_MODE)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as stream:
        stream.write(content)
    path.chmod(FILE_MODE)


def _copy(source: Path, target: Path) -> tuple[int, str]:
    """Copy one plain file, hashing what is written; return its size and digest."""
    digest = hashlib.sha256()
    size = 0
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb", buffering=0) as reader, target.open("xb") as writer:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise StagingError(f"input {target.name}: expected a plain file, got something else")
            while chunk := reader.read(CHUNK_BYTES):
                digest.update(chunk)
                size += writer.write(chunk)
        target.chmod(FILE_MODE)
    except OSError as exc:
        raise StagingError(
            f"input {target.name}: can't be read as a plain file (links are not followed)"
        ) from exc
    return size, digest_text(digest.digest())
