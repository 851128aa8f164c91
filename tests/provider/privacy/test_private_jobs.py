"""What jobs under the mode differential spend, through the real judge, worker, container and log."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from datatokens.model import Asset
from policies.canonical import canonical_json, digest_of
from provider.jobs.states import State
from provider.privacy.accounting import compose_epsilon
from provider.receipts.facts import UnitFacts
from provider.receipts.privacy import read_mechanisms
from sandbox.bundle import Bundle
from tests.hospital_fixtures import Hospital
from tests.privacy_samples import DIFFERENTIAL, WARDS_SCHEMA, recipe_bundle


def offer(hospital: Hospital, *, policy: str = DIFFERENTIAL) -> tuple[Asset, Bundle]:
    asset = hospital.lab.add_dataset(
        policy=policy.replace("IMAGE", hospital.image), table_schema=WARDS_SCHEMA
    )
    bundle = recipe_bundle(hospital.image)
    hospital.lab.upload(bundle)
    hospital.lab.approve(asset, bundle)
    return asset, bundle


def submit(hospital: Hospital, asset: Asset, bundle: Bundle, **parameters: object) -> str:
    digest = digest_of(canonical_json(parameters))
    request = hospital.lab.request(asset, bundle, parameters=digest)
    answer = hospital.lab.submit(request, parameters=parameters)
    return str((answer.json or {})["job_id"])


def test_a_recipe_is_released_and_its_receipt_says_what_it_spent_and_what_the_ledger_stands_at(
    hospital: Hospital,
) -> None:
    asset, bundle = offer(hospital)
    jobs = [submit(hospital, asset, bundle), submit(hospital, asset, bundle, epsilon="1.5")]
    stated = []
    for job_id in jobs:
        hospital.pay(asset, bundle, job_id)
        hospital.work()
        assert (hospital.job(job_id).state, hospital.job(job_id).message) == (
            State.RELEASED,
            "the weights passed the gate and are ready",
        )
        stated.append(hospital.statement(job_id).facts.privacy)
    first, second = stated
    assert (first.mechanism, first.delta, first.ledger_cap) == ("dp-sgd", "0.001", "5")
    assert first.ledger_before == "0"
    assert Decimal("1.98") <= Decimal(first.epsilon or 0) <= 2
    assert second.ledger_before == first.ledger_after == first.epsilon
    together = compose_epsilon((*read_mechanisms(first), *read_mechanisms(second)), Decimal("0.001"))
    assert second.ledger_after == format(together, "f")


@pytest.mark.parametrize(
    ("count", "planned"), [(None, ("0.5", 4)), (32, ("0.625", 3)), (1_000_000, ("0.5", 4))]
)
def test_batches_are_planned_by_the_units_that_the_policy_counts_and_never_by_more_than_there_are_rows(
    hospital: Hospital, count: int | None, planned: tuple[str, int]
) -> None:
    unit = {"column": "age", "max_rows": 3, "count": count}
    policy = DIFFERENTIAL.replace("mode: differential", f"mode: differential, unit: {json.dumps(unit)}")
    asset, bundle = offer(hospital, policy=policy)
    job_id = submit(hospital, asset, bundle)
    hospital.pay(asset, bundle, job_id)
    hospital.work()
    stated = hospital.statement(job_id).facts.privacy
    assert stated.unit == UnitFacts("age", 3)
    assert [(item.sampling_rate, item.steps) for item in stated.mechanisms] == [planned]
