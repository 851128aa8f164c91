"""Decides whether one job may run on one dataset, from facts that the caller has read and verified.

- Every rule is evaluated and listed, whatever the others say.
- Deny beats wait beats allow; no rules at all is a deny.
- Total: any facts give a decision, never an error. Monotonic: taking a permission away never allows more.

Reaches for nothing: time, chain and engine come in as facts. Refuses to judge outputs; that is the gate's part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from policies.mechanisms import PrivacyCost
from policies.model import OutputsPolicy, Policy
from policies.purposes import can_serve
from policies.runtimes import explain_missing, find_runtime

ENGINE = "sealroom-policy/1"
"""Name and version of these rules; stands in every receipt."""


class Verdict(StrEnum):
    """What a rule, or all rules together, say."""

    ALLOW = "allow"
    DENY = "deny"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """The signed request. `consumer` is the signer recovered for this chain; `expiry` is in Unix seconds."""

    consumer: str
    purpose: str
    algorithm: str
    provider: str
    expiry: int


@dataclass(frozen=True, slots=True)
class AlgorithmFacts:
    """What a verified bundle declares; `provider.gate.declaration.algorithm_facts` computes it.

    `weights_bytes` is the exact size of the file that would be released, None when no weights are declared; `gpus` is how
    many graphics processors the algorithm asks for; `kind` says whether it is code or a recipe of ours, `has_scorer` whether
    code says how the gate can have its weights scored.
    """

    image: str
    weights_bytes: int | None
    metrics_count: int
    metrics_digits: int
    information_bits: int
    gpus: int = 0
    kind: Literal["code", "recipe"] = "code"
    has_scorer: bool = False


@dataclass(frozen=True, slots=True)
class PrivacyFacts:
    """What a job would do to privacy; None where that can't be told.

    `cost` is of the recipe on this dataset, None for code and for a recipe without privacy. `units` is the number of units
    that the dataset's public description allows for. `after` and `consumer_after` are what its ledger and the consumer's
    would stand at with this job, in epsilon at the policy's delta, everything reserved counted. `fits_schema` says that
    the recipe's columns and bounds are those of the dataset's schema.
    """

    cost: PrivacyCost | None = None
    units: int | None = None
    after: Decimal | None = None
    consumer_after: Decimal | None = None
    fits_schema: bool = False


@dataclass(frozen=True, slots=True)
class ApprovalFacts:
    """The owner's approval of the algorithm's digest, as the chain has it; Unix seconds."""

    approved_at: int
    expires_at: int
    revoked_at: int | None


@dataclass(frozen=True, slots=True)
class AssetFacts:
    """The dataset as the registry has it; `policy_digest` in edge form."""

    asset_id: str
    owner: str
    provider: str
    policy_digest: str
    retired: bool


@dataclass(frozen=True, slots=True)
class EnvironmentFacts:
    """Where and when: Unix seconds, this provider's address, the engine's runtimes, whether the image is there."""

    now: int
    provider: str
    runtimes: frozenset[str]
    image_present: bool


@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """One rule's verdict on one dataset; `detail` is in plain words, empty when there is nothing to add."""

    name: str
    verdict: Verdict
    detail: str = ""
    asset_id: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Every rule with its verdict, and what follows from them."""

    rules: tuple[RuleVerdict, ...]

    @property
    def status(self) -> Verdict:
        """Deny beats wait beats allow; nothing evaluated is a deny."""
        seen = {rule.verdict for rule in self.rules}
        if not seen or Verdict.DENY in seen:
            return Verdict.DENY
        return Verdict.WAIT if Verdict.WAIT in seen else Verdict.ALLOW

    @property
    def allowed(self) -> bool:
        """Whether the job may run now."""
        return self.status is Verdict.ALLOW

    @property
    def first_denied(self) -> RuleVerdict | None:
        """The first rule that denies, if any."""
        return next((rule for rule in self.rules if rule.verdict is Verdict.DENY), None)

    @property
    def first_waiting(self) -> RuleVerdict | None:
        """The first rule that waits, if any."""
        return next((rule for rule in self.rules if rule.verdict is Verdict.WAIT), None)


@dataclass(frozen=True, slots=True)
class _Case:
    policy: Policy
    request: RequestFacts
    algorithm: AlgorithmFacts
    approval: ApprovalFacts | None
    asset: AssetFacts
    environment: EnvironmentFacts


Finding = tuple[Verdict, str]
_OK: Finding = (Verdict.ALLOW, "")


def _allow_if(holds: bool, otherwise: str) -> Finding:  # noqa: FBT001 - the condition itself
    return _OK if holds else (Verdict.DENY, otherwise)


def _asset_active(case: _Case) -> Finding:
    return _allow_if(not case.asset.retired, "the dataset is retired")


def _policy_current(case: _Case) -> Finding:
    same = case.policy.digest != "" and case.policy.digest == case.asset.policy_digest
    return _allow_if(same, "the policy at hand is not the one registered for the dataset")


def _provider_matches(case: _Case) -> Finding:
    named = {case.request.provider.lower(), case.asset.provider.lower(), case.environment.provider.lower()}
    return _allow_if(len(named) == 1, "the request, the dataset and this service name different providers")


def _consumer_allowed(case: _Case) -> Finding:
    consumers = case.policy.consumers
    listed = consumers == "anyone" or case.request.consumer.lower() in consumers
    return _allow_if(listed, "the consumer is not among those that the policy names")


def _purpose_allowed(case: _Case) -> Finding:
    terms = case.policy.purposes
    problem = f"the purpose is not within {', '.join(terms)}"
    return _allow_if(can_serve(case.request.purpose, terms), problem)


def _algorithm_approved(case: _Case) -> Finding:
    approval, now = case.approval, case.environment.now
    if approval is None:
        return Verdict.WAIT, "the owner has not approved this algorithm"
    if approval.revoked_at is not None:
        return Verdict.DENY, f"the owner revoked the approval at {approval.revoked_at}"
    if approval.expires_at <= now:
        return Verdict.DENY, f"the approval expired at {approval.expires_at}"
    return _allow_if(approval.approved_at <= now, "the approval lies in the future")


def _image_allowed(case: _Case) -> Finding:
    images = case.policy.images
    allowed = images is None or case.algorithm.image in images
    return _allow_if(allowed, "the algorithm's image is not among those that the policy names")


def _image_present(case: _Case) -> Finding:
    return _allow_if(case.environment.image_present, "the provider doesn't have the algorithm's image")


def _runtime_available(case: _Case) -> Finding:
    gpus, runtimes = case.algorithm.gpus, case.environment.runtimes
    found = find_runtime(case.policy, runtimes, gpus=gpus)
    return _allow_if(found is not None, explain_missing(case.policy, gpus=gpus))


def _gpus_allowed(case: _Case) -> Finding:
    asked, allowed = case.algorithm.gpus, case.policy.limits.gpus
    return _allow_if(
        asked <= allowed, f"the algorithm asks for {asked} of the host's GPUs, allowed are {allowed}"
    )


def find_weights_excess(outputs: OutputsPolicy, size_bytes: int | None) -> str | None:
    """Return why a weights file of `size_bytes` may not leave; None when it may, or when there is none."""
    allowed = outputs.weights
    if size_bytes is None:
        return None
    if allowed is None:
        return "weights may not leave"
    if size_bytes > allowed.max_bytes:
        return f"the weights take {size_bytes} bytes, allowed are {allowed.max_bytes}"
    return None


def find_metrics_excess(outputs: OutputsPolicy, count: int, digits: int) -> str | None:
    """Return why `count` metrics of `digits` digits may not leave; None when they may, or when there are none."""
    allowed = outputs.metrics
    if count == 0:
        return None
    if allowed is None:
        return "metrics may not leave"
    if count > allowed.max_count:
        return f"{count} metrics are declared, allowed are {allowed.max_count}"
    if digits > allowed.max_digits:
        return f"metrics have {digits} digits, allowed are {allowed.max_digits}"
    return None


def find_information_excess(outputs: OutputsPolicy, bits: int) -> str | None:
    """Return why outputs that can carry `bits`, with a log that the consumer may read, may not leave; None when they may."""
    cap = outputs.max_information_bits
    return None if cap is None or bits <= cap else f"what leaves can carry {bits} bits, allowed are {cap}"


def _outputs_allowed(case: _Case) -> Finding:
    outputs, declared = case.policy.outputs, case.algorithm
    if declared.weights_bytes is None and declared.metrics_count == 0:
        return Verdict.DENY, "the algorithm declares no outputs"
    excess = (
        find_weights_excess(outputs, declared.weights_bytes)
        or find_metrics_excess(outputs, declared.metrics_count, declared.metrics_digits)
        or find_information_excess(outputs, declared.information_bits + case.policy.log_information_bits)
    )
    return _allow_if(excess is None, excess or "")


def _privacy_enforced(case: _Case) -> Finding:
    mode = case.policy.privacy.mode
    return _allow_if(mode == "none", f"the mode {mode} can't be enforced by this version")


def _request_current(case: _Case) -> Finding:
    return _allow_if(
        case.environment.now < case.request.expiry, f"the request expired at {case.request.expiry}"
    )


RULES: tuple[tuple[str, Callable[[_Case], Finding]], ...] = (
    ("asset-active", _asset_active),
    ("policy-current", _policy_current),
    ("provider-matches", _provider_matches),
    ("request-current", _request_current),
    ("consumer-allowed", _consumer_allowed),
    ("purpose-allowed", _purpose_allowed),
    ("algorithm-approved", _algorithm_approved),
    ("image-allowed", _image_allowed),
    ("image-present", _image_present),
    ("runtime-available", _runtime_available),
    ("gpus-allowed", _gpus_allowed),
    ("outputs-allowed", _outputs_allowed),
    ("privacy-enforced", _privacy_enforced),
)
"""Every rule by its stable name, in the order in which they are listed."""


def decide_job(
    policy: Policy,
    request: RequestFacts,
    algorithm: AlgorithmFacts,
    approval: ApprovalFacts | None,
    asset: AssetFacts,
    environment: EnvironmentFacts,
) -> Decision:
    """Evaluate every rule for one dataset.

    Not checked here: that the request's signature is good, that the bundle has the digest that was approved, and
    that an order pays for the job. The caller has verified the first two, and asks the chain for the third.
    """
    case = _Case(policy, request, algorithm, approval, asset, environment)
    return Decision(tuple(RuleVerdict(name, *rule(case), asset_id=asset.asset_id) for name, rule in RULES))
