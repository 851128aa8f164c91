"""Reads the facts about a job and has `policies` decide: the one place that says whether a job may run.

Everything decisive is read from the chain, or from the blob store by the digest that the chain or the signed request
names. What can't be read is an error (the job waits) or a denial, never a pass.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from datatokens.errors import ChainError
from datatokens.model import Asset, Block, Order, OrderStatus
from policies.canonical import digest_of, digest_text, parse_digest
from policies.combination import combine_decisions, combine_policies
from policies.decide import (
    Decision,
    EnvironmentFacts,
    RequestFacts,
    RuleVerdict,
    Verdict,
    decide_job,
)
from policies.errors import PolicyError
from policies.model import Policy, parse_policy
from policies.privacy import ReviewPolicy
from provider.blobs import BlobDamagedError, BlobStore
from provider.catalogue import decode_bundle
from provider.chain import Chain
from provider.chainfacts import approval_facts, asset_facts
from provider.errors import BadSignatureError, NotFoundError
from provider.gate.declaration import algorithm_facts
from provider.identity import ProviderIdentity
from provider.jobs.codes import chain_code
from provider.jobs.people import PeopleRegister
from provider.limits import ORDER_MARGIN_S, longest_run_s
from provider.privacy.assessor import Assessor, Standing
from provider.store import Database
from provider.store.records import JobRecord, Reservation
from provider.wire import recover_signer
from sandbox.bundle import Bundle, parse_bundle
from sandbox.engine import Engine
from sandbox.errors import BundleInvalidError, EngineUnavailableError
from sandbox.training import TrainingOrders

ORDER_CODES = (
    "order-used",
    "order-mismatch",
    "order-deadline",
    "awaiting-order",
    "awaiting-confirmations",
)
"""How an order may stand that pays for nothing yet; one that never will ends the job, whatever else is awaited."""


@dataclass(frozen=True, slots=True)
class DatasetState:
    """One dataset of a job as it stands: `order` is None when there is none, `policy` when it can't be had."""

    asset: Asset
    order: Order | None
    policy: Policy | None
    privacy: Standing = field(default_factory=Standing)

    @property
    def is_ordered(self) -> bool:
        """Whether its order is open."""
        return self.order is not None and self.order.status is OrderStatus.OPEN


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was read and decided about a job at one time; `bundle` is None when it can't be had.

    `datasets` are in the order of the request. `not_before` is the newest confirmed block, and `confirmed` says that
    every order and approval stood there as they do now.
    """

    decision: Decision
    decided: int
    datasets: tuple[DatasetState, ...]
    not_before: Block
    bundle: Bundle | None
    runtimes: frozenset[str]
    chain_id: int
    confirmed: bool = True

    @property
    def policy(self) -> Policy | None:
        """The policy that the job runs under, never wider than any dataset's; None when one can't be had."""
        policies = [item.policy for item in self.datasets if item.policy is not None]
        if len(policies) != len(self.datasets):
            return None
        owners = {item.asset.owner.lower() for item in self.datasets}
        return combine_policies(policies, one_owner=len(owners) == 1)

    @property
    def reviews(self) -> tuple[ReviewPolicy, ...]:
        """What the policies demand of reviewers, each demand once."""
        demands = [demand for item in self.datasets if item.policy for demand in item.policy.reviews]
        return tuple(dict.fromkeys(demands))

    @property
    def orders(self) -> TrainingOrders | None:
        """What our trainer is told; None for code, and for a job that is denied."""
        return self.datasets[0].privacy.assessment.orders

    @property
    def reservation(self) -> Reservation | None:
        """The privacy that the job reserves; None when it costs none. The rules deny one that costs of several datasets."""
        return self.datasets[0].privacy.reservation

    @property
    def order_code(self) -> str:
        """Say how the orders stand: empty when all are open and pay for this job, else a code of `codes`."""
        found = {self._order_code(item) for item in self.datasets}
        return next((code for code in ORDER_CODES if code in found), "")

    @property
    def is_paid(self) -> bool:
        """Whether the order for every dataset is open."""
        return all(item.is_ordered for item in self.datasets)

    @property
    def open_order_ids(self) -> tuple[str, ...]:
        """The orders that have to be settled or refunded when the job ends."""
        return tuple(item.order.order_id.hex() for item in self.datasets if item.order and item.is_ordered)

    def _order_code(self, dataset: DatasetState) -> str:
        asset, order = dataset.asset, dataset.order
        if order is None or order.status is OrderStatus.NONE:
            return "awaiting-order"
        if order.status is not OrderStatus.OPEN:
            return "order-used"
        if order.token_id != asset.token_id or order.provider.lower() != asset.terms.provider.lower():
            return "order-mismatch"
        if not self.confirmed:
            return "awaiting-confirmations"
        time_s = longest_run_s(self.policy) if self.policy else 0
        return "order-deadline" if order.deadline < self.decided + time_s + ORDER_MARGIN_S else ""


class Judge:
    """Evaluates jobs; changes nothing."""

    def __init__(
        self,
        identity: ProviderIdentity,
        database: Database,
        blobs: BlobStore,
        chain: Chain,
        engine: Engine,
        *,
        confirmations: int = 0,
    ) -> None:
        """Believe in an order once `confirmations` blocks stand on the one that has it."""
        self._identity = identity
        self._confirmations = confirmations
        self._catalogue = database.catalogue
        self._assessor = Assessor(database.privacy, blobs)
        self._blobs = blobs
        self._people = PeopleRegister(database.catalogue, blobs)
        self._chain = chain
        self._engine = engine

    def find_obstacle(self) -> str | None:
        """Return the code of what keeps every job waiting, a chain or an engine that is away, or None."""
        try:
            self._chain.check()
            self._engine.check()
        except ChainError as exc:
            return chain_code(exc)
        except EngineUnavailableError:
            return "engine-unreachable"
        return None

    def evaluate(self, job: JobRecord, *, now: int) -> Evaluation:
        """Decide about one job on the facts of this moment.

        Raises:
            ChainError, EngineUnavailableError: a fact can't be read now; the job has to wait.
        """
        self._chain.check()
        head = self._chain.head()
        # A chain's clock may run ahead of ours, and an approval in its newest block counts.
        now = max(now, head.time)
        number = max(head.number - self._confirmations, 0)
        bundle = self._find_bundle(job.request.algorithm)
        facts = Evaluation(
            decision=Decision(()),
            decided=now,
            datasets=tuple(self._read_dataset(job, asset_id, bundle) for asset_id in job.request.datasets),
            not_before=self._chain.get_block(number) if number < head.number else head,
            bundle=bundle,
            runtimes=frozenset(str(runtime) for runtime in self._engine.runtimes()),
            chain_id=self._identity.deployment.chain_id,
        )
        facts = replace(facts, confirmed=number == head.number or self._is_confirmed(job, facts))
        return replace(facts, decision=self._decide(job, facts))

    def _read_dataset(self, job: JobRecord, asset_id: str, bundle: Bundle | None) -> DatasetState:
        token_id = self._token_id(asset_id)
        asset = self._chain.get_asset(token_id)
        order = self._chain.find_order(bytes.fromhex(job.job_id), job.consumer, token_id)
        policy = self._find_policy(asset)
        if policy is None or bundle is None:
            return DatasetState(asset, order, policy)
        return DatasetState(asset, order, policy, self._assessor.assess(job, asset, policy, bundle))

    def _is_confirmed(self, job: JobRecord, facts: Evaluation) -> bool:
        """Tell whether the orders that are open now, and the approvals, stood at the end of the confirmed block too.

        A reorganisation may take away what newer blocks say.
        """
        block = facts.not_before.number
        if block < self._identity.deployment.block:
            return False
        return all(self._stood(job, item, block=block, now=facts.decided) for item in facts.datasets)

    def _stood(self, job: JobRecord, dataset: DatasetState, *, block: int, now: int) -> bool:
        if dataset.order is None:
            return False
        token_id, algorithm = dataset.asset.token_id, parse_digest(job.request.algorithm)
        order = self._chain.find_order(bytes.fromhex(job.job_id), job.consumer, token_id, at_block=block)
        approval = self._chain.find_approval(token_id, algorithm, at_block=block)
        return order == dataset.order and approval is not None and approval.is_valid(now)

    def _decide(self, job: JobRecord, facts: Evaluation) -> Decision:
        signed = self._is_signed(job)
        present = facts.bundle is not None and self._engine.has_image(facts.bundle.manifest.image)
        environment = EnvironmentFacts(facts.decided, self._identity.address, facts.runtimes, present)
        return combine_decisions(
            [
                self._decide_dataset(job, item, facts, environment)
                if signed
                else _denial("request-signed", "is not what the consumer signed", item.asset)
                for item in facts.datasets
            ]
        )

    def _decide_dataset(
        self, job: JobRecord, dataset: DatasetState, facts: Evaluation, environment: EnvironmentFacts
    ) -> Decision:
        policy, bundle, asset = dataset.policy, facts.bundle, dataset.asset
        if policy is None or bundle is None:
            absent = "policy-current" if policy is None else "algorithm-unchanged"
            return _denial(absent, "can't be read with the digest that is registered", asset)
        return decide_job(
            policy,
            self._request_facts(job, now=facts.decided, paid=facts.is_paid),
            algorithm_facts(bundle.manifest, policy.outputs),
            approval_facts(self._chain.find_approval(asset.token_id, parse_digest(job.request.algorithm))),
            asset_facts(asset),
            environment,
            people=self._people.read(job, policy),
            privacy=dataset.privacy.assessment.facts,
        )

    def _is_signed(self, job: JobRecord) -> bool:
        """Tell whether the stored request is still the one that its consumer signed: a changed row decides nothing."""
        domain = self._identity.domain
        try:
            signer = recover_signer(job.request.signable(domain), job.signature)
        except BadSignatureError:
            return False
        parameters = digest_of(job.parameters.encode())
        return (
            signer == job.consumer
            and job.request.job_id(domain) == job.job_id
            and job.request.parameters == parameters
        )

    def _token_id(self, asset_id: str) -> int:
        record = self._catalogue.find_dataset(asset_id)
        if record is None or record.token_id is None:
            raise NotFoundError(f"this provider has no dataset {asset_id}", code="dataset-unknown")
        return record.token_id

    def _find_policy(self, asset: Asset) -> Policy | None:
        try:
            return parse_policy(self._blobs.get(digest_text(asset.terms.policy_digest)))
        except (NotFoundError, BlobDamagedError, PolicyError):
            return None

    def _find_bundle(self, digest: str) -> Bundle | None:
        record = self._catalogue.find_algorithm(digest)
        if record is None:
            return None
        try:
            bundle = parse_bundle(decode_bundle(self._blobs.get(record.blob)))
        except (NotFoundError, BlobDamagedError, BundleInvalidError):
            return None
        return bundle if bundle.digest == digest else None

    def _request_facts(self, job: JobRecord, *, now: int, paid: bool) -> RequestFacts:
        request = job.request
        # A request that was paid for while it was current stays so in the queue: its order has a deadline of its own.
        # The signer was recovered over this chain's domain, so a request for another chain has another consumer.
        return RequestFacts(
            consumer=job.consumer,
            purpose=request.purpose,
            algorithm=request.algorithm,
            provider=request.provider,
            expiry=max(request.expiry, now + 1) if paid else request.expiry,
            datasets=len(request.datasets),
        )


def _denial(rule: str, detail: str, asset: Asset) -> Decision:
    return Decision((RuleVerdict(rule, Verdict.DENY, detail, asset.asset_id),))
