"""A policy that demands gVisor on a host whose engine doesn't have it: nothing runs, nobody pays, and all are told why."""

from __future__ import annotations

import pytest

from datatokens.model import OrderStatus
from provider.jobs.states import State
from sandbox.engine import DockerEngine
from sandbox.spec import Runtime
from tests.hospital_fixtures import Hospital
from tests.provider_fixtures import POLICY

DEMANDS = POLICY + "runtime: gvisor\n"
WORDS = "the policy demands gVisor: install gVisor (runsc) and register it with the engine"


class PlainEngine(DockerEngine):
    """The real engine, on which nobody has registered gVisor."""

    def runtimes(self) -> frozenset[Runtime]:
        return super().runtimes() - {Runtime.RUNSC}


def take_gvisor_away(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hospital.judge, "_engine", PlainEngine())


def test_the_job_is_refused_before_it_is_paid_and_scientist_and_owner_read_what_to_install(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_gvisor_away(hospital, monkeypatch)
    asset, bundle = hospital.accepted(policy=DEMANDS)
    job_id = hospital.submit(asset, bundle)
    hospital.clerk.turn()
    hospital.notary.turn()
    assert hospital.job(job_id).state is State.REFUSED
    for reader in (hospital.lab.people.scientist, hospital.lab.people.owner):
        view = hospital.lab.read(reader, f"/v1/jobs/{job_id}").json or {}
        assert view["code"] == "runtime-missing"
        assert view["message"].startswith(f"refused by rule runtime-available: {WORDS}")
        assert "`sealroom doctor`" in view["next_step"]


def test_the_receipt_names_the_rule_with_the_same_words(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_gvisor_away(hospital, monkeypatch)
    asset, bundle = hospital.accepted(policy=DEMANDS)
    job_id = hospital.submit(asset, bundle)
    hospital.clerk.turn()
    hospital.notary.turn()
    facts = hospital.verify(job_id, {}).facts
    assert (facts.egress.outcome, facts.egress.rule) == ("refused", "runtime-available")
    (rule,) = [rule for rule in facts.policy.rules if rule.name == "runtime-available"]
    assert rule.verdict == "deny"
    assert rule.detail.startswith(WORDS)
    assert facts.run is None


def test_a_paid_job_whose_host_has_lost_gvisor_meanwhile_is_refused_and_refunded(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = hospital.queue(policy=DEMANDS)
    assert hospital.job(job_id).state is State.QUEUED
    take_gvisor_away(hospital, monkeypatch)
    hospital.runner.turn()
    hospital.notary.turn()
    assert (hospital.job(job_id).state, hospital.job(job_id).code) == (State.REFUSED, "runtime-missing")
    assert hospital.order_status(job_id) is OrderStatus.REFUNDED


def test_the_same_job_runs_under_gvisor_where_the_engine_has_it(hospital: Hospital) -> None:
    job = hospital.run(policy=DEMANDS)
    sandbox = hospital.statement(job.job_id).facts.sandbox
    assert job.state is State.RELEASED
    assert sandbox is not None
    assert sandbox.runtime == "runsc"


def test_a_policy_that_takes_any_runtime_runs_without_gvisor(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_gvisor_away(hospital, monkeypatch)
    job = hospital.run()
    sandbox = hospital.statement(job.job_id).facts.sandbox
    assert sandbox is not None
    assert (job.state, sandbox.runtime) == (State.RELEASED, "runc")
