"""What holds for one job on several datasets: never more than each of their policies says on its own.

A job runs when the decision about each dataset allows it. What it may then use and let out is one policy, of which every
part is the narrowest: the smallest limit, the purposes and images that all have, the strictest runtime, every demand for
witnesses. It allows just what all allow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Literal, TypeVar

from policies.people import Consumers
from policies.policy import LimitsPolicy, MetricsAllowance, OutputsPolicy, Policy, WeightsAllowance
from policies.privacy import ReviewPolicy
from policies.purposes import DISEASE_RESEARCH, Purpose
from policies.terms import Term, is_within
from policies.verdicts import Decision

PartT = TypeVar("PartT")
Logs = Literal["owner", "nobody", "consumer"]


def combine_decisions(decisions: Sequence[Decision]) -> Decision:
    """Return the decision about a job from those about each of its datasets; a dataset that no rule judged is a deny."""
    judged = all(decision.rules for decision in decisions)
    return Decision(tuple(rule for decision in decisions for rule in decision.rules) if judged else ())


def combine_policies(policies: Sequence[Policy], *, one_owner: bool) -> Policy | None:
    """Return the one policy that a job on several datasets runs under; None where they exclude one another.

    A single policy is returned as it is; the digest of a combined one is empty. `one_owner` says that one account owns
    every dataset. The log may hold rows of each, so it opens to consumer and owners where every policy says `consumer`;
    else it is kept for that one owner where no policy says `nobody`, and for nobody where there are several.

    Not checked here: that each policy allows the job.
    """
    if len(policies) == 1:
        return policies[0]
    purposes = _combine_purposes([policy.purposes for policy in policies])
    reviews = [policy.review for policy in policies if policy.review is not None]
    review = _combine_reviews(reviews)
    alone = any(policy.privacy.mode != "none" for policy in policies)
    if alone or not any(term.purposes for term in purposes) or (reviews and review is None):
        return None
    return Policy(
        purposes=purposes,
        consumers=_combine_consumers([policy.consumers for policy in policies]),
        allow_lists=_union(policy.allow_lists for policy in policies),
        credentials=_union(policy.credentials for policy in policies),
        runtime="gvisor" if any(policy.runtime == "gvisor" for policy in policies) else "any",
        limits=_combine_limits([policy.limits for policy in policies]),
        outputs=_combine_outputs([policy.outputs for policy in policies]),
        images=_combine_images([policy.images for policy in policies]),
        logs=_combine_logs({policy.logs for policy in policies}, one_owner=one_owner),
        review=review,
        witnesses=_union(policy.witnesses for policy in policies),
    )


def _combine_purposes(parts: Sequence[tuple[Term, ...]]) -> tuple[Term, ...]:
    """Return the purposes that lie within a permission of each policy, and every modifier of any."""
    listed = _union(parts)
    named = dict.fromkeys(purpose for term in listed for purpose in term.purposes)
    shared = [purpose for purpose in named if all(_serves(purpose, terms) for terms in parts)]
    return (*_as_terms(shared), *(term for term in listed if not term.purposes))


def _serves(purpose: Purpose, terms: Iterable[Term]) -> bool:
    return any(is_within(purpose, term) for term in terms)


def _as_terms(purposes: Sequence[Purpose]) -> Iterable[Term]:
    yield from (Term(term=purpose.curie) for purpose in purposes if purpose.disease is None)
    diseases = tuple(purpose.disease for purpose in purposes if purpose.disease is not None)
    if diseases:
        yield Term.model_construct(
            term=DISEASE_RESEARCH, diseases=diseases
        )  # may be more than one document names


def _combine_reviews(parts: Sequence[ReviewPolicy]) -> ReviewPolicy | None:
    """Return one review that meets the demands of all; None where no account is a reviewer for enough of them."""
    if not parts:
        return None
    needed = max(part.needed for part in parts)
    reviewers = _shared([part.reviewers for part in parts])
    if len(reviewers) < needed:
        return None
    return ReviewPolicy(
        reviewers=reviewers,
        needed=needed,
        when="always" if any(part.when == "always" for part in parts) else "not-passed",
        within_s=min(part.within_s for part in parts),
    )


def _union(parts: Iterable[Sequence[PartT]]) -> tuple[PartT, ...]:
    return tuple(dict.fromkeys(item for part in parts for item in part))


def _combine_consumers(parts: Iterable[Consumers]) -> Consumers:
    lists = [part for part in parts if part != "anyone"]
    return _shared(lists) if lists else "anyone"


def _combine_images(parts: Iterable[tuple[str, ...] | None]) -> tuple[str, ...] | None:
    lists = [part for part in parts if part is not None]
    return _shared(lists) if lists else None


def _shared(lists: Sequence[Sequence[str]]) -> tuple[str, ...]:
    return tuple(item for item in dict.fromkeys(lists[0]) if all(item in other for other in lists))


def _combine_limits(parts: Sequence[LimitsPolicy]) -> LimitsPolicy:
    least = {name: min(getattr(part, name) for part in parts) for name in LimitsPolicy.model_fields}
    return LimitsPolicy(**least | {"cpus": min((part.cpus for part in parts), key=Decimal)})


def _combine_outputs(parts: Sequence[OutputsPolicy]) -> OutputsPolicy:
    caps = [part.max_information_bits for part in parts if part.max_information_bits is not None]
    return OutputsPolicy(
        weights=_if_all([part.weights for part in parts], _combine_weights),
        metrics=_if_all([part.metrics for part in parts], _combine_metrics),
        max_information_bits=min(caps, default=None),
    )


def _if_all(parts: Sequence[PartT | None], combine: Callable[[Sequence[PartT]], PartT]) -> PartT | None:
    """Combine what each policy allows; None as soon as one doesn't."""
    given = [part for part in parts if part is not None]
    return combine(given) if len(given) == len(parts) else None


def _combine_weights(parts: Sequence[WeightsAllowance]) -> WeightsAllowance:
    kept = [part.mantissa_bits for part in parts if part.mantissa_bits is not None]
    return WeightsAllowance(
        max_bytes=min(part.max_bytes for part in parts), mantissa_bits=min(kept, default=None)
    )


def _combine_metrics(parts: Sequence[MetricsAllowance]) -> MetricsAllowance:
    return MetricsAllowance(
        max_count=min(part.max_count for part in parts), max_digits=min(part.max_digits for part in parts)
    )


def _combine_logs(words: set[Logs], *, one_owner: bool) -> Logs:
    if words == {"consumer"}:
        return "consumer"
    return "owner" if one_owner and "nobody" not in words else "nobody"
