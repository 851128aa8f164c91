"""A preflight as it is printed: one JSON document, or pages for a person."""

from __future__ import annotations

from typing import Any

from cli.money import write_amount
from cli.output import fields, plain, table
from cli.preflight import Cost, DatasetOutlook, Preflight
from policies.foresight import Foresight

WORDS = {
    Foresight.ALLOW: "the provider will run it once it is ordered",
    Foresight.DENY: "the provider will refuse it",
    Foresight.WAIT: "the provider will let it wait for the owner's approval",
    Foresight.UNKNOWN: "it can't be said: see what is unknown below",
}
APPROVAL = "algorithm-approved"


def preflight_document(found: Preflight) -> dict[str, Any]:
    """Return a preflight as JSON."""
    return {
        "prediction": found.forecast.status.value,
        "problems": list(found.problems),
        "consumer": found.consumer,
        "algorithm": found.algorithm,
        "datasets": [_dataset_document(item) for item in found.datasets],
        "cost": [_cost_document(cost) for cost in found.costs],
        "waiting": {
            "approvals": [
                rule.asset_id
                for rule in found.forecast.rules
                if rule.name == APPROVAL and rule.verdict is Foresight.WAIT
            ],
            "queued": found.queue.queued if found.queue else None,
            "running": found.queue.running if found.queue else None,
            "reviews": [
                _review_document(item, found.order_s)
                for item in found.datasets
                if item.policy and item.policy.review
            ],
            "witnesses": sum(len(item.policy.witnesses) for item in found.datasets if item.policy),
        },
    }


def preflight_page(found: Preflight) -> str:
    """Return a preflight for a person."""
    document = preflight_document(found)
    rows = [(rule.name, rule.verdict.value, plain(rule.detail)) for rule in found.forecast.rules]
    waiting = document["waiting"]
    facts: dict[str, object] = {
        "prediction": f"{found.forecast.status.value}: {WORDS[found.forecast.status]}",
        **{f"problem {number}": plain(text) for number, text in enumerate(found.problems, start=1)},
        "costs": ", ".join(write_amount(cost.amount, cost.token) for cost in found.costs) or "not known",
        "you hold": ", ".join(write_amount(cost.held, cost.token) for cost in found.costs) or "not known",
        "jobs ahead": f"{waiting['queued']} queued, {waiting['running']} running",
        "approval": "still to be given" if waiting["approvals"] else "nothing to wait for",
        "review": f"{len(waiting['reviews'])} policies have people look first"
        if waiting["reviews"]
        else "none",
    }
    for item in found.datasets:
        facts |= _privacy_words(item)
    return f"{fields(facts)}\n\n{table(('RULE', 'VERDICT', 'DETAIL'), rows)}"


def _dataset_document(item: DatasetOutlook) -> dict[str, Any]:
    policy, privacy = item.policy, item.privacy
    terms = policy.privacy if policy else None
    return {
        "asset_id": item.asset.asset_id,
        "prediction": item.forecast.status.value,
        "rules": [
            {"name": rule.name, "verdict": rule.verdict.value, "detail": rule.detail}
            for rule in item.forecast.rules
        ],
        "privacy": {
            "mode": terms.mode if terms else None,
            "epsilon": privacy.cost.epsilon if privacy.cost else None,
            "delta": privacy.cost.delta if privacy.cost else None,
            "after": _text(privacy.after),
            "budget": terms.budget if terms else None,
            "consumer_after": _text(privacy.consumer_after),
            "consumer_budget": terms.consumer_budget if terms else None,
        },
    }


def _cost_document(cost: Cost) -> dict[str, Any]:
    return {
        "token": cost.token.address,
        "amount": write_amount(cost.amount, cost.token),
        "amount_wei": str(cost.amount),
        "held_wei": str(cost.held),
        "enough": cost.held >= cost.amount,
    }


def _review_document(item: DatasetOutlook, order_s: int) -> dict[str, Any]:
    demand = item.policy.review if item.policy else None
    return {
        "asset_id": item.asset.asset_id,
        "when": demand.when if demand else None,
        "needed": demand.needed if demand else None,
        "within_s": min(demand.within_s, order_s) if demand else None,
    }


def _privacy_words(item: DatasetOutlook) -> dict[str, object]:
    name = f"privacy of {item.asset.asset_id[:12]}"
    cost, terms = item.privacy.cost, item.policy.privacy if item.policy else None
    if terms is None or cost is None:
        return {name: terms.mode if terms else "not known"}
    stands = f", then {item.privacy.after} of {terms.budget or 'no budget'}" if item.privacy.after else ""
    return {name: f"{terms.mode}: epsilon {cost.epsilon} at delta {cost.delta}{stands}"}


def _text(value: object) -> str | None:
    return None if value is None else str(value)
