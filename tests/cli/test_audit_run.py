"""`sealroom audit run` as people type it: offline, over HTTP, again, stopped half-way, and on what is no log at all."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest

from cli import auditing, auditreading
from cli.auditing import Material, run_audit
from cli.auditreport import render_report
from cli.auditrun import describe
from cli.auditstate import open_state, usable
from cli.context import Session
from cli.errors import InputError, StackError
from cli.main import run
from cli.output import Output
from provider.audit.findings import Code, Finding, Need
from provider.audit.report import Report
from provider.receipts.keys import SigningKeys
from provider.receipts.trust import TrustRoot
from tests.audit_samples import FILE, Draft, anchored, honest, spending, with_chain
from tests.log_house import open_log_house
from tests.receipt_samples import ANCHOR_TIME, CHAIN_ID, WEIGHTS, trusted_key
from tests.web_servers import serve_app

Audit = Callable[..., tuple[int, Any]]
HOSTILE = "<script>alert('1')</script> & \"quoted\""


@pytest.fixture
def audit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Audit:
    def do(*words: str, json_out: bool = True) -> tuple[int, Any]:
        session = Session({}, Output(), interactive=False, home_path=tmp_path / "home")
        code = run([*(["--json"] if json_out else []), "audit", "run", *words], session)
        out = capsys.readouterr().out
        return int(code), json.loads(out) if json_out else out

    return do


def lay_out(draft: Draft, folder: Path) -> tuple[str, ...]:
    """Write a copy of a log and a trust root, and return the words that audit it."""
    log = draft.log()
    log.lay_out(folder / "copy", len(draft.facts))
    (folder / "trust.json").write_bytes(draft.trust(anchored(log, draft.sizes)).to_json())
    return str(folder / "copy"), "--trust", str(folder / "trust.json"), "--jobs", "1"


def test_a_copy_is_audited_offline_and_what_needs_a_chain_is_said_to_be_skipped(
    audit: Audit, tmp_path: Path
) -> None:
    words = lay_out(honest(), tmp_path)
    code, report = audit(*words)
    assert (code, report["verdict"], report["entries"], report["anchored_entries"]) == (0, "clean", 30, 30)
    assert {line["result"] for line in report["checks"]} == {"passed", "skipped"}
    code, text = audit(*words, json_out=False)
    assert code == 0
    assert "not checked, for want of what it takes:\n" in text
    assert "  no order was left past its deadline" in text
    assert text.rstrip().splitlines()[-1].startswith("CLEAN: ")


def test_what_is_found_is_told_with_severity_entry_and_evidence(audit: Audit, tmp_path: Path) -> None:
    words = lay_out(spending(honest(), "5", "5"), tmp_path)
    code, text = audit(*words, json_out=False)
    assert code == 4
    assert re.search(r"critical privacy-overspent entry 1 job [0-9a-f]{64}\n  the ledger stands at 10", text)
    assert "\n  cap: 8\n" in text
    assert "NOT CLEAN: privacy-overspent" in text


def test_the_next_audit_takes_only_what_is_new_and_keeps_what_was_found(tmp_path: Path) -> None:
    draft = spending(honest(40), "5", "5")
    facts, draft.facts = draft.facts, draft.facts[:30]
    first = draft.audit(tmp_path)
    assert (first.size, first.new, first.counts) == (30, 30, {Code.PRIVACY_OVERSPENT: 1})
    draft.facts, draft.sizes = facts, (10, 20, 30, 40)
    second = draft.audit(tmp_path)
    assert (second.size, second.new, second.counts) == (40, 10, {Code.PRIVACY_OVERSPENT: 1})
    assert sum(day.jobs for day in second.days) == 40
    assert Need.SEEN in second.needs


def test_a_job_with_a_receipt_from_an_earlier_audit_has_no_second_one(tmp_path: Path) -> None:
    draft = honest(31)
    facts, draft.facts = draft.facts, draft.facts[:30]
    draft.audit(tmp_path)
    draft.facts, draft.sizes = facts, (10, 20, 30, 31)
    draft.change(30, job=facts[3].job)
    assert draft.audit(tmp_path).findings[0].evidence == {"first entry": "3"}


def test_what_is_not_anchored_yet_is_judged_anew_each_time(tmp_path: Path) -> None:
    draft = with_chain()
    draft.sizes = (10, 20)
    first, second = draft.audit(tmp_path), draft.audit(tmp_path)
    assert [(report.new, report.anchored) for report in (first, second)] == [(30, 20), (10, 20)]
    assert first.counts == second.counts == {Code.NOT_ANCHORED_YET: 1}
    assert first.days == second.days
    draft.sizes = (10, 20, 30)
    assert (draft.audit(tmp_path).new, draft.audit(tmp_path).new) == (10, 0)


def test_an_audit_that_was_stopped_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = honest(600)
    draft.sizes = (300, 600)
    log = draft.log()
    log.lay_out(tmp_path / "copy", 600)
    material = Material(tmp_path / "copy", anchored(log, draft.sizes), tmp_path / FILE)
    monkeypatch.setattr(auditing, "COMMIT_EVERY", 1)

    def stop(done: int, _: int) -> None:
        if done == 512:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_audit(material, progress=stop)
    report = run_audit(material)
    assert (report.is_clean, report.size) == (True, 600)
    assert report.new == 600 - 512
    assert sum(day.jobs for day in report.days) == 600


def test_a_process_that_is_killed_stops_the_audit_in_words_and_the_next_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = honest(100)
    draft.sizes = (100,)
    log = draft.log()
    log.lay_out(tmp_path / "copy", 100)
    material = Material(tmp_path / "copy", anchored(log, draft.sizes), tmp_path / FILE, 2)
    monkeypatch.setattr(auditreading, "MIN_PARALLEL", 1)
    monkeypatch.setattr(auditreading, "TILE_WIDTH", 4)

    def kill(_done: int, _size: int) -> None:
        for process in active_children():
            process.kill()
            process.join()

    with pytest.raises(StackError, match="killed"):
        run_audit(material, progress=kill)
    assert run_audit(replace(material, processes=1)).is_clean


def test_two_audits_at_once_do_not_share_what_they_remember(tmp_path: Path) -> None:
    path = tmp_path / FILE
    with closing(open_state(path)), pytest.raises(InputError, match="locked"), usable(path):
        open_state(path)
    with closing(open_state(tmp_path / FILE)) as state:
        assert state.get_position().size == 0


def test_two_processes_find_what_one_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draft = spending(honest(300), "5", "5")
    draft.sizes = (300,)
    log = draft.log()
    log.lay_out(tmp_path / "copy", 300)
    trust = anchored(log, draft.sizes)
    monkeypatch.setattr(auditreading, "MIN_PARALLEL", 1)
    one, two = (
        run_audit(Material(tmp_path / "copy", trust, tmp_path / f"{count}.sqlite", count)) for count in (1, 2)
    )
    assert replace(one, time=0) == replace(two, time=0)


def test_a_state_made_without_a_chain_is_not_built_on_with_one(tmp_path: Path) -> None:
    draft = with_chain()
    chain, draft.chain = draft.chain, None
    draft.audit(tmp_path)
    draft.chain = chain
    report = draft.audit(tmp_path)
    assert (report.new, list(report.counts)) == (30, [Code.STATE_DISCARDED])
    assert draft.audit(tmp_path).new == 0


def test_a_key_that_is_revoked_back_into_what_was_audited_has_it_audited_anew(tmp_path: Path) -> None:
    def revoke(trust: TrustRoot) -> TrustRoot:
        key = replace(trust.keys[0], valid_until=ANCHOR_TIME + 30, revoked_at=ANCHOR_TIME + 500)
        return replace(trust, keys=(key,))

    draft = honest()
    assert draft.audit(tmp_path).is_clean
    draft.trust = revoke
    report = draft.audit(tmp_path)
    assert report.verdict == Code.KEY_NOT_VALID_THEN
    assert report.counts[Code.STATE_DISCARDED] == 1
    assert (
        min(f.index for f in report.findings if f.index is not None) == 10
    )  # what the first anchor covers holds


def test_a_key_that_the_last_audit_did_not_know_has_its_receipts_audited_anew(tmp_path: Path) -> None:
    draft, other = honest(), trusted_key(SigningKeys.generate(CHAIN_ID))
    draft.trust = lambda root: replace(root, keys=(other,))
    assert draft.audit(tmp_path).verdict == Code.UNKNOWN_KEY
    draft.trust = lambda root: replace(root, keys=(other, *root.keys))
    assert draft.audit(tmp_path).is_clean


def test_tiles_that_the_copy_spoiled_are_no_other_history(tmp_path: Path) -> None:
    draft = honest()
    draft.audit(tmp_path)
    folder = tmp_path / "log"
    (folder / "tile/0/000.p/30").write_bytes(bytes(32 * 30))
    report = run_audit(Material(folder, anchored(draft.log(), draft.sizes), tmp_path / FILE))
    assert (report.verdict, list(report.counts)) == ("clean", [Code.STATE_DISCARDED])


@pytest.mark.parametrize(("asked", "code"), [(ANCHOR_TIME, Code.LOG_TRUNCATED), (None, Code.COPY_BEHIND)])
def test_a_larger_checkpoint_that_others_were_shown_is_not_forgotten(
    tmp_path: Path, asked: int | None, code: Code
) -> None:
    draft = honest(40)
    draft.seen, draft.facts, draft.asked = (draft.log().checkpoint(40),), draft.facts[:30], asked
    assert draft.audit(tmp_path).verdict == code


def test_what_was_shown_before_it_was_anchored_is_held_against_what_is_shown_now(tmp_path: Path) -> None:
    draft = honest()
    draft.sizes = (10, 20)
    draft.audit(tmp_path)
    draft.change(25, policy=replace(draft.facts[25].policy, engine="sealroom-policy/2"))
    assert draft.audit(tmp_path).verdict == Code.SPLIT_VIEW
    assert draft.audit(tmp_path).verdict == Code.SPLIT_VIEW


def test_a_provider_is_asked_for_its_log_which_is_then_audited(audit: Audit, tmp_path: Path) -> None:
    draft, house = honest(), open_log_house(tmp_path / "provider")
    words = lay_out(draft, tmp_path)
    house.grow(draft.log(), 30)
    with serve_app(house.app) as url:
        target = (url, *words[1:], "--state", str(tmp_path / "auditor"))
        assert audit(*target)[1]["new_entries"] == 30
        code, report = audit(*target)
        assert (code, report["new_entries"], report["verdict"]) == (0, 0, "clean")
    assert audit(*target)[0] == 5


@pytest.mark.parametrize(
    ("spoil", "code", "name"),
    [
        (lambda folder: (folder / "copy" / "checkpoint").unlink(), 4, "malformed"),
        (lambda folder: (folder / "copy" / "checkpoint").write_bytes(b"\xff\x00"), 4, "malformed"),
        (lambda folder: (folder / "copy" / "tile/entries/000.p/30").write_bytes(b"x"), 4, "malformed"),
        (lambda folder: (folder / "trust.json").write_text("{}"), 4, "malformed"),
        (lambda folder: (folder / "copy" / FILE).write_text("no database" * 100), 2, "input-invalid"),
    ],
)
def test_what_is_no_log_is_an_error_in_words(
    audit: Audit, tmp_path: Path, spoil: Callable[[Path], object], code: int, name: str
) -> None:
    words = lay_out(honest(), tmp_path)
    spoil(tmp_path)
    got, document = audit(*words)
    assert (got, document["error"]["code"]) == (code, name)


def test_a_state_is_used_by_one_audit_at_a_time(audit: Audit, tmp_path: Path) -> None:
    words = lay_out(honest(), tmp_path)
    with closing(open_state(tmp_path / "copy" / FILE)) as other:
        other.begin()
        code, document = audit(*words)
        assert (code, document["error"]["code"]) == (2, "input-invalid")
    assert audit(*words)[0] == 0


def test_what_job_fetch_writes_beside_what_was_released_is_no_release(tmp_path: Path) -> None:
    draft = honest()
    draft.releases = {draft.facts[0].job.id: {"model.safetensors": WEIGHTS, "receipt.jsonl": b"{}\n"}}
    report = draft.audit(tmp_path)
    assert report.is_clean
    assert Need.RELEASES in report.needs
    draft.releases = {"cd" * 32: {"model.safetensors": WEIGHTS}}
    assert draft.audit(tmp_path).verdict == Code.RELEASE_DIFFERS


def test_without_a_trust_root_or_a_chain_nothing_is_audited(audit: Audit, tmp_path: Path) -> None:
    code, document = audit(*lay_out(honest(), tmp_path)[:1])
    assert (code, document["error"]["code"]) == (2, "no-trust-root")
    code, document = audit(*lay_out(honest(), tmp_path), "--releases", str(tmp_path / "nowhere"))
    assert (code, document["error"]["code"]) == (2, "usage")
    (tmp_path / "seen").write_text("not a checkpoint\n")
    code, document = audit(*lay_out(honest(), tmp_path), "--seen", str(tmp_path / "seen"))
    assert (code, document["error"]["code"]) == (2, "input-invalid")


# The report


def test_the_report_is_one_page_without_script_or_network(audit: Audit, tmp_path: Path) -> None:
    page = tmp_path / "out" / "report.html"
    words = lay_out(spending(honest(), "5", "5"), tmp_path)
    assert audit(*words, "--html", str(page))[0] == 4
    text = page.read_text()
    assert "Not clean: privacy-overspent" in text
    assert text.count("<svg") == 3  # jobs over time, how they ended, one ledger
    assert not re.search(r"<script|<link|<img|<iframe|https?://|url\(|@import|\son\w+=", text)
    assert "@page { size: A4" in text
    assert "prefers-color-scheme: dark" in text


def hostile_report() -> Report:
    finding = Finding(Code.MALFORMED, HOSTILE, 1, HOSTILE, {HOSTILE: HOSTILE})
    return Report(
        provider=HOSTILE,
        origin=HOSTILE,
        chain_id=1,
        time=2**60,
        size=1,
        new=1,
        anchored=1,
        anchors=1,
        root=bytes(32),
        findings=(finding,),
        counts={Code.MALFORMED: 1},
        needs=frozenset(Need),
    )


def test_everything_in_the_report_is_escaped_and_safe_on_a_terminal() -> None:
    page = render_report(hostile_report())
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 6
    told = replace(hostile_report(), findings=(Finding(Code.MALFORMED, "a\x1b[2Jb", None, "\x1b]0;x"),))
    assert "\x1b" not in describe(told)


def test_a_report_of_nothing_is_a_page_too() -> None:
    page = render_report(replace(hostile_report(), findings=(), counts={}))
    assert "Clean" in page
    assert "No receipt states a privacy ledger" in page
