"""Foresees what a provider will say of a job, before anything of it is signed, sent or paid.

- The rules are those of the provider, `policies.decide`, on facts read from the chain, from documents by their digests, and from
  what the provider tells anybody.
- What can't be known is unknown: every way in which it might be is decided, and what differs is not foreseen.
- Nothing is uploaded. A login is signed where the provider wants one for a reading.

Not foreseen: what changes meanwhile, such as prices, approvals or other people's jobs, how a run ends, and what a provider
sets for itself alone: how long a request may live, and how many jobs an account may have open.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http import HTTPStatus
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from cli.bundles import fetch_bundle, pack_bundle
from cli.consumers import find_proof
from cli.credentials import choose_credentials, list_credentials
from cli.datasets import get_asset
from cli.errors import ApiError, RefusedError
from cli.governing import find_policy
from cli.ids import is_digest
from cli.jobfile import JobFile, load_job_file
from cli.ledgers import find_counted
from cli.offers import Offer, choose_items, read_offer
from cli.submitting import choose_deadline
from policies.canonical import digest_of, parse_digest
from policies.decide import (
    Decision,
    EnvironmentFacts,
    RequestFacts,
    RuleVerdict,
    Verdict,
    decide_job,
)
from policies.documents import MAX_DOCUMENT_BYTES
from policies.facts import PeopleFacts, PrivacyFacts
from policies.foresight import Forecast, combine_forecasts, foresee
from policies.policy import Policy
from provider.chainfacts import approval_facts, asset_facts
from provider.description import Description, parse_description
from provider.gate.declaration import algorithm_facts
from provider.issuing import list_verified
from provider.limits import ORDER_MARGIN_S, longest_run_s
from provider.outlook import ImageView, QueueView
from provider.privacy.assessment import Counted, assess
from provider.receipts.errors import MalformedError
from provider.wire import ProviderView
from sandbox.bundle import Bundle, apply_parameters, check_parameters
from sandbox.errors import BundleInvalidError

if TYPE_CHECKING:
    from cli.context import Session
    from datatokens.model import Asset, Token

ALL_RUNTIMES = frozenset({"runc", "runsc"})


@dataclass(frozen=True, slots=True)
class Outlooks:
    """How the provider stands, each in every way that it might be: whether it has the image, and which runtimes."""

    images: tuple[bool, ...]
    runtimes: tuple[frozenset[str], ...]
    queue: QueueView | None


@dataclass(frozen=True, slots=True)
class DatasetOutlook:
    """One dataset of the job: its policy, None when it can't be read, and what is foreseen."""

    asset: Asset
    policy: Policy | None
    privacy: PrivacyFacts
    forecast: Forecast


@dataclass(frozen=True, slots=True)
class Cost:
    """What the job costs in one token, and what the account holds of it, in its units."""

    token: Token
    amount: int
    held: int


@dataclass(frozen=True, slots=True)
class Preflight:
    """All that is foreseen of a job. `problems` would stop it at the command or at the chain, before any rule is asked.

    `order_s` is how long an order placed now would pay for what is done: running the job, and looking at what leaves.
    """

    consumer: str
    algorithm: str
    datasets: tuple[DatasetOutlook, ...]
    forecast: Forecast
    problems: tuple[str, ...]
    costs: tuple[Cost, ...]
    queue: QueueView | None
    order_s: int


@dataclass(frozen=True, slots=True)
class _Plan:
    session: Session
    job: JobFile
    algorithm: str
    bundle: Bundle | None
    now: int
    outlooks: Outlooks


def foresee_job(session: Session, path: Path) -> Preflight:
    """Say what the provider will decide about the job in a file, and what it costs.

    Raises:
        InputError, DocumentError, BundleInvalidError: the job file or the bundle can't be read.
        UnreachableError, ChainUnreachableError: the provider or the chain doesn't answer.
    """
    job = load_job_file(path)
    assets = [get_asset(session, asset_id) for asset_id in job.asset_ids]
    algorithm, bundle = _find_bundle(session, job, path.parent)
    now = max(int(time.time()), session.get_chain().next_time())
    plan = _Plan(session, job, algorithm, bundle, now, _read_outlooks(session, bundle))
    datasets = tuple(_foresee_dataset(plan, asset) for asset in assets)
    costs, refusals = _read_costs(plan, assets)
    order_s = _order_seconds(plan, assets)
    return Preflight(
        consumer=session.get_address(),
        algorithm=algorithm,
        datasets=datasets,
        forecast=combine_forecasts(item.forecast for item in datasets),
        problems=(*_find_problems(plan, datasets, order_s), *refusals),
        costs=costs,
        queue=plan.outlooks.queue,
        order_s=order_s,
    )


def _order_seconds(plan: _Plan, assets: list[Asset]) -> int:
    """Return for how long the longest order that may be placed pays, as the provider will reckon it."""
    longest_s = min(asset.terms.max_deadline_s for asset in assets)
    deadline = choose_deadline(plan.now, min(plan.job.deadline_s or longest_s, longest_s))
    return deadline - plan.now - ORDER_MARGIN_S


def _find_bundle(session: Session, job: JobFile, base: Path) -> tuple[str, Bundle | None]:
    """Return the algorithm's digest, and its bundle where this account may read it."""
    if not is_digest(job.algorithm):
        bundle = pack_bundle(base / job.algorithm, image=job.image)
        return bundle.digest, bundle
    try:
        return job.algorithm, fetch_bundle(session, job.algorithm)
    except ApiError as exc:
        if exc.status != HTTPStatus.NOT_FOUND:
            raise
        return job.algorithm, None


def _read_outlooks(session: Session, bundle: Bundle | None) -> Outlooks:
    api = session.get_api()
    runtimes = frozenset(api.get_model("/v1/provider", ProviderView).runtimes)
    image = bundle.manifest.image if bundle is not None else None
    present = api.get_model(f"/v1/images/{image}", ImageView).present if image is not None else None
    return Outlooks(
        images=(True, False) if present is None else (present,),
        runtimes=(runtimes,) if runtimes else (ALL_RUNTIMES, frozenset()),
        queue=api.get_model("/v1/queue", QueueView),
    )


def _foresee_dataset(plan: _Plan, asset: Asset) -> DatasetOutlook:
    if asset.terms.provider.lower() != plan.session.get_provider().lower():
        return _denied(asset, "provider-matches", f"the dataset lies at {asset.terms.provider}")
    policy, bundle = _find_policy(plan.session, asset), plan.bundle
    if policy is None:
        return _denied(asset, "policy-current", "the policy can't be read")
    if bundle is None:
        return DatasetOutlook(asset, policy, PrivacyFacts(), _unread(asset))
    privacies = _read_privacy(plan, asset, policy, bundle)
    decisions = [
        decide_job(
            policy,
            _request_facts(plan),
            algorithm_facts(bundle.manifest, policy.outputs),
            approval_facts(
                plan.session.get_chain().find_approval(asset.token_id, parse_digest(plan.algorithm))
            ),
            asset_facts(asset),
            EnvironmentFacts(plan.now, plan.session.get_provider(), runtimes, image_present=present),
            people=people,
            privacy=privacy,
        )
        for people, privacy, runtimes, present in product(
            _read_people(plan, asset, policy), privacies, plan.outlooks.runtimes, plan.outlooks.images
        )
    ]
    return DatasetOutlook(asset, policy, privacies[0], foresee(decisions))


def _denied(asset: Asset, rule: str, detail: str) -> DatasetOutlook:
    denied = RuleVerdict(rule, Verdict.DENY, detail, asset.asset_id)
    return DatasetOutlook(asset, None, PrivacyFacts(), foresee([Decision((denied,))]))


def _find_policy(session: Session, asset: Asset) -> Policy | None:
    try:
        return find_policy(session, asset)
    except ApiError as exc:
        if exc.status != HTTPStatus.NOT_FOUND:
            raise
        return None


def _unread(asset: Asset) -> Forecast:
    """Return that nothing is foreseen of a bundle that only its uploaders and the owner may read."""
    detail = "the provider shows this algorithm's bundle to its uploaders alone: name its folder"
    rules = [
        RuleVerdict("algorithm-unchanged", v, detail, asset.asset_id) for v in (Verdict.DENY, Verdict.ALLOW)
    ]
    return foresee([Decision((rule,)) for rule in rules])


def _request_facts(plan: _Plan) -> RequestFacts:
    return RequestFacts(
        consumer=plan.session.get_address(),
        purpose=plan.job.purpose,
        algorithm=plan.algorithm,
        provider=plan.session.get_provider(),
        expiry=plan.now + plan.job.expires_in_s,
        datasets=len(plan.job.asset_ids),
    )


def _read_people(plan: _Plan, asset: Asset, policy: Policy) -> list[PeopleFacts]:
    """Return what the provider will know of the consumer: lists in every way that they might be, and what would be sent."""
    kept = list_credentials(plan.session.home) if policy.credentials else []
    sent, _ = choose_credentials(policy.credentials, kept, subject=plan.session.get_address(), now=plan.now)
    ways = [_list_ways(plan, asset, root) for root in policy.allow_lists]
    return [PeopleFacts(frozenset().union(*lists), list_verified(sent)) for lists in product(*ways)]


def _list_ways(plan: _Plan, asset: Asset, root: str) -> tuple[frozenset[str], ...]:
    """Return a list's root where the account is on it; of a list other than that on chain nobody is told."""
    listed, absent = frozenset({root}), frozenset[str]()
    if asset.consumers_root is None or asset.consumers_root.hex() != root:
        return listed, absent
    try:
        find_proof(plan.session, asset)
    except RefusedError:
        return (absent,)
    except ApiError as exc:
        if exc.status != HTTPStatus.NOT_FOUND:
            raise
        return (absent,)  # the list was never handed in there, so that nobody is on it
    return (listed,)


def _read_privacy(plan: _Plan, asset: Asset, policy: Policy, bundle: Bundle) -> tuple[PrivacyFacts, ...]:
    """Return how the job stands to the dataset's privacy, in every way that what others spent might have it."""
    recipe = bundle.manifest.recipe
    if recipe is None:
        return (PrivacyFacts(),)
    try:
        recipe = apply_parameters(recipe, plan.job.parameters)
    except BundleInvalidError:
        return (PrivacyFacts(problem="the parameters don't fit the recipe"),)
    description = _find_description(plan.session, asset)
    counted = find_counted(plan.session, asset.asset_id)
    facts = assess(recipe, policy.privacy, description, counted or Counted()).facts
    if counted is not None or facts.cost is None:
        return (facts,)
    return facts, replace(facts, after=None, consumer_after=None)


def _find_description(session: Session, asset: Asset) -> Description | None:
    path = f"/v1/datasets/{asset.asset_id}/metadata"
    data = session.get_api().get_bytes(path, max_bytes=MAX_DOCUMENT_BYTES)
    if parse_digest(digest_of(data)) != asset.terms.metadata_digest:
        return None
    try:
        return parse_description(data)
    except MalformedError:
        return None


def _find_problems(plan: _Plan, datasets: tuple[DatasetOutlook, ...], order_s: int) -> Iterator[str]:
    if plan.bundle is not None:
        try:
            check_parameters(plan.bundle.manifest, plan.job.parameters)
        except BundleInvalidError as exc:
            yield str(exc)
    limits = [longest_run_s(item.policy) for item in datasets if item.policy is not None]
    if limits and order_s < min(limits):
        yield "order-deadline: the longest deadline that may be ordered leaves no time to run the job"


def _read_costs(plan: _Plan, assets: list[Asset]) -> tuple[tuple[Cost, ...], list[str]]:
    """Return what the job costs by token, and what would keep its order from being placed."""
    offers: list[Offer] = []
    problems: list[str] = []
    for asset in assets:
        try:
            offers.append(read_offer(plan.session, asset, with_datatoken=plan.job.with_datatoken))
        except (RefusedError, ApiError) as exc:
            problems.append(f"{exc.code}: {exc}")
    try:
        choose_items(offers, plan.job.max_price)
    except RefusedError as exc:
        problems.append(f"{exc.code}: {exc}")
    costs = _add_up(plan.session, offers)
    problems += [f"too little money for {cost.token.symbol}" for cost in costs if cost.held < cost.amount]
    return costs, problems


def _add_up(session: Session, offers: list[Offer]) -> tuple[Cost, ...]:
    amounts: dict[Token, int] = {}
    for offer in offers:
        amounts[offer.token] = amounts.get(offer.token, 0) + offer.cost
    chain, me = session.get_chain(), session.get_address()
    return tuple(
        Cost(
            token,
            amount,
            chain.token_balance(token.address, me) + chain.escrow_balance(token.address, me),
        )
        for token, amount in amounts.items()
    )
