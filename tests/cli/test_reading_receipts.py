from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.comparing import find_differences
from cli.context import Session
from cli.errors import ExitCode
from cli.main import run
from cli.output import Output
from provider.receipts.countersignature import add_countersignature
from provider.receipts.envelope import format_receipt
from provider.receipts.facts import ReceiptFacts, RuleFacts
from tests.countersigning import ACCOUNT, by_contract, by_key
from tests.privacy_samples import spent
from tests.receipt_samples import (
    ARTEFACTS,
    REVIEWERS,
    Sample,
    digest,
    make_sample,
    refused,
    reviewed,
    two_datasets,
    withheld,
)

SAMPLE = make_sample()


def failed(facts: ReceiptFacts) -> ReceiptFacts:
    facts = withheld(facts)
    return replace(
        facts, outputs=(), egress=replace(facts.egress, outcome="failed", rule="timeout", checks=())
    )


def unsealed(facts: ReceiptFacts) -> ReceiptFacts:
    facts = failed(facts)
    assert facts.sandbox is not None
    return replace(
        facts,
        sandbox=replace(facts.sandbox, probe=None),
        egress=replace(facts.egress, rule="probe-failed"),
    )


def private(facts: ReceiptFacts) -> ReceiptFacts:
    return replace(facts, privacy=spent("1.0", "3.0", "2.0", cap="8.0"))


def denied(facts: ReceiptFacts) -> ReceiptFacts:
    rule = RuleFacts("a1" * 32, "purpose-allowed", "deny", "DUO:0000042 is not among the purposes")
    facts = refused(facts)
    return replace(facts, policy=replace(facts.policy, decision="deny", rules=(rule,)))


def write(folder: Path, sample: Sample, name: str = "receipt") -> Path:
    path = folder / f"{name}.jsonl"
    path.write_bytes(sample.receipt)
    return path


def command(*words: str | Path) -> ExitCode:
    session = Session(environ={}, output=Output(), interactive=False)
    return run(["receipt", *map(str, words)], session)


def test_a_receipt_is_told_as_a_person_would_ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, SAMPLE)
    (tmp_path / "receipt.tlog-proof").write_bytes(SAMPLE.proof)
    marked = add_countersignature(SAMPLE.envelope, by_key(SAMPLE.envelope.pae))
    path.write_bytes(format_receipt(add_countersignature(marked, by_contract())))
    assert command("show", path) is ExitCode.OK
    out, err = capsys.readouterr()
    assert "tells whether it is true" in err
    for word in (
        SAMPLE.facts.job.consumer,
        SAMPLE.facts.provider.address,
        "DUO:0000042: general research use",
        "a1" * 32,
        digest("algorithm"),
        digest("image"),
        "5 of a token with 18 decimals",
        "0x" + "cc" * 32,
        "runc",
        "21 things looked at",
        "time_s 60",
        "60 s from 2027-01-15T07:58:40Z: completed",
        "at most 192 bits left",
        "no privacy budget was spent",
        "entry 3 of",
        "the log at size 7",
        f"countersignature valid: ethics-board {ACCOUNT}",
        "countersignature unchecked",
        *ARTEFACTS,
        *(item.released_digest or "" for item in SAMPLE.facts.outputs),
    ):
        assert word in out, word


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (withheld, ["left         nothing", "withheld by rule weights-finite", "stayed", "blinded digest"]),
        (
            refused,
            [
                "never ordered",
                "refused by rule purpose-allowed",
                "seal         nothing",
                "run          nothing",
            ],
        ),
        (denied, ["deny by", "rule purpose-allowed: deny, DUO:0000042 is not among the purposes"]),
        (failed, ["failed: the algorithm did not end within the time limit"]),
        (unsealed, ["none: the container ended before it", "was not sealed as it must be"]),
        (private, ["epsilon 2.0, delta 0.00001, by dp-accounting", "1.0 before, 3.0 after, of 8.0"]),
        (two_datasets, ["b2" * 32, "for dataset number 2"]),
    ],
)
def test_each_way_a_job_ends_is_told_with_its_reason(
    change: Callable[[ReceiptFacts], ReceiptFacts],
    words: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write(tmp_path, make_sample(change(SAMPLE.facts), keys=SAMPLE.keys))
    assert command("show", path) is ExitCode.OK
    out = capsys.readouterr().out
    for word in (*words, "none beside it"):
        assert word in out, (word, out)


def test_with_json_the_statement_is_shown_whole_with_its_place_and_its_countersigners(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, SAMPLE)
    (tmp_path / "receipt.tlog-proof").write_bytes(SAMPLE.proof)
    assert command("show", path, "--json") is ExitCode.OK
    document = json.loads(capsys.readouterr().out)
    assert document["predicate"]["job"]["id"] == SAMPLE.facts.job.id
    assert (document["checkpoint"]["size"], document["countersignatures"]) == (7, [])


def test_a_proof_that_is_none_is_told_and_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, SAMPLE)
    (tmp_path / "receipt.tlog-proof").write_bytes(b"garbage")
    assert command("show", path) is ExitCode.VERIFICATION
    assert "proof" in capsys.readouterr().err


def test_words_of_others_reach_no_terminal_with_control_characters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts, name = withheld(SAMPLE.facts), "\x1b]0;x\x1b[2Jgate"
    checks = tuple(replace(check, name=name) for check in facts.egress.checks)
    facts = replace(facts, egress=replace(facts.egress, rule=name, checks=checks))
    path = write(tmp_path, make_sample(facts, keys=SAMPLE.keys))
    for words in (("show", path), ("diff", path, write(tmp_path, SAMPLE, "other"))):
        command(*words)
        assert "\x1b" not in capsys.readouterr().out


def test_two_receipts_are_compared_by_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    marked = format_receipt(add_countersignature(SAMPLE.envelope, by_key(SAMPLE.envelope.pae)))
    first = write(tmp_path, SAMPLE, "first")
    second = write(tmp_path, replace(SAMPLE, receipt=marked), "second")
    third = write(tmp_path, make_sample(withheld(SAMPLE.facts), keys=SAMPLE.keys), "third")
    assert command("diff", first, first) is ExitCode.OK
    assert "they say the same" in capsys.readouterr().out
    assert command("diff", first, second, "--json") is ExitCode.VERIFICATION
    (difference,) = json.loads(capsys.readouterr().out)["differences"]
    assert difference == {
        "path": f"signatures.eip712:31337:{ACCOUNT}:ethics-board",
        "second": "signed",
    }
    assert command("diff", first, third) is ExitCode.VERIFICATION
    out = capsys.readouterr().out
    assert "predicate.egress.verdict" in out
    assert "predicate.outputs[0].released " in out
    assert command("diff", first, tmp_path / "none") is ExitCode.USAGE


documents = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(documents, documents)
def test_documents_differ_somewhere_exactly_when_their_json_does(first: object, second: object) -> None:
    same = json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)
    found = list(find_differences(first, second))
    assert (found == []) is same
    assert [(item.path, item.second, item.first) for item in found] == [
        (item.path, item.first, item.second) for item in find_differences(second, first)
    ]


def test_a_receipt_names_who_had_to_look_and_what_each_said(
    tmp_path: Path, bare_session: Callable[..., Session], capsys: pytest.CaptureFixture[str]
) -> None:
    sample = make_sample(reviewed(SAMPLE.facts, "release", "withhold"), keys=SAMPLE.keys)
    (tmp_path / "receipt.jsonl").write_bytes(sample.receipt)
    assert run(["receipt", "show", str(tmp_path / "receipt.jsonl")], bare_session()) is ExitCode.OK
    told = capsys.readouterr().out
    assert "2 of " in told
    assert f"{REVIEWERS[0].lower()} said release" in told
    assert f"{REVIEWERS[1].lower()} said withhold" in told
    assert "withheld by those who review what leaves" in told
