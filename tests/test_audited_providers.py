"""Providers that were audited, one honest and six that aren't: real contracts, database, log files, signatures and command.

Dishonest ones are made by driving the real parts dishonestly. Each is named for what it is by its gravest finding.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cli.trusting import build_trust
from datatokens.localchain import LocalChain
from policies.canonical import parse_digest
from provider.receipts.facts import ReceiptFacts
from provider.receipts.keys import SigningKeys
from provider.receipts.splitview import verify_split_view
from tests.audit_house import AuditHouse, Lie, audit_house
from tests.chain_fixtures import travel
from tests.privacy_samples import spent
from tests.web_servers import serve_app

__all__ = ["audit_house"]
Capture = pytest.CaptureFixture[str]
HOUR_S = 3600


def spend(before: str, after: str) -> Lie:
    """Have a receipt say that three units of epsilon were spent."""

    def lie(facts: ReceiptFacts) -> ReceiptFacts:
        return replace(facts, privacy=spent(before, after, "3"))

    return lie


def test_an_honest_provider_is_clean_and_the_next_audit_takes_what_is_new(
    audit_house: AuditHouse, capsys: Capture
) -> None:
    ran = audit_house.hospital.run()
    audit_house.refuse()
    code, report = audit_house.audit(capsys)
    assert (code, report["verdict"], report["findings"]) == (0, "clean", [])
    assert (report["entries"], report["new_entries"]) == (2, 2)
    checks = {line["code"]: line["result"] for line in report["checks"]}
    assert checks["settled-without-receipt"] == checks["not-approved"] == "passed"
    assert checks["release-differs"] == "skipped"
    audit_house.refuse()
    code, report = audit_house.audit(capsys)
    assert (code, report["entries"], report["new_entries"]) == (0, 3, 1)
    assert {item["outcome"] for item in report["jobs"]} == {ran.state.value, "refused"}
    assert [item["size"] for item in report["gas"]] == [1, 2, 3]
    assert all(20_000 < item["gas"] < 300_000 for item in report["gas"])


def test_a_provider_is_audited_by_its_account_where_the_chain_says_that_it_answers(
    audit_house: AuditHouse, capsys: Capture
) -> None:
    lab = audit_house.hospital.lab
    account = lab.people.provider.address
    with serve_app(lab.client.application) as url:
        audit_house.publish(audit_house.hospital.keys, url)
        audit_house.refuse()
        code, report = audit_house.audit(capsys, log=account)
        assert (code, report["verdict"], report["entries"]) == (0, "clean", 1)
        audit_house.rewrite(0)
        code, report = audit_house.audit(capsys, log=account)
        assert (code, report["error"]["code"]) == (4, "split-view")


def test_a_provider_that_rewrites_history_is_found_out(audit_house: AuditHouse, capsys: Capture) -> None:
    for _ in range(3):
        audit_house.refuse()
    assert audit_house.audit(capsys)[0] == 0
    audit_house.rewrite(1)
    code, report = audit_house.audit(capsys, "--state", str(audit_house.folder / "another auditor"))
    finding = report["findings"][0]
    assert (code, report["verdict"], finding["code"]) == (4, "history-rewritten", "history-rewritten")
    assert (finding["entry"], finding["severity"]) == (1, "critical")
    # Who audited before has two signed checkpoints, which convince a third party.
    code, report = audit_house.audit(capsys)
    assert (code, report["verdict"]) == (4, "split-view")
    assert "history-rewritten" in {item["code"] for item in report["findings"]}
    # And the next audit doesn't forget it.
    code, report = audit_house.audit(capsys)
    assert (code, report["verdict"], report["new_entries"]) == (4, "split-view", 0)


def test_a_trust_file_of_before_does_not_hide_what_was_anchored_since(
    audit_house: AuditHouse, capsys: Capture, tmp_path: Path
) -> None:
    audit_house.refuse()
    lab, file = audit_house.hospital.lab, tmp_path / "trust.json"
    trust = build_trust(lab.chain, lab.people.provider.address)
    file.write_bytes(trust.to_json())
    audit_house.refuse()
    audit_house.rewrite(1)
    code, report = audit_house.audit(capsys, "--trust", str(file))
    assert (code, report["verdict"]) == (4, "history-rewritten")
    file.write_bytes(replace(trust, escrow=lab.people.owner.address).to_json())
    code, report = audit_house.audit(capsys, "--trust", str(file))
    assert (code, report["error"]["code"]) == (4, "mismatch")


def test_a_provider_that_receipts_without_an_order_is_found_out(
    audit_house: AuditHouse, capsys: Capture
) -> None:
    audit_house.refuse()
    job_id = audit_house.claim_run(paid=False)
    audit_house.anchor()
    code, report = audit_house.audit(capsys)
    finding = report["findings"][0]
    assert (code, finding["code"], finding["job_id"]) == (4, "ran-without-order", job_id)


def test_a_provider_that_invents_an_order_is_found_out(audit_house: AuditHouse, capsys: Capture) -> None:
    def invent(facts: ReceiptFacts) -> ReceiptFacts:
        order = replace(facts.job.orders[0], tx_hash="0x" + "ab" * 32)
        return replace(facts, job=replace(facts.job, orders=(order,)))

    audit_house.claim_run(invent)
    audit_house.anchor()
    assert audit_house.audit(capsys)[1]["verdict"] == "order-mismatch"


def test_a_provider_that_decides_by_what_the_owner_took_back_hours_ago_is_found_out(
    audit_house: AuditHouse, capsys: Capture, anvil: LocalChain
) -> None:
    lab, token_id = audit_house.hospital.lab, audit_house.asset.token_id
    owner = lab.people.owner

    def decide_late(facts: ReceiptFacts) -> ReceiptFacts:
        lab.chain.revoke(token_id, parse_digest(audit_house.bundle.digest), sender=owner)
        lab.chain.set_policy(token_id, b"\xaa" * 32, sender=owner)
        travel(anvil, 2 * HOUR_S)
        decided, run = lab.chain.head().time, facts.run
        assert run is not None
        run = replace(run, started=decided, finished=decided + 10)
        return replace(facts, policy=replace(facts.policy, decided=decided), run=run)

    audit_house.claim_run(decide_late)
    audit_house.anchor()
    code, report = audit_house.audit(capsys)
    assert code == 4
    assert [item["code"] for item in report["findings"]] == ["not-approved", "policy-not-current"]


def test_a_provider_that_overspends_privacy_is_found_out(audit_house: AuditHouse, capsys: Capture) -> None:
    for before, after in (("0", "3"), ("3", "6"), ("6", "9")):
        audit_house.claim_run(spend(before, after))
    audit_house.anchor()
    code, report = audit_house.audit(capsys)
    finding = report["findings"][0]
    assert (code, finding["code"], finding["entry"]) == (4, "privacy-overspent", 2)
    assert finding["evidence"]["cap"] == "8"
    assert len(report["findings"]) == 1


def test_a_provider_that_shows_two_histories_is_found_out(audit_house: AuditHouse, capsys: Capture) -> None:
    for _ in range(2):
        audit_house.refuse()
    assert audit_house.audit(capsys)[0] == 0
    shown_to_others = audit_house.folder / "shown-to-others"
    shown_to_others.write_text(audit_house.sign_another_history(1))
    code, report = audit_house.audit(capsys, "--seen", str(shown_to_others))
    (finding,) = report["findings"]
    assert (code, finding["code"]) == (4, "split-view")
    evidence = finding["evidence"]["split view"].encode()
    keys = [audit_house.hospital.keys.public().ed25519]
    assert verify_split_view(evidence, report["origin"], keys).smaller.size == 2


def test_a_provider_whose_receipts_a_strangers_key_signs_is_found_out(
    audit_house: AuditHouse, capsys: Capture
) -> None:
    audit_house.refuse()
    stranger = SigningKeys.generate(audit_house.hospital.lab.chain.chain_id)
    audit_house.claim_run(keys=stranger)
    audit_house.anchor()
    code, report = audit_house.audit(capsys)
    finding = report["findings"][0]
    assert (code, finding["code"], finding["entry"]) == (4, "unknown-key", 1)


def test_a_provider_that_signs_on_with_a_key_that_it_replaced_is_found_out(
    audit_house: AuditHouse, capsys: Capture, anvil: LocalChain
) -> None:
    audit_house.refuse()
    travel(anvil, 60)
    audit_house.publish(SigningKeys.generate(audit_house.hospital.lab.chain.chain_id))
    audit_house.refuse()
    code, report = audit_house.audit(capsys)
    assert (code, report["verdict"]) == (4, "key-not-valid-then")
    entries = {item["entry"] for item in report["findings"]}
    assert entries == {None, 1}  # the checkpoint's key, and the receipt's


def test_a_provider_that_lost_its_account_and_falls_silent_is_found_out(
    audit_house: AuditHouse, capsys: Capture, anvil: LocalChain
) -> None:
    audit_house.refuse()
    hospital = audit_house.hospital
    job_id = hospital.submit(audit_house.asset, audit_house.bundle)
    hospital.pay(audit_house.asset, audit_house.bundle, job_id)
    assert audit_house.audit(capsys)[0] == 0
    travel(anvil, 2 * HOUR_S)
    code, report = audit_house.audit(capsys)
    assert (code, report["verdict"]) == (4, "anchoring-stopped")
    assert [item["code"] for item in report["findings"]] == ["anchoring-stopped", "order-unanswered"]
    assert report["findings"][1]["job_id"] == job_id


def test_files_that_left_and_are_not_in_the_receipt_are_found_out(
    audit_house: AuditHouse, capsys: Capture, tmp_path: Path
) -> None:
    job_id = audit_house.claim_run()
    audit_house.anchor()
    place = tmp_path / "fetched" / job_id
    place.mkdir(parents=True)
    (place / "metrics.json").write_bytes(b'{"row 17":"a patient"}')
    code, report = audit_house.audit(capsys, "--releases", str(tmp_path / "fetched"))
    assert (code, report["verdict"]) == (4, "release-differs")
