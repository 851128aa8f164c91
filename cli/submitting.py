"""Takes a job from job.yaml to an order on chain, in steps that can each be repeated.

1. The request is signed and saved here, with its limits and its result key, before anything is sent.
2. The provider gets it; the same request again is the same job.
3. Only when the provider says that the policies allow it, its datasets are ordered, in one transaction, after the chain was
   asked which are ordered already.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Sequence
from fractions import Fraction
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from cli.bundles import resolve_algorithm
from cli.credentials import find_credentials
from cli.datasets import get_asset
from cli.errors import ApiError, MismatchError, RefusedError
from cli.jobfile import JobFile, load_job_file
from cli.offers import choose_items, read_offer, write_cost
from cli.resultkeys import seal_key
from cli.submissions import Submission, list_open, load_submission, mark_done, save_submission
from policies.canonical import canonical_json, digest_of, parse_digest
from provider.release import create_result_key
from provider.wire import Domain, JobRequest, JobView
from sandbox.bundle import check_parameters

if TYPE_CHECKING:
    from cli.context import Session
    from datatokens.model import Asset

AWAITING_ORDER = "awaiting-order"
CLOCK_MARGIN_S = 120


def begin_job(
    session: Session, path: Path, *, again: bool = False, with_datatoken: bool = False
) -> Submission:
    """Return the saved request for job.yaml: that of a job that has not ended, else, or with `again`, a new one.

    Raises:
        InputError, DocumentError, BundleInvalidError: the job file or the algorithm can't be used.
        RefusedError: a dataset belongs to another provider or, for a new job, is retired, isn't for this consumer, or is to be
            paid with a datatoken that isn't there; or all cost more than `max_price`; or a credential that is asked for isn't kept.
        UnreachableError: the provider can't say whether an earlier job has ended, so no second one is begun.
    """
    job = load_job_file(path)
    if with_datatoken:
        job = job.model_copy(update={"with_datatoken": True})
    assets = [get_asset(session, asset_id) for asset_id in job.asset_ids]
    algorithm, bundle = resolve_algorithm(session, job.algorithm, base=path.parent, image=job.image)
    if bundle is not None:
        check_parameters(bundle.manifest, job.parameters)
    for asset in assets:
        _check_provider(session, asset)
    order = _order_digest(job, algorithm)
    record = None if again else _find_unfinished(session, order)
    if record is not None:
        session.output.say(f"continuing job {record.job_id}; --again would start another from the same file")
        return record
    offers = [read_offer(session, asset, with_datatoken=job.with_datatoken) for asset in assets]
    choose_items(
        offers, job.max_price
    )  # whoever may not order, or can't pay, is told before the job is signed
    return _create(session, job, assets, algorithm=algorithm, order=order)


def send_job(session: Session, job_id: str) -> JobView:
    """Send a saved request and return where the job stands.

    Raises:
        MismatchError: the provider answers with another job.
    """
    record = load_submission(session.home, job_id)
    view = session.get_api().submit_job(record.submission)
    if view.job_id != job_id:
        raise MismatchError(f"job: sent {job_id}, the provider answered with {view.job_id}")
    return view


def get_job(session: Session, job_id: str) -> JobView:
    """Return where a job stands."""
    return session.get_api().get_model(f"/v1/jobs/{job_id}", JobView, login=True)


def choose_deadline(next_time: int, lifetime_s: int) -> int:
    """Return the unix time of an order's deadline, from the time that the next block would have.

    The block that takes the order may turn out a little earlier: a long lifetime is cut by `CLOCK_MARGIN_S`, so that the
    deadline is never beyond what the owner allows.
    """
    return next_time + max(lifetime_s - CLOCK_MARGIN_S, lifetime_s // 2)


def order_job(session: Session, job_id: str) -> str:
    """Order the datasets of a saved job that are not ordered yet, in one transaction, and return it.

    Of a job that is ordered already the transaction of its first order is returned.

    Raises:
        RefusedError: the prices rose above what was allowed, an asset was retired, or the key in use isn't the one that
            signed the job.
        NotEnoughMoneyError, ContractRefusedError: the chain refuses; nothing is spent.
    """
    record, chain = load_submission(session.home, job_id), session.get_chain()
    _check_consumer(session, record)
    assets = [chain.get_asset(int(token_id)) for token_id in record.token_ids]
    events = [
        chain.find_order_event(bytes.fromhex(job_id), record.consumer, asset.token_id) for asset in assets
    ]
    if None not in events and events[0] is not None:
        return events[0].tx_hash
    offers = [
        read_offer(session, asset, with_datatoken=record.with_datatoken, placed=event)
        for asset, event in zip(assets, events, strict=True)
    ]
    items, missing = choose_items(offers, record.max_price), [offer for offer in offers if not offer.placed]
    longest_s = min(offer.asset.terms.max_deadline_s for offer in missing)
    session.output.say(f"ordering job {job_id}: {write_cost(missing)}")
    result = chain.order(
        bytes.fromhex(job_id),
        parse_digest(record.submission.request.algorithm),
        items,
        choose_deadline(chain.next_time(), min(record.deadline_s or longest_s, longest_s)),
        sender=session.get_account(),
    )
    return result.tx_hash


def _find_unfinished(session: Session, order: str) -> Submission | None:
    """Return the saved request of a job that has not ended, and note the end of those that have."""
    for record in list_open(session.home, order=order, consumer=session.get_address()):
        if not _can_go_on(session, record):
            continue
        if not _has_ended(session, record.job_id):
            return record
        mark_done(session.home, record.job_id)
    return None


def _can_go_on(session: Session, record: Submission) -> bool:
    """Tell whether a provider may still run a request: it has not expired, or it was paid, and then it stays good."""
    if record.submission.request.expiry > int(time.time()):
        return True
    job_id, chain = bytes.fromhex(record.job_id), session.get_chain()
    orders = [chain.find_order(job_id, record.consumer, int(token_id)) for token_id in record.token_ids]
    return None not in orders


def _has_ended(session: Session, job_id: str) -> bool:
    """Ask the provider; a job that it doesn't know was never sent, or has to be sent again."""
    try:
        return get_job(session, job_id).terminal
    except ApiError as exc:
        if exc.status != HTTPStatus.NOT_FOUND:
            raise
        return False


def _create(
    session: Session, job: JobFile, assets: Sequence[Asset], *, algorithm: str, order: str
) -> Submission:
    """Sign a new request and save it whole before it is sent."""
    now = int(time.time())
    credentials = find_credentials(session, assets, now=now)
    key = create_result_key()
    request = JobRequest(
        datasets=job.asset_ids,
        algorithm=algorithm,
        parameters=job.parameters_digest,
        purpose=job.purpose,
        provider=assets[0].terms.provider,
        result_key=base64.b64encode(key.public).decode(),
        nonce=secrets.token_hex(32),
        expiry=now + job.expires_in_s,
    )
    deployment = session.get_deployment()
    job_id = request.job_id(Domain(deployment.chain_id, deployment.escrow))
    record = Submission(
        job_id=job_id,
        consumer=session.get_address(),
        order=order,
        token_ids=[str(asset.token_id) for asset in assets],
        max_price=job.max_price,
        deadline_s=job.deadline_s,
        with_datatoken=job.with_datatoken,
        submission=session.get_api().sign_request(request, job.parameters, credentials),
    )
    save_submission(session.home, record, seal_key(key.private, session.get_password(), job_id))
    return record


def _order_digest(job: JobFile, algorithm: str) -> str:
    """Return the digest of what is asked for, without what differs each time (nonce, key, expiry)."""
    asked = {
        "datasets": job.asset_ids,
        "algorithm": algorithm,
        "parameters": job.parameters_digest,
        "purpose": job.purpose,
        "max_price": str(Fraction(job.max_price)),
        "with_datatoken": job.with_datatoken,
    }
    return digest_of(canonical_json(asked))


def _check_consumer(session: Session, record: Submission) -> None:
    """Check that who pays is who asked: an order by another account is one for another job."""
    if record.consumer.lower() != session.get_address().lower():
        raise RefusedError(
            f"job {record.job_id} was signed by {record.consumer}, not by {session.get_address()}",
            code="wrong-consumer",
            remedy="name its key with --as",
        )


def _check_provider(session: Session, asset: Asset) -> None:
    if asset.terms.provider.lower() != session.get_provider().lower():
        raise RefusedError(
            f"dataset {asset.asset_id} is kept by provider {asset.terms.provider}, not by the pinned one",
            code="wrong-provider",
            remedy="connect to that provider with `sealroom provider connect`",
        )
