"""Decides whether one job may run on one dataset, from facts that the caller has read and verified.

- Every rule is evaluated and listed, whatever the others say.
- Deny beats wait beats allow; no rules at all is a deny.
- Total: any facts give a decision, never an error. Monotonic: taking a permission away never allows more.

Reaches for nothing: time, chain and engine come in as facts. Refuses to judge outputs; that is the gate's part.
"""

from __future__ import annotations

from policies.facts import (
    AlgorithmFacts,
    ApprovalFacts,
    AssetFacts,
    CredentialFacts,
    EnvironmentFacts,
    PeopleFacts,
    PrivacyFacts,
    RequestFacts,
)
from policies.policy import Policy
from policies.rules import assets, outputs, projects, settings
from policies.rules import people as people_rules
from policies.rules import privacy as privacy_rules
from policies.rules import reviews as review_rules
from policies.rules.case import Case, Rule
from policies.rules.outputs import find_information_excess, find_metrics_excess, find_weights_excess
from policies.verdicts import Decision, RuleVerdict, Verdict

__all__ = [
    "ENGINE",
    "RULES",
    "AlgorithmFacts",
    "ApprovalFacts",
    "AssetFacts",
    "CredentialFacts",
    "Decision",
    "EnvironmentFacts",
    "PeopleFacts",
    "PrivacyFacts",
    "RequestFacts",
    "RuleVerdict",
    "Verdict",
    "decide_job",
    "find_information_excess",
    "find_metrics_excess",
    "find_weights_excess",
]

ENGINE = "sealroom-policy/1"
"""Name and version of these rules; stands in every receipt."""

RULES: tuple[tuple[str, Rule], ...] = (
    ("asset-active", assets.asset_active),
    ("policy-current", assets.policy_current),
    ("provider-matches", assets.provider_matches),
    ("request-current", projects.request_current),
    ("consumer-allowed", people_rules.consumer_allowed),
    ("credentials-held", people_rules.credentials_held),
    ("purpose-allowed", projects.purpose_allowed),
    ("algorithm-approved", projects.algorithm_approved),
    ("image-allowed", settings.image_allowed),
    ("image-present", settings.image_present),
    ("runtime-available", settings.runtime_available),
    ("gpus-allowed", settings.gpus_allowed),
    ("outputs-allowed", outputs.outputs_allowed),
    ("privacy-enforced", privacy_rules.privacy_enforced),
    ("privacy-measurable", privacy_rules.privacy_measurable),
    ("dataset-alone", privacy_rules.dataset_alone),
    ("reviewers-independent", review_rules.reviewers_independent),
)
"""Every rule by its stable name, in the order in which they are listed."""


def decide_job(
    policy: Policy,
    request: RequestFacts,
    algorithm: AlgorithmFacts,
    approval: ApprovalFacts | None,
    asset: AssetFacts,
    environment: EnvironmentFacts,
    *,
    people: PeopleFacts | None = None,
    privacy: PrivacyFacts | None = None,
) -> Decision:
    """Evaluate every rule for one dataset; without `people` and `privacy` nothing is known of the consumer or the cost.

    Not checked here: that the request's signature is good, that the bundle has the digest that was approved, and
    that an order pays for the job. The caller has verified the first two, and asks the chain for the third.
    """
    case = Case(
        policy,
        request,
        algorithm,
        approval,
        asset,
        environment,
        people or PeopleFacts(),
        privacy or PrivacyFacts(),
    )
    return Decision(tuple(RuleVerdict(name, *rule(case), asset_id=asset.asset_id) for name, rule in RULES))
