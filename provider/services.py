"""Puts a provider's parts together from values that an entry point read. The API holds no private key."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from provider.actions import ActionDesk
from provider.blobs import BlobStore
from provider.catalogue import Catalogue
from provider.chain import Chain
from provider.held import HeldFiles
from provider.identity import ProviderIdentity
from provider.jobs.desk import JobDesk
from provider.ledgerdesk import LedgerDesk
from provider.logdesk import LogDesk
from provider.logfiles import LogFiles
from provider.login import LoginDesk
from provider.outlookdesk import Outlook
from provider.reviewdesk import ReviewDesk
from provider.settings import Settings
from provider.stewardship import Stewardship
from provider.store import Database
from provider.witnessing import WitnessDesk

Clock = Callable[[], int]


def system_clock() -> int:
    """Return unix seconds."""
    return int(time.time())


@dataclass(frozen=True, slots=True)
class Services:
    """Everything the web layer calls."""

    identity: ProviderIdentity
    database: Database
    chain: Chain
    login: LoginDesk
    catalogue: Catalogue
    stewardship: Stewardship
    jobs: JobDesk
    log: LogDesk
    witnesses: WitnessDesk
    reviews: ReviewDesk
    outlook: Outlook
    ledgers: LedgerDesk
    actions: ActionDesk
    clock: Clock


def build_services(
    identity: ProviderIdentity,
    database: Database,
    blobs: BlobStore,
    chain: Chain,
    *,
    log_files: LogFiles,
    held: HeldFiles,
    load_settings: Callable[[], Settings],
    clock: Clock = system_clock,
) -> Services:
    """Build the services over one database, one blob folder, one log and one chain."""
    catalogue = Catalogue(identity, database, blobs, chain, load_settings)
    stewardship = Stewardship(database, blobs, catalogue, load_settings)
    witnesses = WitnessDesk(database, log_files, load_settings)
    jobs = JobDesk(identity, database, blobs, catalogue, load_settings, chain=chain, witnesses=witnesses)
    reviews = ReviewDesk(database, held)
    return Services(
        identity=identity,
        database=database,
        chain=chain,
        login=LoginDesk(identity, database, load_settings()),
        catalogue=catalogue,
        stewardship=stewardship,
        jobs=jobs,
        log=LogDesk(database.ledger, log_files, witnesses),
        witnesses=witnesses,
        reviews=reviews,
        outlook=Outlook(database),
        ledgers=LedgerDesk(database, catalogue),
        actions=ActionDesk(
            identity, database, catalogue=catalogue, stewardship=stewardship, jobs=jobs, reviews=reviews
        ),
        clock=clock,
    )
