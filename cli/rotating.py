"""Changes which keys a provider signs with: rotation, revocation, another endpoint, the end of the log.

A receipt is judged by the keys that were in force when its root was anchored. So keys change only while no worker runs,
and only after every receipt that the old ones signed stands on chain.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli.context import OPERATOR
from cli.descriptions import parse_endpoint
from cli.errors import InputError, RefusedError
from cli.operating import check_provider_home, is_current, publish
from cli.services import only_one
from cli.times import Moment, format_time
from datatokens.accounts import load_account
from datatokens.model import OrderStatus
from provider.assembly import Parts, open_parts
from provider.exclusion import WorkerRunsError, hold_worker_lock
from provider.jobs.notary import Notary, Pace
from provider.jobs.states import State
from provider.receipts.errors import KeysLockedError, KeysMissingError
from provider.receipts.keys import (
    PublicKeys,
    SigningKeys,
    create_next_keys,
    find_next_keys,
    load_signing_keys,
    promote_next_keys,
)
from provider.services import system_clock

if TYPE_CHECKING:
    from cli.context import Session
    from datatokens.client import ChainClient
    from datatokens.ethkeys import LocalAccount
    from datatokens.model import KeySet, TxResult
    from provider.store.records import JobRecord

POLL_S = 0.2
UNDER_WAY = (State.QUEUED, State.RUNNING, State.CHECKING)


@dataclass(frozen=True, slots=True)
class _Office:
    """What the provider's operator has in hand while no worker runs."""

    parts: Parts
    chain: ChainClient
    operator: LocalAccount
    password: str

    def keys(self) -> SigningKeys:
        """Return the keys in use."""
        return load_signing_keys(self.parts.paths.signing_keys, self.password, self.chain.chain_id)


def rotate_keys(session: Session, *, lost: bool = False) -> tuple[KeySet, TxResult | None]:
    """Make new signing keys, publish them, and put them in place of the old; run again, it finishes what was stopped.

    When the old ones are `lost`, receipts that they signed and that aren't anchored yet never verify. Returns the new key
    set as it stands on chain, and the transaction, None when an earlier run had published it.

    Raises:
        RefusedError: a worker runs, or receipts signed by the old keys aren't safely anchored yet; or the keys that are
            said to be lost can be opened.
    """
    office = _open(session)
    with _alone(session, office):
        if lost:
            old = _give_up_keys(session, office)
            _await_anchors(office)
        else:
            old = office.keys().public()
            _drain(session, office)
        folder, chain = office.parts.paths.signing_keys, office.chain
        new = create_next_keys(folder, office.password, chain_id=chain.chain_id, lost=lost).public()
        result = None
        if not is_current(chain, office.operator.address, new):
            result = publish(chain, office.operator, new, endpoint=_endpoint(chain, office))
        promote_next_keys(folder, old)
        return _newest(chain, office), result


def move_endpoint(session: Session, url: str) -> tuple[KeySet, TxResult]:
    """Publish the keys in use with another endpoint; receipts go on under the same keys.

    Raises:
        InputError: it isn't an address that discovery asks.
        RefusedError: a worker runs: what it anchors in the same second would fall between the two key sets.
    """
    if parse_endpoint(url) is None:
        raise InputError(
            f"nobody would ask a provider at {url[:80]!r}",
            code="endpoint-invalid",
            remedy="https://HOST:PORT",
        )
    office = _open(session)
    with _alone(session, office):
        _drain(session, office)
        result = publish(office.chain, office.operator, office.keys().public(), endpoint=url)
        return _newest(office.chain, office), result


def revoke_keys(session: Session, index: int, since: Moment | None) -> tuple[KeySet, TxResult]:
    """Say that a key set isn't to be trusted from a time on, by default from now; receipts anchored later don't verify.

    Raises:
        InputError: there is no such key set, or no such block.
        RefusedError: the worker signs with these keys and runs.
    """
    chain, office = session.get_chain(), _open(session)
    sets = chain.list_keys(office.operator.address)
    if not 0 <= index < len(sets):
        raise InputError(
            f"there is no key set {index}", code="keys-unknown", remedy="see `sealroom provider keys list`"
        )
    from_time = None if since is None else _time_of(chain, since)
    if sets[index].p256 != sets[-1].p256:
        return _revoke(session, office, sets[index], from_time)
    with _alone(session, office):
        _drain(session, office)
        return _revoke(session, office, sets[index], from_time)


def close_log(session: Session) -> tuple[int, TxResult]:
    """End the provider's log for good, after its last receipts are anchored; return its final size.

    Raises:
        RefusedError: a worker runs, or jobs that were paid have not ended.
    """
    office = _open(session)
    with _alone(session, office):
        store = office.parts.database.jobs
        waiting = store.list_by(state=State.WAITING, limit=None)
        jobs = sum(map(store.count, UNDER_WAY)) + sum(_is_ordered(office, job) for job in waiting)
        if jobs:
            raise RefusedError(
                f"{jobs} jobs that were paid have not ended",
                code="jobs-under-way",
                remedy="let the worker end them, or cancel them, then `sealroom down --keep-chain`",
            )
        _drain(session, office)
        size = office.chain.anchored_size(office.operator.address)
        return size, office.chain.close_provider(sender=office.operator)


def _is_ordered(office: _Office, job: JobRecord) -> bool:
    """Tell whether money is held for a job that waits: for its other orders, for confirmations or for the worker."""
    found = [office.parts.database.catalogue.find_dataset(asset_id) for asset_id in job.request.datasets]
    token_ids = [record.token_id for record in found if record is not None and record.token_id is not None]
    job_id, chain = bytes.fromhex(job.job_id), office.chain
    orders = [chain.find_order(job_id, job.consumer, token_id) for token_id in token_ids]
    return any(order is not None and order.status is OrderStatus.OPEN for order in orders)


def _open(session: Session) -> _Office:
    check_provider_home(session.home)
    parts, chain = open_parts(session.home.root), session.get_chain()
    session.on_close(parts.database.close)
    password = session.passwords.get_password("the provider's keys")
    return _Office(parts, chain, load_account(session.home.keys, OPERATOR, password), password)


@contextmanager
def _alone(session: Session, office: _Office) -> Iterator[None]:
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


def _drain(session: Session, office: _Office) -> None:
    """Anchor every receipt and settle every order that is due; fails as `_await_anchors`."""
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
    _await_anchors(office)


def _await_anchors(office: _Office) -> None:
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


def _give_up_keys(session: Session, office: _Office) -> PublicKeys:
    """Say what is lost with keys that can't be opened, and return their public halves, as the chain has them.

    Raises:
        RefusedError: they can be opened, or no keys were ever published.
    """
    folder, chain, account = office.parts.paths.signing_keys, office.chain, office.operator.address
    if _can_open(office):
        raise RefusedError("the keys in use can be opened", code="keys-not-lost", remedy="leave --lost out")
    following = find_next_keys(folder, office.password, chain.chain_id)
    ours = (
        following.public().signer if following else None
    )  # published, if an earlier run was stopped after that
    published = [item for item in chain.list_keys(account) if item.signer != ours]
    if not published:
        raise RefusedError("no keys were published yet", code="keys-not-lost", remedy="`sealroom up` does it")
    waiting = max(office.parts.database.ledger.size() - chain.anchored_size(account), 0)
    session.output.say(f"{waiting} receipts by the lost keys are not anchored: they will never verify")
    return PublicKeys(published[-1].p256, published[-1].signer, published[-1].ed25519)


def _can_open(office: _Office) -> bool:
    try:
        office.keys()
    except (KeysLockedError, KeysMissingError):
        return False
    return True


def _await_next_second(chain: ChainClient) -> None:
    """Wait until the next block has a later time than the newest: what was anchored by now stays before what follows.

    Keys end at a second, and some chains make several blocks in one.
    """
    newest = chain.head().time
    while chain.next_time() <= newest:
        time.sleep(POLL_S)


def _time_of(chain: ChainClient, moment: Moment) -> int:
    if not moment.is_block:
        return moment.number
    newest = chain.head().number
    if moment.number > newest:
        raise InputError(
            f"there is no block {moment.number} yet", code="block-unknown", remedy=f"the newest is {newest}"
        )
    return chain.get_block(moment.number).time


def _revoke(
    session: Session, office: _Office, keys: KeySet, from_time: int | None
) -> tuple[KeySet, TxResult]:
    chain = office.chain
    # After the newest block, so that what it anchored stays good; and not after the one that will take this.
    chosen = from_time if from_time is not None else min(chain.head().time + 1, keys.valid_until or 2**40)
    lost = _count_anchored(office, chosen, keys.valid_until)
    session.output.say(f"{lost} receipts were anchored from {format_time(chosen)} on: they will not verify")
    result = chain.revoke_keys(keys.index, chosen, sender=office.operator)
    return chain.list_keys(office.operator.address)[keys.index], result


def _count_anchored(office: _Office, first: int, end: int | None) -> int:
    """Return how many receipts were anchored first at a time from `first` on, and before `end` where there is one."""
    anchors = office.chain.list_anchors(office.operator.address)
    before = max((item.size for item in anchors if item.block.time < first), default=0)
    by_then = max((item.size for item in anchors if end is None or item.block.time < end), default=0)
    return max(by_then - before, 0)


def _endpoint(chain: ChainClient, office: _Office) -> str:
    """Return the endpoint that stands on chain; the one of the settings before the first."""
    sets = chain.list_keys(office.operator.address)
    settings = office.parts.settings
    return sets[-1].endpoint if sets else f"http://{settings.host}:{settings.port}"


def _newest(chain: ChainClient, office: _Office) -> KeySet:
    return chain.list_keys(office.operator.address)[-1]
