"""A provider that has nothing but a log, for tests: real database, files and web application, and no chain to ask."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from flask import Flask

from datatokens.model import Deployment
from provider.app import create_app
from provider.blobs import BlobStore
from provider.held import HeldFiles
from provider.identity import ProviderIdentity
from provider.jobs.logkeeping import LogKeeper
from provider.logfiles import LogFiles
from provider.receipts.envelope import Envelope
from provider.receipts.tree import root_of
from provider.services import build_services
from provider.settings import ProviderPaths, Settings
from provider.store import Database, open_database
from provider.store.tables import JobRow, LogEntryRow
from tests.log_samples import SampleLog
from tests.receipt_samples import CHAIN_ID, ESCROW, PROVIDER

JOB = {
    "consumer": "0x" + "33" * 20,
    "request": "{}",
    "signature": "0x",
    "parameters": "{}",
    "submitted": 1,
    "state": "refused",
    "code": "",
    "message": "",
}


@dataclass(slots=True)
class LogHouse:
    """The provider, and what it serves."""

    home: Path
    database: Database
    app: Flask

    def grow(self, log: SampleLog, size: int) -> None:
        """Have the log anchored at that size, and one receipt more in the database where there is one."""
        record(self.database, log, min(size + 1, len(log.envelopes)))
        LogKeeper(self.database.ledger, ProviderPaths(self.home).log).update(size)
        publish(self.database, log, size)


def open_log_house(home: Path) -> LogHouse:
    """Return a provider without any receipt yet."""
    paths, no_chain = ProviderPaths(home), cast("Any", None)
    database = open_database(paths.database)
    database.migrate()
    nobody = "0x" + "00" * 20
    identity = ProviderIdentity(PROVIDER, Deployment(CHAIN_ID, nobody, ESCROW, nobody, nobody, None))
    settings = Settings(port=1, rpc_url="http://127.0.0.1:1", data_root=str(home))
    services = build_services(
        identity,
        database,
        BlobStore(paths.artifacts),
        no_chain,
        log_files=LogFiles(paths.log),
        held=HeldFiles(paths.held),
        load_settings=lambda: settings,
    )
    return LogHouse(home, database, create_app(services))


def record(database: Database, log: SampleLog, size: int) -> None:
    """Have a provider's database hold the log up to that size, as if so many jobs had been refused."""
    with database.ledger._write() as session:
        new = range(database.ledger.size(), size)
        session.add_all(JobRow(job_id=f"{index:064x}", **JOB) for index in new)
        session.flush()
        session.add_all(_entry(index, log.envelopes[index]) for index in new)


def _entry(index: int, envelope: Envelope) -> LogEntryRow:
    digest = hashlib.sha256(envelope.pae).digest()
    return LogEntryRow(index=index, job_id=f"{index:064x}", envelope=envelope.to_json(), digest=digest)


def publish(database: Database, log: SampleLog, size: int) -> None:
    """Have the database hold an anchored checkpoint of that size."""
    database.ledger.add_checkpoint(size, root_of(log.leaves[:size]), log.checkpoint(size))
    database.ledger.mark_anchored(size, tx_hash="0x" + "ee" * 32, block=1, proofs={})
