"""A release that waits for people: who sees it, who decides, and what comes of that. Real chain, real containers."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from datatokens.ethkeys import LocalAccount
from datatokens.model import OrderStatus
from policies.canonical import digest_of
from policies.privacy import PRIVACY_TESTS
from provider.jobs.states import State
from provider.limits import ORDER_MARGIN_S
from provider.receipts.reviews import REVIEW_LATE, REVIEW_WITHHELD
from provider.release import create_result_key, open_release
from provider.settings import ProviderPaths
from provider.store.records import JobRecord
from tests.hospital_fixtures import Hospital, make_reviewing
from tests.provider_fixtures import new_account
from tests.review_moves import decide, look, policy_with

MEASURED = "privacy: {mode: measured, tests: {}}\n"
WORDS = "the loss looks odd for patient 4711"


@pytest.fixture
def reviewers() -> tuple[LocalAccount, LocalAccount]:
    return new_account(), new_account()


def waiting(hospital: Hospital, *reviewers: LocalAccount, needed: int = 2, **changes: Any) -> JobRecord:
    job = hospital.run(policy=policy_with(*reviewers, needed=needed), **changes)
    assert (job.state, job.code) == (State.REVIEWING, "reviewing")
    return job


def held(hospital: Hospital) -> list[str]:
    folder = ProviderPaths(hospital.lab.home).held
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) if folder.exists() else []


def end(hospital: Hospital, job: JobRecord) -> JobRecord:
    hospital.reviewing.turn()
    hospital.notary.turn()
    return hospital.job(job.job_id)


def test_what_two_reviewers_let_out_is_what_they_saw_and_the_receipt_shows_that_they_signed(
    hospital: Hospital, reviewers: tuple[LocalAccount, LocalAccount]
) -> None:
    lab, key = hospital.lab, create_result_key()
    job = waiting(hospital, *reviewers, result_key=base64.b64encode(key.public).decode())
    seen = look(lab, reviewers[0], job.job_id)
    shown = {
        file["name"]: lab.read(reviewers[0], f"/v1/reviews/{job.job_id}/files/{file['name']}").data
        for file in seen["files"]
    }
    assert {file["name"]: file["digest"] for file in seen["files"]} == {
        name: digest_of(data) for name, data in shown.items()
    }
    assert [decide(lab, who, job.job_id, "release").status_code for who in reviewers] == [200, 200]
    ended = end(hospital, job)
    assert (ended.state, held(hospital)) == (State.RELEASED, [])
    sealed = lab.read(lab.people.scientist, f"/v1/jobs/{job.job_id}/release").data
    files = open_release(sealed, key.private, job.job_id)
    assert {name: files[name] for name in shown} == shown
    egress = hospital.verify(job.job_id, files).facts.egress
    assert egress.review is not None
    assert [item.decision for item in egress.review.decisions] == ["release", "release"]
    assert {item.reviewer for item in egress.review.decisions} == {who.address.lower() for who in reviewers}
    assert look(lab, reviewers[1], job.job_id)["files"] == []


def test_reviewers_who_disagree_withhold_the_run_is_paid_and_nothing_of_the_files_is_told(
    hospital: Hospital, reviewers: tuple[LocalAccount, LocalAccount]
) -> None:
    lab = hospital.lab
    job = waiting(hospital, *reviewers)
    seen = look(lab, reviewers[0], job.job_id)
    decide(lab, reviewers[0], job.job_id, "release")
    decide(lab, reviewers[1], job.job_id, "withhold", words=WORDS)
    ended = end(hospital, job)
    assert (ended.state, ended.code, ended.release) == (State.WITHHELD, REVIEW_WITHHELD, None)
    assert hospital.order_status(job.job_id) is OrderStatus.SETTLED
    statement = hospital.verify(job.job_id, {})
    assert statement.facts.egress.rule == REVIEW_WITHHELD
    told = json.dumps(statement.document) + lab.read(lab.people.scientist, f"/v1/jobs/{job.job_id}").text
    assert not any(file["digest"] in told for file in seen["files"])
    assert seen["salt"] not in told
    assert WORDS not in told
    after = look(lab, reviewers[0], job.job_id)
    assert {item["reason"] for item in after["decisions"]} == {"seen", WORDS}
    assert held(hospital) == []


def test_nobody_hears_of_a_decision_before_all_that_are_needed_are_made(
    hospital: Hospital, reviewers: tuple[LocalAccount, LocalAccount]
) -> None:
    lab = hospital.lab
    job = waiting(hospital, *reviewers)
    people = (reviewers[1], lab.people.scientist, lab.people.owner)
    paths = ["/v1/reviews", f"/v1/reviews/{job.job_id}", "/v1/jobs", f"/v1/jobs/{job.job_id}"]
    paths += [f"/v1/jobs/{job.job_id}/receipt", f"/v1/jobs/{job.job_id}/release"]

    def told() -> list[str]:
        return [lab.read(person, path).text for person in people for path in paths]

    before = told()
    assert decide(lab, reviewers[0], job.job_id, "withhold").status_code == 200
    end(hospital, job)
    assert told() == before
    own = look(lab, reviewers[0], job.job_id)
    assert (own["review"]["decided"], own["decisions"]) == ("withhold", [])


def test_a_decision_is_final_for_what_was_shown_and_for_reviewers_alone(
    hospital: Hospital, reviewers: tuple[LocalAccount, LocalAccount]
) -> None:
    lab, stranger = hospital.lab, new_account()
    job = waiting(hospital, *reviewers, lab.people.scientist)
    looked_at = look(lab, reviewers[0], job.job_id)["looked_at"]
    for person in (stranger, lab.people.owner, lab.people.scientist):
        assert lab.read(person, f"/v1/reviews/{job.job_id}").status_code == 404
        assert lab.read(person, f"/v1/reviews/{job.job_id}/files/model.safetensors").status_code == 404
        assert lab.read(person, "/v1/reviews").json == {"reviews": []}
        assert decide(lab, person, job.job_id, "release", looked_at=looked_at).status_code == 404
    assert lab.read(None, "/v1/reviews").status_code == 403
    first, second = reviewers
    other = decide(lab, first, job.job_id, "release", looked_at="sha256:" + "0" * 64)
    assert (other.status_code, (other.json or {})["code"]) == (409, "looked-at-other")
    forged = decide(lab, first, job.job_id, "release", enclosed="other words")
    assert (forged.status_code, (forged.json or {})["code"]) == (400, "reason-differs")
    assert decide(lab, first, job.job_id, "withhold").status_code == 200
    again = decide(lab, first, job.job_id, "release")
    assert (again.status_code, (again.json or {})["code"]) == (409, "decided")
    lab.clock[0] = lab.database.reviews.find(job.job_id).due  # type: ignore[union-attr]
    late = decide(lab, second, job.job_id, "release")
    assert (late.status_code, (late.json or {})["code"]) == (409, "review-over")


def test_a_review_that_is_not_done_in_time_withholds_and_no_decision_is_told(
    hospital: Hospital, reviewers: tuple[LocalAccount, LocalAccount]
) -> None:
    lab = hospital.lab
    job = waiting(hospital, *reviewers)
    order, review = hospital.find_order(job.job_id), lab.database.reviews.find(job.job_id)
    assert order is not None
    assert review is not None
    assert review.due == order.deadline - ORDER_MARGIN_S  # sooner than the policy's three days
    decide(lab, reviewers[0], job.job_id, "release")
    lab.clock[0] = review.due - 1
    assert end(hospital, job).state is State.REVIEWING
    lab.clock[0] = review.due
    assert (end(hospital, job).code, held(hospital)) == (REVIEW_LATE, [])
    egress = hospital.verify(job.job_id, {}).facts.egress
    assert (egress.outcome, egress.rule, egress.review) == ("withheld", REVIEW_LATE, None)
    assert hospital.order_status(job.job_id) is OrderStatus.SETTLED


def test_a_worker_that_was_killed_goes_on_with_what_waits_and_runs_anew_what_was_lost(
    hospital: Hospital, reviewers: tuple[LocalAccount, LocalAccount]
) -> None:
    lab = hospital.lab
    job = waiting(hospital, reviewers[0], needed=1)
    orphan = ProviderPaths(lab.home).held / ("ff" * 32)
    orphan.mkdir()
    (orphan / "model.safetensors").write_bytes(b"of a job that is not waiting")
    hospital.reviewing = make_reviewing(lab, hospital.keys)
    hospital.runner.recover()
    assert end(hospital, job).state is State.REVIEWING
    assert not orphan.exists()
    decide(lab, reviewers[0], job.job_id, "release")
    held_file = ProviderPaths(lab.home).held / job.job_id / "metrics.json"
    held_file.write_bytes(b'{"loss":9}')
    assert end(hospital, job).state is State.QUEUED
    assert held(hospital) == []
    hospital.work()
    anew = look(lab, reviewers[0], job.job_id)
    assert (anew["review"]["decided"], anew["review"]["outcome"]) == (None, "open")
    decide(lab, reviewers[0], job.job_id, "release")
    ended = end(hospital, job)
    assert (ended.state, ended.attempt) == (State.RELEASED, 2)


def test_a_consumer_who_cancels_while_reviewers_look_pays_and_gets_nothing(
    hospital: Hospital, reviewers: tuple[LocalAccount, LocalAccount]
) -> None:
    lab = hospital.lab
    job = waiting(hospital, *reviewers)
    lab.act(lab.people.scientist, "job.cancel", {"job_id": job.job_id})
    ended = end(hospital, job)
    assert (ended.state, ended.code, held(hospital)) == (State.CANCELLED, "cancelled-reviewing", [])
    assert hospital.verify(job.job_id, {}).facts.egress.outcome == "cancelled"
    assert hospital.order_status(job.job_id) is OrderStatus.SETTLED


def test_a_job_whose_consumer_would_have_to_review_it_is_refused_before_it_is_paid(
    hospital: Hospital, reviewers: tuple[LocalAccount, LocalAccount]
) -> None:
    lab = hospital.lab
    policy = policy_with(reviewers[0], lab.people.scientist)
    asset, bundle = hospital.accepted(policy=policy)
    job_id = hospital.submit(asset, bundle)
    hospital.clerk.turn()
    job = hospital.job(job_id)
    assert (job.state, job.orders) == (State.REFUSED, ())
    assert hospital.statement(job_id).facts.egress.rule == "reviewers-independent"


def test_what_is_held_is_for_this_providers_user_alone(
    hospital: Hospital, reviewers: tuple[LocalAccount, LocalAccount]
) -> None:
    waiting(hospital, *reviewers)
    folder: Path = ProviderPaths(hospital.lab.home).held
    modes = {path.is_dir(): path.stat().st_mode & 0o777 for path in [folder, *folder.rglob("*")]}
    assert modes == {True: 0o700, False: 0o600}


@pytest.mark.parametrize(("word", "state"), [("release", State.RELEASED), ("withhold", State.WITHHELD)])
def test_people_may_overrule_privacy_tests_that_did_not_pass_and_the_receipt_says_that_they_did(
    hospital: Hospital, reviewers: tuple[LocalAccount, LocalAccount], word: str, state: State
) -> None:
    lab = hospital.lab
    policy = policy_with(reviewers[0], needed=1, when="not-passed") + MEASURED
    job = hospital.run(policy=policy)
    assert job.state is State.REVIEWING
    checks = {check["name"]: check for check in look(lab, reviewers[0], job.job_id)["checks"]}
    assert not checks["membership-loss"]["ok"]
    assert "0.6" in checks["membership-loss"]["detail"]
    decide(lab, reviewers[0], job.job_id, word)
    assert end(hospital, job).state is state
    egress = hospital.verify(job.job_id, {}).facts.egress
    failed = [check.name for check in egress.checks if not check.ok]
    assert set(failed) <= set(PRIVACY_TESTS)
    assert (len(failed) > 1) == (word == "release")  # of what was withheld, the first alone
    assert egress.review is not None
    assert [item.decision for item in egress.review.decisions] == [word]


def test_a_decision_that_comes_as_a_review_ends_is_refused_and_changes_nothing(
    hospital: Hospital, reviewers: tuple[LocalAccount, LocalAccount]
) -> None:
    lab, third = hospital.lab, new_account()
    job = waiting(hospital, *reviewers, third)
    for who in reviewers:
        decide(lab, who, job.job_id, "release")
    assert (
        lab.database.reviews.close(job.job_id, lambda made: "release" if len(made) > 1 else None) == "release"
    )
    late = decide(lab, third, job.job_id, "withhold")
    assert (late.status_code, (late.json or {})["code"]) == (409, "review-over")
    record = lab.database.reviews.decisions(job.job_id)[0]
    assert not lab.database.reviews.decide(job.job_id, replace(record, reviewer=third.address.lower()))
    assert end(hospital, job).state is State.RELEASED


def test_a_third_reviewer_who_withholds_in_time_is_heard_though_two_would_do(
    hospital: Hospital, reviewers: tuple[LocalAccount, LocalAccount]
) -> None:
    lab, third = hospital.lab, new_account()
    job = waiting(hospital, *reviewers, third)
    for who, word in (*((who, "release") for who in reviewers), (third, "withhold")):
        assert decide(lab, who, job.job_id, word).status_code == 200
    assert end(hospital, job).state is State.WITHHELD
    egress = hospital.verify(job.job_id, {}).facts.egress
    assert egress.review is not None
    assert len(egress.review.decisions) == 3
