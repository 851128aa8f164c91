"""Credentials from the issuer's desk to the job that needs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.context import Session
from cli.credentials import choose_credentials
from cli.errors import ExitCode, RefusedError
from cli.submissions import load_submission
from cli.submitting import begin_job, send_job
from datatokens.allowlist import build_root
from datatokens.ethkeys import LocalAccount
from datatokens.model import Asset
from policies.people import CredentialDemand
from provider.issuing import issue_credential
from tests.cli.conftest import Desk
from tests.cli.test_submitting_once import scientist, write_job
from tests.cli.test_wallet_commands import ask, code_of
from tests.provider.jobs.test_people import ISSUER, OTHER, policy_text
from tests.provider_fixtures import make_bundle, new_account

UNTIL = 1_950_000_000


def issuer(desk: Desk) -> Session:
    return desk.session("issuer", ISSUER)


def issue(desk: Desk, capsys: pytest.CaptureFixture[str], subject: LocalAccount, file: Path) -> Any:
    words = ("credential", "issue", subject.address, "not-for-profit", "--until", str(UNTIL))
    return ask(issuer(desk), capsys, *words, "--output", str(file))


@pytest.fixture
def guarded(desk: Desk) -> Asset:
    asset = desk.lab.add_dataset(policy=policy_text("anyone", credentials=True))
    desk.lab.approve(asset, make_bundle())
    desk.lab.upload(make_bundle())
    return asset


def test_a_job_goes_with_the_credential_that_its_policy_asks_for(
    desk: Desk, guarded: Asset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job, file = write_job(tmp_path, guarded), tmp_path / "credential.json"
    with pytest.raises(RefusedError, match="a credential for not-for-profit is asked for") as caught:
        begin_job(scientist(desk), job)
    assert ISSUER.address.lower() in caught.value.remedy
    assert not list(scientist(desk).home.jobs.glob("*"))
    issued = issue(desk, capsys, desk.lab.people.scientist, file)
    assert (issued["issuer"], issued["expires"]) == (ISSUER.address, UNTIL)
    assert ask(scientist(desk), capsys, "credential", "add", str(file))["claim"] == "not-for-profit"
    record = begin_job(scientist(desk), job)
    send_job(scientist(desk), record.job_id)
    (kept,) = desk.lab.database.jobs.get(record.job_id).credentials
    assert kept.signature == issued["signature"]
    assert load_submission(scientist(desk).home, record.job_id).submission.credentials == (kept,)


def test_a_job_goes_without_credentials_that_nobody_asked_for(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "credential.json"
    issue(desk, capsys, desk.lab.people.scientist, file)
    ask(scientist(desk), capsys, "credential", "add", str(file))
    record = begin_job(scientist(desk), write_job(tmp_path, desk.lab.add_dataset()))
    assert record.submission.credentials == ()


def test_what_is_kept_is_listed_and_a_file_is_shown(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "credential.json"
    assert ask(scientist(desk), capsys, "credential", "show") == {"credentials": []}
    issue(desk, capsys, desk.lab.people.scientist, file)
    shown = ask(scientist(desk), capsys, "credential", "show", str(file))
    ask(scientist(desk), capsys, "credential", "add", str(file))
    ask(scientist(desk), capsys, "credential", "add", str(file))
    assert ask(scientist(desk), capsys, "credential", "show") == {"credentials": [shown]}


def test_a_credential_that_was_changed_or_is_another_s_is_not_kept(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "credential.json"
    issue(desk, capsys, new_account(), file)
    refused = ask(scientist(desk), capsys, "credential", "add", str(file), expect=ExitCode.USAGE)
    assert code_of(refused) == "credential-of-another"
    document = json.loads(file.read_text())
    file.write_text(json.dumps(document | {"subject": desk.lab.people.scientist.address}))
    refused = ask(scientist(desk), capsys, "credential", "add", str(file), expect=ExitCode.VERIFICATION)
    assert code_of(refused) == "mismatch"
    file.write_text('{"claim": "not-for-profit"}')
    ask(scientist(desk), capsys, "credential", "add", str(file), expect=ExitCode.USAGE)
    assert ask(scientist(desk), capsys, "credential", "show") == {"credentials": []}


@pytest.mark.parametrize(
    ("claim", "until"),
    [("not-for-profit", "2020-01-01"), ("not-for-profit", "block:5"), ("Not for profit", "2031-01-01")],
    ids=["a time that is past", "a block", "a claim in words"],
)
def test_what_no_policy_could_take_is_not_signed(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str], claim: str, until: str
) -> None:
    file = tmp_path / "credential.json"
    words = ("credential", "issue", new_account().address, claim, "--until", until, "--output", str(file))
    ask(issuer(desk), capsys, *words, expect=ExitCode.USAGE)
    assert not file.exists()


def test_one_credential_is_chosen_for_each_demand_and_the_longest_valid_first() -> None:
    subject = new_account().address
    short = issue_credential(ISSUER, subject, "not-for-profit", expires=200)
    long = issue_credential(ISSUER, subject, "not-for-profit", expires=300)
    other = issue_credential(OTHER, subject, "ethics-approval", expires=300)
    demands = [
        CredentialDemand(claim="not-for-profit", issuers=(ISSUER.address,)),
        CredentialDemand(claim="ethics-approval", issuers=(ISSUER.address,)),
    ]
    assert choose_credentials(demands, [long, short, other], subject=subject, now=100) == (
        (long,),
        (demands[1],),
    )
    assert choose_credentials(demands[:1], [long], subject=subject, now=300) == ((), (demands[0],))
    assert choose_credentials(demands[:1], [long], subject=new_account().address, now=1) == (
        (),
        (demands[0],),
    )


def test_a_list_for_a_policy_is_kept_without_a_word_on_chain(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    owner, member = desk.session("owner", desk.lab.people.owner), desk.lab.people.scientist.address
    names = tmp_path / "members.txt"
    names.write_text(f"{member}\n{new_account().address}  # a colleague\n")
    root = ask(owner, capsys, "policy", "root", "--file", str(names))["root"]
    asset = desk.lab.add_dataset(policy=policy_text({"allow_list": {"root": root}}))
    words = ("dataset", "allow", asset.asset_id, "--for-policy", "--file", str(names))
    kept = ask(owner, capsys, *words)
    assert kept["root"] == root == build_root(kept["consumers"]).hex()
    assert desk.lab.chain.get_asset(asset.token_id).consumers_root is None
    assert desk.lab.database.catalogue.find_consumer_list(root) is not None
