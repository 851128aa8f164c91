"""Changes which keys a provider signs with: rotation, revocation, another endpoint, the end of the log.

A receipt is judged by the keys that were in force when its root was anchored. So keys change only while no worker runs,
and only after every receipt that the old ones signed stands on chain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.descriptions import parse_endpoint
from cli.errors import InputError, RefusedError
from cli.office import Office, alone, await_anchors, drain, open_office
from cli.operating import is_current, publish
from cli.times import Moment, format_time
from datatokens.model import OrderStatus
from provider.jobs.states import State
from provider.receipts.errors import KeysLockedError, KeysMissingError
from provider.receipts.keys import (
    PublicKeys,
    create_next_keys,
    find_next_keys,
    promote_next_keys,
)

if TYPE_CHECKING:
    from cli.context import Session
    from datatokens.client import ChainClient
    from datatokens.model import KeySet, TxResult
    from provider.store.records import JobRecord

UNDER_WAY = (State.QUEUED, State.RUNNING, State.CHECKING, State.REVIEWING)


def rotate_keys(session: Session, *, lost: bool = False) -> tuple[KeySet, TxResult | None]:
    """Make new signing keys, publish them, and put them in place of the old; run again, it finishes what was stopped.

    When the old ones are `lost`, receipts that they signed and that aren't anchored yet never verify. Returns the new key
    set as it stands on chain, and the transaction, None when an earlier run had published it.

    Raises:
        RefusedError: a worker runs, or receipts signed by the old keys aren't safely anchored yet; or the keys that are
            said to be lost can be opened.
    """
    office = open_office(session)
    with alone(session, office):
        if lost:
            old = _give_up_keys(session, office)
            await_anchors(office)
        else:
            old = office.keys().public()
            drain(session, office)
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
    office = open_office(session)
    with alone(session, office):
        drain(session, office)
        result = publish(office.chain, office.operator, office.keys().public(), endpoint=url)
        return _newest(office.chain, office), result


def revoke_keys(session: Session, index: int, since: Moment | None) -> tuple[KeySet, TxResult]:
    """Say that a key set isn't to be trusted from a time on, by default from now; receipts anchored later don't verify.

    Raises:
        InputError: there is no such key set, or no such block.
        RefusedError: the worker signs with these keys and runs; or they were revoked, and no earlier time is named.
    """
    chain, office = session.get_chain(), open_office(session)
    sets = chain.list_keys(office.operator.address)
    if not 0 <= index < len(sets):
        raise InputError(
            f"there is no key set {index}", code="keys-unknown", remedy="see `sealroom provider keys list`"
        )
    from_time = None if since is None else _time_of(chain, since)
    if sets[index].p256 != sets[-1].p256:
        return _revoke(session, office, sets[index], from_time)
    with alone(session, office):
        drain(session, office)
        return _revoke(session, office, sets[index], from_time)


def close_log(session: Session) -> tuple[int, TxResult]:
    """End the provider's log for good, after its last receipts are anchored; return its final size.

    Raises:
        RefusedError: a worker runs, or jobs that were paid have not ended.
    """
    office = open_office(session)
    with alone(session, office):
        store = office.parts.database.jobs
        waiting = store.list_by(state=State.WAITING, limit=None)
        jobs = sum(map(store.count, UNDER_WAY)) + sum(_is_ordered(office, job) for job in waiting)
        if jobs:
            raise RefusedError(
                f"{jobs} jobs that were paid have not ended",
                code="jobs-under-way",
                remedy="let the worker end them, or cancel them, then `sealroom down --keep-chain`",
            )
        drain(session, office)
        size = office.chain.anchored_size(office.operator.address)
        return size, office.chain.close_provider(sender=office.operator)


def _is_ordered(office: Office, job: JobRecord) -> bool:
    """Tell whether money is held for a job that waits: for its other orders, for confirmations or for the worker."""
    found = [office.parts.database.catalogue.find_dataset(asset_id) for asset_id in job.request.datasets]
    token_ids = [record.token_id for record in found if record is not None and record.token_id is not None]
    job_id, chain = bytes.fromhex(job.job_id), office.chain
    orders = [chain.find_order(job_id, job.consumer, token_id) for token_id in token_ids]
    return any(order is not None and order.status is OrderStatus.OPEN for order in orders)


def _give_up_keys(session: Session, office: Office) -> PublicKeys:
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


def _can_open(office: Office) -> bool:
    try:
        office.keys()
    except (KeysLockedError, KeysMissingError):
        return False
    return True


def _time_of(chain: ChainClient, moment: Moment) -> int:
    if not moment.is_block:
        return moment.number
    newest = chain.head().number
    if moment.number > newest:
        raise InputError(
            f"there is no block {moment.number} yet", code="block-unknown", remedy=f"the newest is {newest}"
        )
    return chain.get_block(moment.number).time


def _revoke(session: Session, office: Office, keys: KeySet, from_time: int | None) -> tuple[KeySet, TxResult]:
    chain = office.chain
    if keys.revoked and from_time is None:
        raise RefusedError(
            f"key set {keys.index} was revoked already, from {format_time(keys.valid_until or 0)} on",
            code="keys-revoked",
            remedy="name an earlier time with --since",
        )
    # After the newest block, so that what it anchored stays good; and not after the one that will take this.
    chosen = from_time if from_time is not None else min(chain.head().time + 1, keys.valid_until or 2**40)
    lost = _count_anchored(office, chosen, keys.valid_until)
    session.output.say(f"{lost} receipts were anchored from {format_time(chosen)} on: they will not verify")
    result = chain.revoke_keys(keys.index, chosen, sender=office.operator)
    return chain.list_keys(office.operator.address)[keys.index], result


def _count_anchored(office: Office, first: int, end: int | None) -> int:
    """Return how many receipts were anchored first at a time from `first` on, and before `end` where there is one."""
    anchors = office.chain.list_anchors(office.operator.address)
    before = max((item.size for item in anchors if item.block.time < first), default=0)
    by_then = max((item.size for item in anchors if end is None or item.block.time < end), default=0)
    return max(by_then - before, 0)


def _endpoint(chain: ChainClient, office: Office) -> str:
    """Return the endpoint that stands on chain; the one of the settings before the first."""
    sets = chain.list_keys(office.operator.address)
    settings = office.parts.settings
    return sets[-1].endpoint if sets else f"http://{settings.host}:{settings.port}"


def _newest(chain: ChainClient, office: Office) -> KeySet:
    return chain.list_keys(office.operator.address)[-1]
