"""Who reads what an algorithm printed: the policy says it, the receipt repeats it, and the bound on information counts it."""

from __future__ import annotations

import json

import pytest

from datatokens.model import OrderStatus
from policies.egress import ENDING_BITS
from provider.jobs.states import State
from provider.receipts.errors import StatementRefusedError
from provider.receipts.statement import parse_statement
from tests.hospital_fixtures import Hospital
from tests.provider_fixtures import HONEST, POLICY, new_account

SAYS = "print('epoch 1')\n"
LOG_BYTES = 2048
OPEN = (
    POLICY.replace("output_bytes: 4MiB", f"output_bytes: 4MiB, log_bytes: {LOG_BYTES}") + "logs: consumer\n"
)
OUTPUT_BITS = ENDING_BITS + 2 * 32 + 17  # two numbers of 32 bits, and a metric of 100,001 values


def test_by_default_the_owner_reads_the_log_and_the_scientist_does_not(hospital: Hospital) -> None:
    job = hospital.run(SAYS + HONEST)
    path = f"/v1/jobs/{job.job_id}/log"
    assert hospital.lab.read(hospital.lab.people.owner, path).data == b"epoch 1\n"
    assert hospital.lab.read(hospital.lab.people.scientist, path).status_code == 404
    facts = hospital.statement(job.job_id).facts
    assert facts.run is not None
    assert (facts.run.logs, facts.privacy.information_bits) == ("owner", OUTPUT_BITS)


def test_a_policy_that_opens_the_log_lets_its_consumer_read_it_and_nobody_else(hospital: Hospital) -> None:
    job = hospital.run(SAYS + HONEST, policy=OPEN)
    assert job.state is State.RELEASED
    path, people = f"/v1/jobs/{job.job_id}/log", hospital.lab.people
    for reader in (people.owner, people.scientist):
        assert hospital.lab.read(reader, path).data == b"epoch 1\n"
    assert hospital.lab.read(new_account(), path).status_code == 404
    facts = hospital.verify(job.job_id, {}).facts
    assert facts.run is not None
    assert (facts.run.logs, facts.privacy.information_bits) == ("consumer", OUTPUT_BITS + 8 * LOG_BYTES)


def test_an_open_log_is_read_and_counted_though_the_run_failed(hospital: Hospital) -> None:
    job = hospital.run(SAYS + "raise SystemExit(3)", policy=OPEN)
    assert job.code == "algorithm-failed"
    path = f"/v1/jobs/{job.job_id}/log"
    assert hospital.lab.read(hospital.lab.people.scientist, path).data == b"epoch 1\n"
    assert hospital.statement(job.job_id).facts.privacy.information_bits == ENDING_BITS + 8 * LOG_BYTES


def test_an_open_log_is_kept_to_its_last_bytes(hospital: Hospital) -> None:
    job = hospital.run("print('x' * 5000 + 'end')\n" + HONEST, policy=OPEN)
    log = hospital.lab.read(hospital.lab.people.scientist, f"/v1/jobs/{job.job_id}/log").data
    assert len(log) == LOG_BYTES
    assert log.endswith(b"xend\n")


def test_hole_4_an_open_log_is_not_handed_out_before_its_order_is_settled(hospital: Hospital) -> None:
    job_id = hospital.queue(SAYS + HONEST, policy=OPEN)
    hospital.runner.turn()
    path, people = f"/v1/jobs/{job_id}/log", hospital.lab.people
    assert (hospital.lab.read(people.scientist, path).json or {})["code"] == "not-settled"
    assert hospital.lab.read(people.owner, path).data == b"epoch 1\n"
    hospital.notary.turn()
    assert hospital.order_status(job_id) is OrderStatus.SETTLED
    assert hospital.lab.read(people.scientist, path).data == b"epoch 1\n"


def test_a_log_that_nobody_may_read_is_not_kept(hospital: Hospital) -> None:
    job = hospital.run(SAYS + HONEST, policy=POLICY + "logs: nobody\n")
    assert job.log_blob is None
    answer = hospital.lab.read(hospital.lab.people.owner, f"/v1/jobs/{job.job_id}/log")
    assert (answer.json or {})["code"] == "no-log"
    run = hospital.statement(job.job_id).facts.run
    assert run is not None
    assert run.logs == "nobody"


@pytest.mark.parametrize(("field", "value"), [("logs", "anyone"), ("bits", "0")])
def test_a_receipt_that_hides_a_reader_of_the_log_or_its_bits_is_refused(
    hospital: Hospital, field: str, value: str
) -> None:
    job = hospital.run(SAYS + "raise SystemExit(3)", policy=OPEN)
    document = hospital.statement(job.job_id).document
    if field == "logs":
        document["predicate"]["run"]["logs"] = value
    else:
        document["predicate"]["privacy"]["informationBits"] = value
    with pytest.raises(StatementRefusedError):
        parse_statement(json.dumps(document).encode())
