"""How a job would stand to a dataset's privacy: the facts that `policies` judges, and what the trainer would be told.

Computed from public facts alone, so that whoever is about to ask gets the figures that the provider gets. Decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal

from policies.facts import PrivacyFacts
from policies.mechanisms import Mechanism, PrivacyCost
from policies.privacy import ColumnUnit, PrivacyPolicy
from provider.description import Description
from provider.privacy.costs import cost_of, orders_for
from provider.privacy.errors import PrivacyError
from provider.privacy.filtering import stand_at
from sandbox.recipe import Recipe, fits_schema
from sandbox.training import TrainingOrders

Mechanisms = tuple[Mechanism, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """The mechanisms of each job that counts already, reserved or spent: everybody's, and the consumer's among them."""

    everybody: tuple[Mechanisms, ...] = ()
    consumer: tuple[Mechanisms, ...] = ()


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the rules judge, and the trainer's orders; None for code, and where the rules deny."""

    facts: PrivacyFacts = field(default_factory=PrivacyFacts)
    orders: TrainingOrders | None = None


def assess(
    recipe: Recipe | None,
    policy: PrivacyPolicy,
    description: Description | None,
    counted: Counted,
    *,
    reserved: PrivacyCost | None = None,
) -> Assessment:
    """Say how a job stands: `recipe` as its parameters have it, None for code; `description` None when it can't be had.

    A job that has reserved before costs what it reserved, which `counted` is without; whatever it would cost now.
    """
    if recipe is None:
        return Assessment()
    facts = _known(recipe, policy, description)
    if recipe.privacy is None:
        return Assessment(facts, TrainingOrders(recipe=recipe))
    if not facts.units:
        return Assessment(replace(facts, problem="the dataset's description says of no rows"))
    try:
        return _price(recipe, policy, facts, counted, reserved or cost_of(recipe, policy, facts.units))
    except PrivacyError as exc:
        return Assessment(replace(facts, problem=f"what the job costs can't be told: {exc}"))


def _known(recipe: Recipe, policy: PrivacyPolicy, description: Description | None) -> PrivacyFacts:
    if description is None:
        return PrivacyFacts()
    schema = description.table_schema
    fits = schema is not None and fits_schema(recipe, schema) is None
    return PrivacyFacts(units=_count_units(policy, description.row_count), fits_schema=fits)


def _count_units(policy: PrivacyPolicy, rows: int | None) -> int | None:
    """Return how many units the public takes the dataset to have: no more than rows, and those where the owner says nothing."""
    if rows is None or not isinstance(policy.unit, ColumnUnit) or policy.unit.count is None:
        return rows
    return min(rows, policy.unit.count)


def _price(
    recipe: Recipe, policy: PrivacyPolicy, facts: PrivacyFacts, counted: Counted, cost: PrivacyCost | None
) -> Assessment:
    if cost is None:
        return Assessment(replace(facts, problem="neither the recipe nor the policy names a delta"))
    orders = orders_for(recipe, policy, facts.units or 0, cost)
    if orders is None:
        problem = "what the job reserved is for another description of the data"
        return Assessment(replace(facts, cost=cost, problem=problem))
    return Assessment(_with_ledger(replace(facts, cost=cost), policy, counted), orders)


def _with_ledger(facts: PrivacyFacts, policy: PrivacyPolicy, counted: Counted) -> PrivacyFacts:
    """Add what the ledgers would stand at: at the policy's delta, whatever the job's own is; where it has none, at that."""
    if facts.cost is None:
        return facts
    delta, mine = Decimal(policy.delta or facts.cost.delta), facts.cost.mechanisms
    return replace(
        facts,
        after=stand_at((*counted.everybody, mine), delta, _decimal(policy.budget)),
        consumer_after=stand_at((*counted.consumer, mine), delta, _decimal(policy.consumer_budget)),
    )


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
