"""Each finding of an audit, made by one dishonest change to an honest log. Real signatures, files and state; one process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from datatokens.model import OrderStatus
from provider.audit.findings import KINDS, Code, Finding, Severity, sort_findings
from provider.receipts.envelope import EnvelopeSignature
from provider.receipts.keys import SigningKeys
from provider.receipts.trust import TrustRoot
from tests.audit_samples import FILE, Draft, honest, ledger, spending, with_chain
from tests.receipt_samples import ANCHOR_BLOCK, ANCHOR_TIME, CHAIN_ID, WEIGHTS, digest, trusted_key

DAY_S = 86_400
STRANGER = SigningKeys.generate(CHAIN_ID)
Change = Callable[[Draft], object]


def understate_the_ledger(draft: Draft) -> None:
    draft.change(0, privacy=ledger("0", "6", "6", cap="12", noise="2"))
    draft.change(1, privacy=ledger("6", "8", "6", cap="12", noise="2"))


def pass_the_filter(draft: Draft) -> None:
    """Two jobs that compose to less than the cap of 8, and take 8.4 of it by the filter."""
    draft.change(0, privacy=ledger("0", "5.2", "5.2", noise="2.12"))
    draft.change(1, privacy=ledger("5.2", "7.7", "5.2", noise="2.12"))


def resign(draft: Draft, index: int = 5) -> None:
    """Sign another receipt for an entry that was anchored."""
    other = replace(draft.facts[index].policy, engine="sealroom-policy/2")
    changed = honest(len(draft.facts))
    changed.change(index, policy=other)
    draft.shown[index] = changed.log().envelopes[index]


def swap_anchors(trust: TrustRoot) -> TrustRoot:
    first, second, third = trust.anchors
    return replace(trust, anchors=(first, third, second))


def end_keys(trust: TrustRoot) -> TrustRoot:
    return replace(trust, keys=(replace(trust.keys[0], valid_until=ANCHOR_TIME + 90),))


def show_another_root(draft: Draft) -> None:
    other = honest(len(draft.facts))
    resign(other)
    log = other.log()
    log.envelopes[5] = other.shown[5]
    draft.note = log.checkpoint(len(draft.facts))


def mix_signatures(draft: Draft) -> None:
    envelopes = draft.log().envelopes
    first, second = envelopes[7].signatures
    wrong = EnvelopeSignature(second.keyid, envelopes[8].signatures[1].sig)
    draft.served[7] = replace(envelopes[7], signatures=(first, wrong)).to_json()


def count_wrongly(draft: Draft) -> None:
    draft.change(7, log=replace(draft.facts[7].log, index=8))


def take_a_job_twice(draft: Draft) -> None:
    draft.change(8, job=draft.facts[7].job)


def take_an_order_twice(draft: Draft) -> None:
    draft.change(8, job=replace(draft.facts[8].job, orders=draft.facts[7].job.orders))


def forget_the_order(draft: Draft) -> None:
    draft.change(7, job=replace(draft.facts[7].job, orders=()))


def decide_early(draft: Draft, seconds: int, *indices: int) -> None:
    for index in indices:
        policy, run = draft.facts[index].policy, draft.facts[index].run
        draft.change(index, policy=replace(policy, decided=policy.decided - seconds))
        if run is not None:
            draft.change(
                index, run=replace(run, started=run.started - seconds, finished=run.finished - seconds)
            )


def use_another_policy(draft: Draft) -> None:
    draft.change(7, policy=replace(draft.facts[7].policy, digests=(digest("a policy of long ago"),)))


def use_other_data(draft: Draft) -> None:
    inputs = draft.facts[7].inputs
    draft.change(7, inputs=replace(inputs, datasets=(replace(inputs.datasets[0], commitment=digest("x")),)))


def name_another_block(draft: Draft) -> None:
    draft.change(7, not_before=replace(draft.facts[7].not_before, hash="0x" + "bc" * 32))


def chain_of(draft: Draft) -> str:
    """Return the job of a receipt whose order the chain of the draft has."""
    assert draft.chain is not None
    return draft.facts[7].job.id


def lose_the_order(draft: Draft) -> None:
    if draft.chain is not None:
        del draft.chain.placed[chain_of(draft)]


def order_late(draft: Draft) -> None:
    if draft.chain is not None:
        placed = draft.chain.placed[chain_of(draft)]
        draft.chain.placed[chain_of(draft)] = replace(placed, block_number=ANCHOR_BLOCK - 1)


def never_approve(draft: Draft) -> None:
    if draft.chain is not None:
        draft.chain.approval = None


def revoke_before(draft: Draft) -> None:
    if draft.chain is not None and draft.chain.approval is not None:
        draft.chain.approval = replace(draft.chain.approval, revoked_at=ANCHOR_TIME - 200)


def end_order(draft: Draft, **changes: object) -> None:
    if draft.chain is not None:
        draft.chain.end(chain_of(draft), **changes)


def add_order(draft: Draft, **changes: object) -> None:
    """Have the chain know an order of a job that the log doesn't have."""
    if draft.chain is not None:
        draft.chain.orders["ab" * 32] = replace(
            draft.chain.orders[chain_of(draft)],
            job_id="ab" * 32,
            **changes,  # type: ignore[arg-type]
        )


def pay_for_a_refused_job(draft: Draft) -> None:
    if draft.chain is not None:
        refused = draft.facts[24].job.id
        draft.chain.orders[refused] = replace(draft.chain.orders[chain_of(draft)], job_id=refused)


def leave_the_rest(draft: Draft) -> None:
    draft.sizes = (10, 20)
    if draft.chain is not None:
        head = draft.chain.head
        draft.chain.head = replace(head, time=head.time + 2 * DAY_S)


def wait_since_tomorrow(draft: Draft) -> None:
    draft.sizes = (10, 20)
    decide_early(draft, -DAY_S, *range(20, len(draft.facts)))
    if draft.chain is not None and draft.chain.approval is not None:
        draft.chain.approval = replace(draft.chain.approval, expires_at=ANCHOR_TIME + 2 * DAY_S)


def cut_off(draft: Draft) -> None:
    draft.size, draft.asked = 20, ANCHOR_TIME + 1000


def show_others(draft: Draft) -> None:
    other = honest(len(draft.facts))
    show_another_root(other)
    draft.seen = (other.note,)


def release_more(draft: Draft) -> None:
    draft.releases = {draft.facts[0].job.id: {"model.safetensors": WEIGHTS + b"and a row of data"}}


CASES: dict[str, tuple[Code, Callable[[], Draft], Change]] = {
    "a checkpoint that others were shown has another root": (Code.SPLIT_VIEW, honest, show_others),
    "an anchored entry was changed and signed anew": (Code.HISTORY_REWRITTEN, honest, resign),
    "entries that were anchored are no longer shown": (Code.LOG_TRUNCATED, with_chain, cut_off),
    "a copy is older than the newest anchor": (
        Code.COPY_BEHIND,
        honest,
        lambda draft: setattr(draft, "size", 20),
    ),
    "anchors go back": (Code.ANCHORS_BROKEN, honest, lambda draft: setattr(draft, "trust", swap_anchors)),
    "a closed log is anchored again": (
        Code.CLOSED_LOG_GOES_ON,
        honest,
        lambda draft: setattr(draft, "trust", lambda trust: replace(trust, closed=ANCHOR_TIME + 90)),
    ),
    "the checkpoint is of other entries": (Code.CHECKPOINT_DIFFERS, honest, show_another_root),
    "another receipt is shown than was logged": (
        Code.ENTRY_DIFFERS,
        honest,
        lambda draft: draft.served.update({7: draft.log().envelopes[8].to_json()}),
    ),
    "a key signs that was never published": (
        Code.UNKNOWN_KEY,
        honest,
        lambda draft: draft.signer.update({7: STRANGER}),
    ),
    "the checkpoint is signed by a key that was never published": (
        Code.UNKNOWN_KEY,
        honest,
        lambda draft: setattr(draft, "checkpoint_keys", STRANGER),
    ),
    "a signature is that of another receipt": (Code.BAD_SIGNATURE, honest, mix_signatures),
    "a key signs after its end": (
        Code.KEY_NOT_VALID_THEN,
        honest,
        lambda draft: setattr(draft, "trust", end_keys),
    ),
    "a receipt is no envelope": (Code.MALFORMED, honest, lambda draft: draft.served.update({7: b"{}"})),
    "a receipt is not shown": (Code.MALFORMED, honest, lambda draft: draft.served.update({7: b""})),
    "a receipt says that it stands elsewhere": (Code.STATEMENT_REFUSED, honest, count_wrongly),
    "a job has two receipts": (Code.SECOND_RECEIPT, honest, take_a_job_twice),
    "an order pays for two jobs": (Code.ORDER_REUSED, honest, take_an_order_twice),
    "a job ran without an order": (Code.RAN_WITHOUT_ORDER, honest, forget_the_order),
    "the chain doesn't know the order": (Code.ORDER_MISMATCH, with_chain, lose_the_order),
    "the order came after the job was decided": (Code.ORDER_MISMATCH, with_chain, order_late),
    "a ledger passes its cap": (
        Code.PRIVACY_OVERSPENT,
        honest,
        lambda draft: spending(draft, "3", "3", "3"),
    ),
    "jobs that were chosen by earlier results spend more than the filter lets them": (
        Code.PRIVACY_OVERSPENT,
        honest,
        pass_the_filter,
    ),
    "a ledger begins below where it was left": (
        Code.PRIVACY_LEDGER_BROKEN,
        honest,
        lambda draft: spending(draft, "3", "3").change(2, privacy=ledger("3", "5", "2")),
    ),
    "a job spends less than its mechanisms cost": (
        Code.PRIVACY_SUM_WRONG,
        honest,
        lambda draft: draft.change(0, privacy=ledger("0", "6", "5.5", noise="2")),
    ),
    "a ledger grows by less than its mechanisms come to": (
        Code.PRIVACY_SUM_WRONG,
        honest,
        understate_the_ledger,
    ),
    "a mechanism has no cost that can be told": (
        Code.PRIVACY_SUM_WRONG,
        honest,
        lambda draft: draft.change(0, privacy=ledger("0", "6", "6", noise="0.1")),
    ),
    "a ledger passes its cap by the thirtieth digit": (
        Code.PRIVACY_OVERSPENT,
        honest,
        lambda draft: draft.change(
            0, privacy=ledger("0", f"8.{'0' * 29}1", f"8.{'0' * 29}1", cap=f"8.{'0' * 30}")
        ),
    ),
    "the algorithm was never approved": (Code.NOT_APPROVED, with_chain, never_approve),
    "the algorithm had been revoked": (Code.NOT_APPROVED, with_chain, revoke_before),
    "an old policy was applied": (Code.POLICY_NOT_CURRENT, with_chain, use_another_policy),
    "other data were used": (Code.DATASET_MISMATCH, with_chain, use_other_data),
    "the block named never was": (Code.BLOCK_MISMATCH, with_chain, name_another_block),
    "another file left than the receipt names": (Code.RELEASE_DIFFERS, honest, release_more),
    "an order was settled without a receipt": (Code.SETTLED_WITHOUT_RECEIPT, with_chain, add_order),
    "an order was settled of a job that was refused": (
        Code.SETTLED_WITHOUT_RUN,
        with_chain,
        pay_for_a_refused_job,
    ),
    "the newest receipts are not anchored for days": (Code.ANCHORING_STOPPED, with_chain, leave_the_rest),
    "an order was refunded of a job that ran": (
        Code.REFUNDED_THOUGH_RAN,
        with_chain,
        lambda draft: end_order(draft, status=OrderStatus.REFUNDED),
    ),
    "a job was put into the log hours after later ones": (
        Code.OUT_OF_ORDER,
        honest,
        lambda draft: decide_early(draft, 7200, 7),
    ),
    "a job ended long after it was anchored": (
        Code.OUT_OF_ORDER,
        honest,
        lambda draft: decide_early(draft, -7200, len(draft.facts) - 1),
    ),
    "receipts wait for their anchor since a day to come": (
        Code.ANCHORING_STOPPED,
        with_chain,
        wait_since_tomorrow,
    ),
    "receipts were anchored days after their jobs": (
        Code.ANCHORED_LATE,
        honest,
        lambda draft: decide_early(draft, 2 * DAY_S, *range(len(draft.facts))),
    ),
    "an order was refunded without a receipt": (
        Code.REFUNDED_WITHOUT_RECEIPT,
        with_chain,
        lambda draft: add_order(draft, status=OrderStatus.REFUNDED),
    ),
    "an order was left past its deadline": (
        Code.ORDER_UNANSWERED,
        with_chain,
        lambda draft: add_order(draft, status=OrderStatus.OPEN, ended_block=0),
    ),
    "the cap of a ledger was raised": (
        Code.CAP_CHANGED,
        honest,
        lambda draft: spending(draft, "3").change(1, privacy=ledger("3", "4", "1", cap="9")),
    ),
    "the newest receipts wait for their anchor": (
        Code.NOT_ANCHORED_YET,
        with_chain,
        lambda draft: setattr(draft, "sizes", (10, 20)),
    ),
    "the trust root that was given is older than the log": (
        Code.NOT_ANCHORED_YET,
        honest,
        lambda draft: setattr(draft, "sizes", (10, 20)),
    ),
    "the log was closed": (
        Code.LOG_CLOSED,
        honest,
        lambda draft: setattr(draft, "trust", lambda trust: replace(trust, closed=ANCHOR_TIME + 1000)),
    ),
}


@pytest.mark.parametrize("sentence", CASES)
def test_one_dishonest_change_is_named_for_what_it_is(sentence: str, tmp_path: Path) -> None:
    code, make, change = CASES[sentence]
    draft = make()
    change(draft)
    report = draft.audit(tmp_path)
    assert report.findings[0].code is code, [finding.text for finding in report.findings]
    notes = {"order-unanswered", "cap-changed", "not-anchored-yet", "log-closed"}
    assert report.is_clean == (code.value in notes)
    assert report.verdict == ("clean" if report.is_clean else code.value)


@pytest.mark.parametrize("make", [honest, with_chain, lambda: spending(with_chain(), "1", "2", "0.5")])
def test_an_honest_log_is_clean(make: Callable[[], Draft], tmp_path: Path) -> None:
    report = make().audit(tmp_path)
    assert (report.verdict, report.findings) == ("clean", ())


@pytest.mark.parametrize(("before", "is_clean"), [("3.002", True), ("2.998", True), ("2.99", False)])
def test_a_provider_may_renew_its_accountant_between_two_receipts_and_gains_nothing_by_it(
    tmp_path: Path, before: str, *, is_clean: bool
) -> None:
    draft = spending(honest(), "3")
    draft.change(1, privacy=ledger(before, "5", "2"))
    assert draft.audit(tmp_path).is_clean == is_clean


def test_every_code_has_a_case(tmp_path: Path) -> None:
    cases = {code for code, _, _ in CASES.values()}
    assert cases == set(Code) - {Code.STATE_DISCARDED}
    assert set(KINDS) == set(Code)
    draft = honest()
    draft.audit(tmp_path)
    draft.trust = end_keys
    draft.audit(tmp_path)
    report = draft.audit(tmp_path)
    assert report.verdict == Code.KEY_NOT_VALID_THEN
    assert (tmp_path / FILE).exists()


def test_what_could_not_be_checked_is_skipped_and_never_passed(tmp_path: Path) -> None:
    lines = {line.code: line.result for line in honest().audit(tmp_path).checks}
    skipped = {code for code, result in lines.items() if result == "skipped"}
    assert {Code.ORDER_MISMATCH, Code.NOT_APPROVED, Code.RELEASE_DIFFERS, Code.SPLIT_VIEW} <= skipped
    assert lines[Code.HISTORY_REWRITTEN] == "passed"


def test_a_run_that_its_consumer_may_have_cancelled_may_be_settled_and_need_not(tmp_path: Path) -> None:
    draft = with_chain()
    facts = draft.facts[7]
    assert facts.run is not None
    cancelled = replace(facts.egress, verdict="WITHHELD", outcome="cancelled", rule="cancelled", checks=())
    draft.change(7, run=replace(facts.run, reason="cancelled"), egress=cancelled, outputs=())
    assert draft.audit(tmp_path / "settled").is_clean
    end_order(draft, status=OrderStatus.REFUNDED)
    assert draft.audit(tmp_path / "refunded").is_clean


def test_what_ended_after_the_newest_anchor_is_not_judged_yet(tmp_path: Path) -> None:
    draft = with_chain()
    add_order(draft, ended_block=ANCHOR_BLOCK + 50)
    assert draft.audit(tmp_path).is_clean


def test_a_receipt_that_waits_for_its_anchor_may_be_of_a_block_that_our_node_lacks(tmp_path: Path) -> None:
    draft = with_chain()
    draft.sizes = (10, 20)
    assert draft.chain is not None
    ahead, job = draft.facts[21], draft.facts[21].job.id
    draft.change(21, not_before=replace(ahead.not_before, number=draft.chain.head.number + 1))
    del draft.chain.placed[job], draft.chain.orders[job]
    assert draft.audit(tmp_path).is_clean


def test_a_stranger_who_orders_and_submits_nothing_makes_no_provider_silent(tmp_path: Path) -> None:
    draft = with_chain()
    late = {"status": OrderStatus.OPEN, "ended_block": 0, "block": ANCHOR_BLOCK + 50}
    add_order(draft, consumer="0x" + "99" * 20, **late)
    report = draft.audit(tmp_path / "stranger")
    assert (report.verdict, report.counts) == ("clean", {Code.ORDER_UNANSWERED: 1})
    add_order(draft, **late)
    assert draft.audit(tmp_path / "customer").verdict == Code.ANCHORING_STOPPED


def test_an_order_that_another_account_placed_for_the_job_excuses_no_refund(tmp_path: Path) -> None:
    draft = with_chain()
    end_order(draft, status=OrderStatus.REFUNDED)
    assert draft.chain is not None
    order = draft.chain.orders[chain_of(draft)]
    late = replace(order, ended_time=order.deadline + 1)
    draft.chain.orders["late"] = replace(late, consumer="0x" + "99" * 20)
    assert draft.audit(tmp_path / "stranger").verdict == Code.REFUNDED_THOUGH_RAN
    draft.chain.orders["late"] = replace(late, token_id=2)
    assert draft.audit(tmp_path / "consumer").is_clean


def test_a_folder_without_a_folder_for_a_job_is_not_called_compared(tmp_path: Path) -> None:
    draft = honest()
    draft.releases = {}
    (tmp_path / "releases").mkdir()
    (tmp_path / "releases" / "model.safetensors").write_bytes(b"rows of data")
    lines = {line.code: line.result for line in draft.audit(tmp_path).checks}
    assert lines[Code.RELEASE_DIFFERS] == "skipped"


def test_a_file_that_left_in_a_folder_of_its_own_is_compared_too(tmp_path: Path) -> None:
    draft = honest()
    draft.releases = {draft.facts[0].job.id: {"model.safetensors": WEIGHTS}}
    (tmp_path / "releases" / draft.facts[0].job.id / "more").mkdir(parents=True)
    (tmp_path / "releases" / draft.facts[0].job.id / "more" / "rows.csv").write_bytes(b"a patient")
    assert draft.audit(tmp_path).verdict == Code.RELEASE_DIFFERS


def test_a_log_that_takes_hours_to_copy_does_not_look_cut_off(tmp_path: Path) -> None:
    draft = with_chain()
    draft.size, draft.asked = 20, ANCHOR_TIME + 130
    assert Code.LOG_TRUNCATED not in draft.audit(tmp_path).counts


def test_a_provider_that_anchors_no_more_is_not_paid_without_receipts_for_ever(tmp_path: Path) -> None:
    draft = with_chain()
    add_order(draft, ended_block=ANCHOR_BLOCK + 50)
    assert draft.chain is not None
    draft.chain.head = replace(draft.chain.head, time=ANCHOR_TIME + 2 * DAY_S)
    assert draft.audit(tmp_path).verdict == Code.SETTLED_WITHOUT_RECEIPT


def test_what_ended_after_the_newest_anchor_of_an_old_copy_is_not_judged_yet(tmp_path: Path) -> None:
    draft = with_chain()
    add_order(draft, ended_block=ANCHOR_BLOCK + 50)
    assert draft.chain is not None
    draft.chain.head = replace(draft.chain.head, time=ANCHOR_TIME + 2 * DAY_S)
    draft.size = 20
    for facts in draft.facts[20:]:
        draft.chain.orders.pop(facts.job.id, None)
    assert draft.audit(tmp_path).verdict == Code.COPY_BEHIND


def test_findings_stand_gravest_first_and_then_by_entry() -> None:
    found = [
        Finding(Code.LOG_CLOSED, ""),
        Finding(Code.UNKNOWN_KEY, "", 9),
        Finding(Code.UNKNOWN_KEY, "", 2),
        Finding(Code.OUT_OF_ORDER, "", 1),
        Finding(Code.HISTORY_REWRITTEN, "", 20),
    ]
    codes = [(item.code, item.index) for item in sort_findings(found)]
    assert codes == [
        (Code.HISTORY_REWRITTEN, 20),
        (Code.UNKNOWN_KEY, 2),
        (Code.UNKNOWN_KEY, 9),
        (Code.OUT_OF_ORDER, 1),
        (Code.LOG_CLOSED, None),
    ]
    assert [severity.word for severity in Severity] == ["note", "warning", "serious", "critical"]


def test_keys_that_were_published_twice_count_as_long_as_one_set_does(tmp_path: Path) -> None:
    draft = honest()
    draft.trust = lambda trust: replace(
        trust, keys=(*end_keys(trust).keys, trusted_key(draft.checkpoint_keys, valid_from=ANCHOR_TIME))
    )
    assert draft.audit(tmp_path).is_clean
