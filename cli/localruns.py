"""Runs jobs sealed on this machine, for whoever has data here: the seal, the data and the folder that replays and trials share.

Data is copied into one folder that only this user can read, and nothing of it is left. No chain, no provider, no account.
"""

from __future__ import annotations

import os
import secrets
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import InputError, StackError
from policies.model import (
    MAX_METRIC_DIGITS,
    MAX_METRICS,
    MAX_OUTPUT_BYTES,
    MetricsAllowance,
    OutputsPolicy,
    WeightsAllowance,
)
from provider.datasets import list_files
from provider.errors import DatasetError
from sandbox.errors import ImageMissingError
from sandbox.run import run_sealed
from sandbox.staging import StagedDataset

if TYPE_CHECKING:
    from sandbox.engine import DockerEngine, Engine
    from sandbox.spec import RunReport, RunSpec

STOP_SIGNALS = (signal.SIGHUP, signal.SIGTERM)
WIDEST = OutputsPolicy(
    weights=WeightsAllowance(max_bytes=MAX_OUTPUT_BYTES),
    metrics=MetricsAllowance(max_count=MAX_METRICS, max_digits=MAX_METRIC_DIGITS),
)
"""What leaves where no policy caps it: all that an algorithm declares."""


@contextmanager
def open_workplace(kind: str) -> Iterator[tuple[DockerEngine, Path]]:
    """Give an engine and a folder that only this user can read; nothing is left of the folder, nor of a run that is stopped."""
    from sandbox.engine import DockerEngine
    from sandbox.staging import cleanup

    with ExitStack() as undo:
        for number in STOP_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` leaves it
                undo.callback(signal.signal, number, signal.signal(number, signal.default_int_handler))
        folder = Path(tempfile.mkdtemp(prefix=f"sealroom-{kind}-"))
        undo.callback(cleanup, folder)
        engine = DockerEngine()
        undo.callback(engine.close)
        yield engine, folder


def name_run(kind: str) -> tuple[str, str]:
    """Return the id of a new run, and the owner that this process's containers are labelled with."""
    return f"{kind}-{secrets.token_hex(8)}", f"sealroom-{kind}-{os.getpid()}"


def list_dataset(asset_id: str, path: Path, title: str, description: str) -> StagedDataset:
    """Return the files at `path` as a dataset to stage.

    Raises:
        InputError: there is nothing, or not what a dataset can be.
    """
    if not path.exists():
        raise InputError(f"data: {path} is not there", code="data-missing")
    try:
        files = list_files(path)
    except DatasetError as exc:
        raise InputError(f"data: {path}: {exc}", code=exc.code, remedy=exc.remedy) from exc
    paths, names = tuple(file.path for file in files), tuple(file.name for file in files)
    return StagedDataset(asset_id, paths, names, title, description)


def check_image(engine: Engine, image: str) -> None:
    """Check that the engine holds an image, before any data is copied.

    Raises:
        ImageMissingError: it doesn't.
    """
    if not engine.has_image(image):
        raise ImageMissingError(image)


def run_here(engine: Engine, spec: RunSpec, folder: Path, *, kind: str) -> RunReport:
    """Run what is staged, to its end, and collect its outputs into `folder`, which must not exist yet.

    Raises:
        StackError: the container could not be sealed or was lost.
        EngineUnavailableError, RuntimeMissingError, DeviceMissingError: see `run_sealed`.
    """
    report = run_sealed(engine, spec, folder=folder, on_event=lambda _: None, cancelled=lambda: False)
    if not report.reason.ran:
        raise StackError(
            f"the {kind} could not be made: {report.reason.value}",
            code=f"{kind}-not-sealed",
            remedy="run `sealroom doctor`, which says what this machine lacks",
        )
    return report
