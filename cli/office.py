"""What a provider's operator works with while no worker runs: its parts, its account, and a log that is anchored to the end.

Nothing here changes a key: it sees to it that what keys have signed stands on chain before they change.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli.context import OPERATOR
from cli.errors import RefusedError
from cli.operating import check_provider_home
from cli.services import only_one
from datatokens.accounts import load_account
from provider.assembly import Parts, open_parts
from provider.exclusion import WorkerRunsError, hold_worker_lock
from provider.jobs.notary import Notary, Pace
from provider.receipts.keys import SigningKeys, load_signing_keys
from provider.services import system_clock

if TYPE_CHECKING:
    from cli.context import Session
    from datatokens.client import ChainClient
    from datatokens.ethkeys import LocalAccount

POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Office:
    """What the provider's operator has in hand while no worker runs."""

    parts: Parts
    chain: ChainClient
    operator: LocalAccount
    password: str

    def keys(self) -> SigningKeys:
        """Return the keys in use."""
        return load_signing_keys(self.parts.paths.signing_keys, self.password, self.chain.chain_id)


def open_office(session: Session) -> Office:
    """Open the provider of this home folder, and its account.

    Raises:
        StackError: there is no provider here.
    """
    check_provider_home(session.home)
    parts, chain = open_parts(session.home.root), session.get_chain()
    session.on_close(parts.database.close)
    password = session.passwords.get_password("the provider's keys")
    return Office(parts, chain, load_account(session.home.keys, OPERATOR, password), password)


@contextmanager
def alone(session: Session, office: Office) -> Iterator[None]:
    """Keep any worker away until the end of the block, and any `up`, which would publish the old keys after the new."""
    try:
        with only_one(session.home), hold_worker_lock(office.parts.paths.worker_lock):
            yield
    except WorkerRunsError as exc:
        raise RefusedError(
            "the worker runs, and signs with the keys in use",
            code="worker-runs",
            remedy="`sealroom down --keep-chain`, then this command, then `sealroom up`",
        ) from exc


def drain(session: Session, office: Office) -> None:
    """Anchor every receipt and settle every order that is due; fails as `await_anchors`."""
    parts, chain = office.parts, office.chain
    confirmations = parts.settings.confirmations_on(chain.chain_id)
    notary = Notary(
        parts.identity,
        parts.database,
        chain,
        keys=office.keys(),
        sender=office.operator,
        pace=Pace(lambda: 0, system_clock),
        log_folder=parts.paths.log,
        confirmations=confirmations,
    )
    while notary.turn():
        session.output.say("anchored receipts that waited")
    await_anchors(office)


def await_anchors(office: Office) -> None:
    """Check that what is anchored stays where it is, and wait until what follows is later.

    Raises:
        RefusedError: the last anchor could still be reorganised away, and would then be anchored too late.
    """
    chain = office.chain
    confirmations = office.parts.settings.confirmations_on(chain.chain_id)
    newest = chain.get_anchor(office.operator.address)
    if newest is not None and newest.block.number + confirmations > chain.head().number:
        raise RefusedError(
            f"the last receipts were anchored in block {newest.block.number}, and fewer than"
            f" {confirmations} blocks stand on it",
            code="anchor-unconfirmed",
            remedy="run the same command again in a while",
        )
    _await_next_second(chain)


def _await_next_second(chain: ChainClient) -> None:
    """Wait until the next block has a later time than the newest: what was anchored by now stays before what follows.

    Keys end at a second, and some chains make several blocks in one.
    """
    newest = chain.head().time
    while chain.next_time() <= newest:
        time.sleep(POLL_S)
