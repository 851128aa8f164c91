"""Decides which datasets are looked for. Pure: what isn't known of a dataset is neither a yes nor a no."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cli.discovery import Entry
from policies.runtimes import find_runtime
from policies.terms import can_serve
from provider.description import Description

PRICE_UNIT = 10**18


@dataclass(frozen=True, slots=True)
class Criteria:
    """What is looked for: all of it. `max_price` counts 10^-18 tokens, whatever the token; None and empty ask nothing."""

    words: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    min_size_bytes: int | None = None
    max_size_bytes: int | None = None
    purpose: str | None = None
    runtime: str | None = None
    max_price: int | None = None


def matches(criteria: Criteria, entry: Entry) -> bool | None:
    """Tell whether a dataset is one that is looked for; None when what decides it isn't known."""
    verdicts = {question(criteria, entry) for question in QUESTIONS}
    if False in verdicts:
        return False
    return None if None in verdicts else True


def _matches_description(criteria: Criteria, entry: Entry) -> bool | None:
    asked = (criteria.words, criteria.columns, criteria.min_size_bytes, criteria.max_size_bytes)
    if asked == ((), (), None, None):
        return True
    return None if entry.description is None else _is_described(criteria, entry.description)


def _is_described(criteria: Criteria, description: Description) -> bool:
    text = f"{description.name}\n{description.description}".casefold()
    size = description.size_bytes
    return (
        all(word.casefold() in text for word in criteria.words)
        and description.column_names.issuperset(criteria.columns)
        and (criteria.min_size_bytes is None or criteria.min_size_bytes <= size)
        and (criteria.max_size_bytes is None or size <= criteria.max_size_bytes)
    )


def _allows_purpose(criteria: Criteria, entry: Entry) -> bool | None:
    if criteria.purpose is None:
        return True
    return None if entry.policy is None else can_serve(criteria.purpose, entry.policy.purposes)


def _offers_runtime(criteria: Criteria, entry: Entry) -> bool | None:
    """Tell whether the provider has the runtime and the policy lets a job run under it."""
    if criteria.runtime is None:
        return True
    if entry.policy is None or entry.provider.problem:
        return None
    return find_runtime(entry.policy, entry.provider.runtimes & {criteria.runtime}) is not None


def _is_affordable(criteria: Criteria, entry: Entry) -> bool | None:
    if criteria.max_price is None or entry.asset.terms.price_wei == 0:
        return True
    if not entry.token.symbol:  # it doesn't say how it is counted
        return None
    most: int = criteria.max_price * 10**entry.token.decimals
    return entry.asset.terms.price_wei * PRICE_UNIT <= most


QUESTIONS: tuple[Callable[[Criteria, Entry], bool | None], ...] = (
    _matches_description,
    _allows_purpose,
    _offers_runtime,
    _is_affordable,
)
