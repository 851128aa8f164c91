"""The operator's settings and the places of a provider inside its home folder. Read by entry points, passed on as values."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field

from policies.documents import StrictModel, parse_document
from provider.wire import Address

MAX_PARALLEL_JOBS = 64
Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(StrictModel, strict=False):
    """What `provider/settings.yaml` may say. Every value has a safe default but where the parts are."""

    version: Literal[1] = 1
    host: str = "127.0.0.1"
    port: Port
    rpc_url: str
    data_root: str
    owners: tuple[Address, ...] = ()
    database_url: str | None = None
    engine_url: str | None = None
    parallel_jobs: Annotated[int, Field(ge=1, le=MAX_PARALLEL_JOBS)] = 1
    poll_s: Annotated[float, Field(gt=0, le=60)] = 0.5
    token_lifetime_s: Annotated[int, Field(ge=60, le=86400)] = 900
    max_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    max_open_jobs_per_account: Annotated[int, Field(ge=1)] = 50
    max_request_lifetime_s: Annotated[int, Field(ge=3600)] = 30 * 86_400
    anchor_interval_s: Annotated[int, Field(ge=0, le=86_400)] = 10
    min_free_bytes: Annotated[int, Field(ge=0)] = 2**30
    warm_containers: Annotated[int, Field(ge=0, le=64)] = 1
    """How many containers wait for jobs on each dataset in use, for each image; 0 starts every job cold."""
    warm_total: Annotated[int, Field(ge=0, le=256)] = 4
    warm_idle_s: Annotated[int, Field(ge=1, le=86_400)] = 900
    max_uploads_per_account: Annotated[int, Field(ge=1)] = 200


@dataclass(frozen=True, slots=True)
class ProviderPaths:
    """Where a provider keeps its things, below one home folder."""

    home: Path

    @property
    def deployment(self) -> Path:
        """Addresses and code hashes of the contracts."""
        return self.home / "chain" / "deployment.json"

    @property
    def settings(self) -> Path:
        """The operator's settings."""
        return self.home / "provider" / "settings.yaml"

    @property
    def database(self) -> Path:
        """The SQLite file, when no other database is set."""
        return self.home / "provider" / "sealroom.db"

    @property
    def artifacts(self) -> Path:
        """Content-addressed documents, bundles and encrypted releases."""
        return self.home / "provider" / "artifacts"

    @property
    def signing_keys(self) -> Path:
        """The keys that sign receipts and checkpoints."""
        return self.home / "provider" / "keys"

    @property
    def accounts(self) -> Path:
        """Keystores, the provider's own account `operator` among them."""
        return self.home / "keys"

    @property
    def worker_lock(self) -> Path:
        """What a worker holds as long as it lives."""
        return self.home / "provider" / "worker.lock"

    @property
    def work(self) -> Path:
        """One folder per running attempt: staged inputs and collected outputs; emptied at start."""
        return self.home / "provider" / "work"


def load_settings(path: Path) -> Settings:
    """Read the settings file.

    Raises:
        DocumentError: it can't be read, or has an unknown key or a bad value.
    """
    return parse_document(path.read_bytes(), Settings, document=path.name)


def save_settings(path: Path, settings: Settings) -> None:
    """Write the settings file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(path)
