"""Reviewers at the command line: what they sign is what lies in their folder, and is what waits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.errors import ExitCode
from cli.main import run
from datatokens.ethkeys import LocalAccount
from policies.canonical import digest_of
from provider.held import HeldFiles
from provider.jobs.states import State
from provider.receipts.keys import SigningKeys
from provider.receipts.reviews import looked_at_digest
from provider.settings import ProviderPaths
from provider.store.records import Drafts, ReviewRecord, TableLine
from provider.store.tables import ReviewRow
from tests.cli.conftest import Desk
from tests.provider_fixtures import make_bundle, new_account
from tests.receipt_samples import ARTEFACTS, SALT, sample_checks, sample_facts, withheld

WORDS = "the weights are too good to be true"
Command = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def reviewer() -> LocalAccount:
    return new_account()


@pytest.fixture
def waiting(desk: Desk, reviewer: LocalAccount, tmp_path: Path) -> str:
    """Return a job whose release waits for the reviewer and somebody else."""
    lab, bundle = desk.lab, make_bundle()
    asset = lab.add_dataset()
    lab.upload(bundle)
    job_id = str((lab.submit(lab.request(asset, bundle)).json or {})["job_id"])
    for source, target in (
        (State.WAITING, State.QUEUED),
        (State.QUEUED, State.RUNNING),
        (State.RUNNING, State.CHECKING),
    ):
        assert lab.database.jobs.move(job_id, source, target, code="", message="", now=lab.now)
    files = {}
    for name, data in ARTEFACTS.items():
        files[name] = tmp_path / name
        files[name].write_bytes(data)
    HeldFiles(ProviderPaths(lab.home).held).keep(job_id, files)
    facts = sample_facts(SigningKeys.generate(1))
    digests = {name: digest_of(data) for name, data in ARTEFACTS.items()}
    checks = [(check.name, check.ok) for check in sample_checks()]
    review = ReviewRecord(
        job_id=job_id,
        reviewers=(reviewer.address.lower(), "0x" + "11" * 20),
        looked_at=looked_at_digest(digests, checks, SALT),
        salt=SALT,
        drafts=Drafts(facts, withheld(facts)),
        lines=tuple(TableLine(name, ok, "at most 0.1") for name, ok in checks),
        log_blob=None,
        opened=lab.now,
        due=lab.now + 3600,
    )
    assert lab.database.reviews.open(review, code="reviewing", message="")
    return job_id


@pytest.fixture
def command(desk: Desk, reviewer: LocalAccount, capsys: pytest.CaptureFixture[str]) -> Command:
    """Return a runner of the reviewer's commands, which gives back exit code and document."""

    def type_in(*words: object) -> tuple[int, dict[str, Any]]:
        code = run(["--json", "review", *map(str, words)], desk.session("reviewer", reviewer))
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        return int(code), document

    return type_in


def test_a_reviewer_fetches_what_waits_and_signs_on_what_was_fetched(
    desk: Desk, waiting: str, command: Command, tmp_path: Path
) -> None:
    folder = tmp_path / "seen"
    assert [one["job_id"] for one in command("list")[1]["reviews"]] == [waiting]
    assert command("show", waiting)[1]["checks"][0]["detail"] == "at most 0.1"
    assert command("fetch", waiting, "--output", folder)[0] == 0
    assert {name: (folder / name).read_bytes() for name in ARTEFACTS} == ARTEFACTS
    code, decided = command("withhold", waiting, "--looked-at", folder, "--reason", WORDS)
    assert (code, decided["decided"], decided["outcome"]) == (0, "withhold", "open")
    (kept,) = desk.lab.database.reviews.decisions(waiting)
    assert (kept.decision, kept.words, kept.expiry % 10) == ("withhold", WORDS, 0)
    code, again = command("release", waiting, "--looked-at", folder)
    assert (code, again["error"]["code"]) == (ExitCode.DENIED, "decided")


def test_what_is_signed_is_shown_before_and_the_digest_with_it(
    desk: Desk, reviewer: LocalAccount, waiting: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["fetch", waiting, "--output"], ["release", waiting, "--looked-at"]):
        code = run(["review", *words, str(tmp_path / "seen")], desk.session("reviewer", reviewer))
        assert code is ExitCode.OK
    told = capsys.readouterr().err
    review = desk.lab.database.reviews.find(waiting)
    assert review is not None
    for text in (review.looked_at, waiting, "a decision to release, which is final"):
        assert text in told


@pytest.mark.parametrize("change", ["a byte", "a check", "another job"])
def test_nothing_is_signed_on_files_or_checks_that_are_not_those_that_wait(
    desk: Desk, waiting: str, command: Command, tmp_path: Path, change: str
) -> None:
    folder = tmp_path / "seen"
    command("fetch", waiting, "--output", folder)
    report = folder / "review.json"
    if change == "a byte":
        (folder / "metrics.json").write_bytes(b"{}")
    elif change == "a check":
        report.write_text(report.read_text().replace('"ok": true', '"ok": false'))
    else:
        report.write_text(report.read_text().replace(waiting, "0" * 64))
    code, _ = command("release", waiting, "--looked-at", folder)
    assert code == ExitCode.VERIFICATION
    assert desk.lab.database.reviews.decisions(waiting) == ()


def test_a_provider_that_shows_one_thing_and_has_another_signed_is_found_out(
    desk: Desk, waiting: str, command: Command, tmp_path: Path
) -> None:
    with desk.lab.database.reviews._write() as session:
        session.get_one(ReviewRow, waiting).looked_at = digest_of(b"something else")
    code, _ = command("fetch", waiting, "--output", tmp_path / "seen")
    assert code == ExitCode.VERIFICATION


def test_a_held_file_that_was_changed_is_shown_to_nobody(
    desk: Desk, waiting: str, command: Command, tmp_path: Path
) -> None:
    (ProviderPaths(desk.lab.home).held / waiting / "metrics.json").write_bytes(b"{}")
    code, told = command("fetch", waiting, "--output", tmp_path / "seen")
    assert (code, told["error"]["code"]) == (ExitCode.USAGE, "not-held")


def test_somebody_else_sees_no_review(desk: Desk, waiting: str, capsys: pytest.CaptureFixture[str]) -> None:
    session = desk.session("stranger", new_account())
    assert run(["--json", "review", "show", waiting], session) is ExitCode.USAGE
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "not-found"
