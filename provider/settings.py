"""The operator's settings and the places of a provider inside its home folder. Read by entry points, passed on as values."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, Field

from datatokens.fees import FeeLimits, limits_of
from datatokens.model import LOCAL_CHAIN_ID
from policies.documents import StrictModel, parse_document
from policies.witnesses import parse_witness_key
from provider.wire import Address

MAX_PARALLEL_JOBS = 64
DEFAULT_CONFIRMATIONS = 3
MAX_WITNESSES = 32
Port = Annotated[int, Field(ge=1, le=65535)]
WitnessKeyText = Annotated[str, AfterValidator(lambda text: parse_witness_key(text).to_text())]


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
    confirmations: Annotated[int, Field(ge=0, le=64)] | None = None
    """How many blocks must stand on an order's before its job runs; when not set: 0 on a local chain, 3 elsewhere."""
    max_tip_gwei: Annotated[int, Field(ge=0)] | None = None
    max_fee_gwei: Annotated[int, Field(ge=1)] | None = None
    anchor_interval_s: Annotated[int, Field(ge=0, le=86_400)] = 10
    min_free_bytes: Annotated[int, Field(ge=0)] = 2**30
    warm_containers: Annotated[int, Field(ge=0, le=64)] = 1
    """How many containers wait for jobs on each dataset in use, for each image; 0 starts every job cold."""
    warm_total: Annotated[int, Field(ge=0, le=256)] = 4
    warm_idle_s: Annotated[int, Field(ge=1, le=86_400)] = 900
    max_uploads_per_account: Annotated[int, Field(ge=1)] = 200
    witnesses: Annotated[tuple[WitnessKeyText, ...], Field(max_length=MAX_WITNESSES)] = ()
    """Whose cosignatures are taken besides those of the witnesses that policies name."""

    def confirmations_on(self, chain_id: int) -> int:
        """Return how many blocks must stand on an order's block on that chain."""
        if self.confirmations is not None:
            return self.confirmations
        return 0 if chain_id == LOCAL_CHAIN_ID else DEFAULT_CONFIRMATIONS

    def fee_limits(self) -> FeeLimits:
        """Return the most that the provider offers for a unit of gas."""
        return limits_of(self.max_tip_gwei, self.max_fee_gwei)


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
    def held(self) -> Path:
        """What waits for a reviewers' decision, one folder per job."""
        return self.home / "provider" / "held"

    @property
    def log(self) -> Path:
        """The log of receipts as files that tiles are read from."""
        return self.home / "provider" / "log"

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
