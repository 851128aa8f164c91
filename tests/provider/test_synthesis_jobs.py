"""A job that counts, at the provider: admitted under the mode differential, run sealed, released, and stated in its receipt."""

from __future__ import annotations

from decimal import Decimal

from policies.mechanisms import Gaussian
from policies.schema import parse_schema
from provider.jobs.states import State
from provider.privacy.accounting import compose_epsilon
from provider.receipts.privacy import read_mechanisms
from sandbox.bundle import Bundle, parse_bundle
from tests.hospital_fixtures import Hospital
from tests.provider_fixtures import POLICY

SCHEMA = """\
columns:
  - {name: age, kind: integer, min: "0", max: "120"}
  - {name: outcome, kind: category, categories: ["0", "1"]}
"""
DIFFERENTIAL = (
    POLICY + 'privacy: {mode: differential, delta: "0.001", budget: "3", job_epsilon: "2"}\nimages: [IMAGE]\n'
)
COUNTS = """\
kind: recipe
name: ward-counts
version: "1"
image: {image}
recipe:
  task: synthesis
  features:
    - {{kind: integer, column: age, min: "0", max: "120", bins: 4}}
    - {{kind: category, column: outcome, categories: ["0", "1"]}}
  target: outcome
  privacy: {{epsilon: 2}}
"""


def make_counts(image: str) -> Bundle:
    return parse_bundle({"algorithm.yaml": COUNTS.format(image=image).encode()})


def test_counts_are_released_once_and_what_they_cost_keeps_a_second_job_out(hospital: Hospital) -> None:
    lab, bundle = hospital.lab, make_counts(hospital.image)
    parse_schema(SCHEMA.encode())
    asset = lab.add_dataset(policy=DIFFERENTIAL.replace("IMAGE", hospital.image), table_schema=SCHEMA)
    lab.upload(bundle)
    lab.approve(asset, bundle)
    job_id = hospital.submit(asset, bundle)
    hospital.pay(asset, bundle, job_id)
    hospital.work()
    assert hospital.job(job_id).state is State.RELEASED
    stated = hospital.statement(job_id).facts
    assert [(item.name, item.released) for item in stated.outputs] == [("model.safetensors", True)]
    (mechanism,) = read_mechanisms(stated.privacy)
    assert isinstance(mechanism, Gaussian)
    assert mechanism.count == 3
    assert stated.privacy.mechanism == "noisy-counts"
    assert stated.privacy.ledger_after == format(compose_epsilon((mechanism,), Decimal("0.001")), "f")
    assert Decimal("1.9") < Decimal(stated.privacy.ledger_after or 0) <= 2
    second = hospital.submit(asset, bundle)
    hospital.clerk.turn()
    assert hospital.job(second).state is State.REFUSED
    assert "rule privacy-budget" in hospital.job(second).message
