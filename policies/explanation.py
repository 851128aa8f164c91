"""A policy in plain words under the Five Safes: what it allows, what is enforced, and what is only promised.

Made from the `Policy` that the engine decides by, so it says of a document what holds, not what was meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from policies.people import CredentialDemand
from policies.policy import GIB, KIB, MIB, LimitsPolicy, OutputsPolicy, Policy
from policies.privacy import DAY_S, ColumnUnit, MeasuredTests, PrivacyPolicy, ReviewPolicy
from policies.purposes import Force
from policies.terms import Term
from policies.witnesses import parse_witness_key

HEADINGS: Mapping[str, str] = {
    "projects": "what for",
    "people": "who",
    "data": "whose privacy, and how it is kept",
    "settings": "where and how",
    "outputs": "what may leave",
}
"""The Five Safes by their key in a document, and the question that each answers."""
LOGS = {
    "owner": "what an algorithm prints is for the owner alone",
    "nobody": "what an algorithm prints is kept for nobody",
    "consumer": "what an algorithm prints is for the job's consumer and the owner",
}
HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing that a policy says: the part of it, and words; a promise is what the scientist signs and nothing checks."""

    part: str
    words: str
    force: Force = "enforced"


Explanation = Mapping[str, tuple[Statement, ...]]
"""Statements by the keys of `HEADINGS`, in that order."""


def explain_policy(policy: Policy) -> Explanation:
    """Return what a policy says, heading by heading."""
    parts = {
        "projects": _explain_purposes(policy),
        "people": _explain_people(policy),
        "data": _explain_privacy(policy.privacy),
        "settings": _explain_settings(policy),
        "outputs": _explain_outputs(policy),
    }
    return {heading: tuple(statements) for heading, statements in parts.items()}


def list_promises(explanation: Explanation) -> tuple[Statement, ...]:
    """Return what the scientist promises by signing, and nothing enforces."""
    return tuple(item for items in explanation.values() for item in items if item.force == "promise")


def _explain_purposes(policy: Policy) -> Iterator[Statement]:
    for term in policy.purposes:
        yield Statement(term.text, _term_words(term), term.force)


def _term_words(term: Term) -> str:
    words = term.duo.label
    named = term.duo.parameter and getattr(term, term.duo.parameter)
    if named:
        given = ", ".join(named) if isinstance(named, tuple) else str(named)
        words += f": {given}"
    elif term.duo.parameter == "diseases":
        words += ", whichever the scientist names"
    return f"{words} (shown by the credential {term.credential})" if term.credential else words


def _explain_people(policy: Policy) -> Iterator[Statement]:
    named = "anyone" if policy.consumers == "anyone" else _count(len(policy.consumers), "named account")
    listed = [f"on the allow-list {root[:8]}…{root[-8:]}" for root in policy.allow_lists]
    who = named if policy.consumers != "anyone" or not listed else "accounts"
    yield Statement("consumers", " ".join([who, " and ".join(listed)]).strip())
    for demand in policy.credentials:
        yield Statement(f"credential {demand.claim}", _credential_words(demand))


def _credential_words(demand: CredentialDemand) -> str:
    return f"each shows it unexpired, signed by {' or '.join(demand.issuers)}"


def _explain_privacy(privacy: PrivacyPolicy) -> Iterator[Statement]:
    if privacy.mode == "none":
        yield Statement("privacy", "no noise and no test: what leaves is bounded in size and in bits alone")
        return
    if isinstance(privacy.unit, ColumnUnit):
        unit = f"all rows with one value of {privacy.unit.column}, of which {privacy.unit.max_rows} at most are used"
        if privacy.unit.count is not None:
            unit += f"; that there are about {privacy.unit.count} is told to everybody"
    else:
        unit = "one row"
    yield Statement("unit", f"what is protected is {unit}")
    yield Statement("together", "a job under this mode is on this dataset alone")
    if privacy.tests is not None:
        yield Statement("privacy", _tests_words(privacy.tests))
    else:
        yield Statement("privacy", "only training recipes run, by our own trainer with differential privacy")
        yield Statement("budget", _budget_words(privacy))


def _tests_words(tests: MeasuredTests) -> str:
    return (
        f"the model is tested for memory of its rows: {tests.hold_back} of the units are held back, a gap over"
        f" {tests.max_gap} or a membership test with an AUC over {tests.max_auc} does not pass, nor do fewer than"
        f" {tests.min_rows} rows"
    ) + ("" if tests.target is None else f"; code has to be a model of {tests.target}")


def _budget_words(privacy: PrivacyPolicy) -> str:
    words = f"epsilon {privacy.budget} at delta {privacy.delta} for all jobs together, for ever"
    if privacy.consumer_budget is not None:
        words += f"; {privacy.consumer_budget} for each consumer"
    return words if privacy.job_epsilon is None else f"{words}; {privacy.job_epsilon} for each job"


def _explain_settings(policy: Policy) -> Iterator[Statement]:
    demanded = policy.runtime == "gvisor"
    yield Statement(
        "runtime", "gVisor or nothing runs" if demanded else "gVisor where there is one, else runc"
    )
    yield Statement("images", _image_words(policy.images))
    yield Statement("limits", _limit_words(policy.limits))
    yield Statement("approval", "the owner approves each algorithm by its digest")
    yield Statement("logs", LOGS[policy.logs])
    for demand in policy.witnesses:
        names = ", ".join(parse_witness_key(key).name for key in demand.keys)
        yield Statement(
            "witnesses", f"{demand.threshold} of {names} cosign the log's checkpoint before anything leaves"
        )


def _image_words(images: tuple[str, ...] | None) -> str:
    if images is None:
        return "any that the owner approves with an algorithm"
    return f"one of {_count(len(images), 'image')}, by digest" if images else "none, so nothing runs"


def _limit_words(limits: LimitsPolicy) -> str:
    gpus = _count(limits.gpus, "GPU") if limits.gpus else "no GPU"
    return f"{limits.time_s} s, {_size(limits.memory_bytes)} of memory, processors: {limits.cpus}, {gpus}"


def _explain_outputs(policy: Policy) -> Iterator[Statement]:
    yield Statement("may leave", _release_words(policy.outputs))
    if policy.outputs.max_information_bits is not None:
        yield Statement("bits", f"{policy.outputs.max_information_bits} at most, all together")
    for review in policy.reviews:
        yield Statement("review", _review_words(review))


def _release_words(outputs: OutputsPolicy) -> str:
    parts = []
    if outputs.weights is not None:
        kept = outputs.weights.mantissa_bits
        rounded = "" if kept is None else f", rounded to {kept} bits of fraction"
        parts.append(f"weights of {_size(outputs.weights.max_bytes)} at most{rounded}")
    if outputs.metrics is not None:
        metrics = outputs.metrics
        parts.append(
            f"{_count(metrics.max_count, 'metric')} at most, of {_count(metrics.max_digits, 'digit')}"
        )
    return "; ".join(parts) or "nothing"


def _review_words(review: ReviewPolicy) -> str:
    when = "each release" if review.when == "always" else "a release of which a privacy test did not pass"
    who = f"{review.needed} of {_count(len(review.reviewers), 'reviewer')}, never the job's consumer"
    return f"{who}, agree to {when} within {_duration(review.within_s)}, else it is withheld"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _size(size_bytes: int) -> str:
    unit, name = next(
        ((unit, name) for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")) if size_bytes % unit == 0),
        (1, "bytes"),
    )
    return f"{size_bytes // unit} {name}"


def _duration(seconds: int) -> str:
    unit, name = next(
        ((unit, name) for unit, name in ((DAY_S, "day"), (HOUR_S, "hour")) if seconds % unit == 0),
        (1, "second"),
    )
    return _count(seconds // unit, name)
