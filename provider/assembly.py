"""Opens what both processes of a provider need, from its home folder: settings, database, blobs, chain, identity."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from datatokens.accounts import list_accounts
from datatokens.client import ChainClient
from datatokens.model import load_deployment
from provider.blobs import BlobStore
from provider.chain import Chain
from provider.errors import ProviderError
from provider.identity import OPERATOR, ProviderIdentity
from provider.settings import ProviderPaths, Settings, load_settings
from provider.store import Database, open_database


class HomeIncompleteError(ProviderError):
    """The home folder lacks something that `sealroom up` makes."""

    code = "home-incomplete"


@dataclass(frozen=True, slots=True)
class Parts:
    """A provider's parts, opened."""

    paths: ProviderPaths
    settings: Settings
    identity: ProviderIdentity
    database: Database
    blobs: BlobStore
    chain: Chain


def open_parts(home: Path) -> Parts:
    """Open a provider's parts and bring its database to the newest schema. Does not wait for the chain.

    Raises:
        HomeIncompleteError: there is no provider account in the home folder.
    """
    paths = ProviderPaths(home)
    settings = load_settings(paths.settings)
    accounts = list_accounts(paths.accounts)
    if OPERATOR not in accounts:
        raise HomeIncompleteError(f"the home folder has no account {OPERATOR!r}", remedy="run `sealroom up`")
    deployment = load_deployment(paths.deployment)
    # Runs are staged below: the container's user reads those copies of the data, so their own modes let anyone in.
    paths.settings.parent.chmod(0o700)
    database = open_database(settings.database_url or paths.database)
    database.migrate()
    return Parts(
        paths=paths,
        settings=settings,
        identity=ProviderIdentity(accounts[OPERATOR], deployment),
        database=database,
        blobs=BlobStore(paths.artifacts),
        chain=ChainClient.connect(settings.rpc_url, deployment, fees=settings.fee_limits()),
    )
