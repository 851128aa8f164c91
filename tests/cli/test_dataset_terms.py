from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.context import Session
from cli.errors import ApiError, ExitCode, MismatchError, RefusedError
from cli.main import run
from cli.submitting import begin_job, order_job
from datatokens.allowlist import build_root
from datatokens.model import Asset
from policies.canonical import digest_of, digest_text
from tests.chain_fixtures import COIN, PRICE
from tests.cli.conftest import DeadProvider, Desk
from tests.cli.test_submitting_once import sale, scientist, write_job
from tests.cli.test_wallet_commands import ask, code_of, make_cents
from tests.provider_fixtures import POLICY, make_bundle, new_account

__all__ = ["sale"]
STRICTER = POLICY.replace("time_s: 20", "time_s: 10")


def owner(desk: Desk) -> Session:
    return desk.session("owner", desk.lab.people.owner)


def root_of(desk: Desk, sale: Asset) -> bytes | None:
    return desk.lab.chain.get_asset(sale.token_id).consumers_root


def test_who_is_listed_orders_as_before_and_others_are_refused_before_a_job_is_signed(
    desk: Desk, sale: Asset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed, file = desk.lab.people.scientist, write_job(tmp_path, sale)
    names = tmp_path / "people.txt"
    names.write_text(f"# cardiology\n{listed.address}  # Dr. A\n\n")
    words = ("dataset", "allow", sale.asset_id, new_account().address, "--file", str(names))
    done = ask(owner(desk), capsys, *words)
    assert root_of(desk, sale) == build_root(done["consumers"])
    assert listed.address in done["consumers"]
    desk.lab.upload(make_bundle())
    record = begin_job(scientist(desk), file)
    assert order_job(scientist(desk), record.job_id)
    stranger = desk.session("stranger", desk.lab.people.stranger)
    with pytest.raises(RefusedError, match="is not on the allow-list"):
        begin_job(stranger, file)
    assert not list(stranger.home.jobs.glob("*"))
    refused = ask(stranger, capsys, "wallet", "buy", sale.asset_id, expect=ExitCode.DENIED)
    assert code_of(refused) == "not-listed"


def test_anyone_clears_the_list_and_saying_the_same_again_sends_nothing(
    desk: Desk, sale: Asset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("dataset", "allow", sale.asset_id)
    ask(owner(desk), capsys, *words, new_account().address)
    assert ask(owner(desk), capsys, *words, "--anyone")["transaction"]
    assert root_of(desk, sale) is None
    assert ask(owner(desk), capsys, *words, "--anyone")["transaction"] is None
    assert begin_job(scientist(desk), write_job(tmp_path, sale))


def test_the_list_is_shown_to_its_owner_alone(
    desk: Desk, sale: Asset, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("dataset", "allow", sale.asset_id)
    assert ask(owner(desk), capsys, *words, "--show")["consumers"] is None
    one = new_account().address
    ask(owner(desk), capsys, *words, one)
    assert ask(owner(desk), capsys, *words, "--show")["consumers"] == [one]
    ask(scientist(desk), capsys, *words, "--show", expect=ExitCode.DENIED)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([], "usage"),
        (["--anyone", "--show"], "usage"),
        (["0x12"], "account-unknown"),
        (["--file", "EMPTY"], "allow-list-invalid"),
    ],
)
def test_a_list_that_can_not_be_is_refused_and_nothing_changes(
    desk: Desk,
    sale: Asset,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: str,
) -> None:
    (tmp_path / "EMPTY").write_text("# nobody\n")
    given = [str(tmp_path / word) if word == "EMPTY" else word for word in words]
    found = ask(owner(desk), capsys, "dataset", "allow", sale.asset_id, *given, expect=ExitCode.USAGE)
    assert code_of(found) == code
    assert root_of(desk, sale) is None


def test_only_the_owner_sets_the_list(desk: Desk, sale: Asset, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("dataset", "allow", sale.asset_id, desk.lab.people.stranger.address)
    ask(desk.session("stranger", desk.lab.people.stranger), capsys, *words, expect=ExitCode.DENIED)
    assert root_of(desk, sale) is None


def test_a_list_that_stands_on_chain_but_not_at_the_provider_lets_nobody_guess(
    desk: Desk, sale: Asset, tmp_path: Path
) -> None:
    me = desk.lab.people.scientist.address
    desk.lab.chain.set_consumers(sale.token_id, build_root([me]), sender=desk.lab.people.owner)
    with pytest.raises(ApiError, match="was not handed in here") as caught:
        begin_job(scientist(desk), write_job(tmp_path, sale))
    assert "dataset allow" in caught.value.remedy


def test_a_proof_that_does_not_lead_to_the_root_on_chain_is_not_used(
    desk: Desk, sale: Asset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    me, chain = desk.lab.people.scientist.address, desk.lab.chain
    ask(owner(desk), capsys, "dataset", "allow", sale.asset_id, me, new_account().address)
    root = root_of(desk, sale)
    assert root is not None
    blob = desk.lab.database.catalogue.find_consumer_list(root.hex())
    assert blob is not None
    other = desk.lab.blobs.put(f'["{me}","{new_account().address}"]'.encode())
    desk.lab.database.catalogue.add_consumer_list(root.hex(), other)
    with pytest.raises(MismatchError, match="doesn't lead to the root"):
        begin_job(scientist(desk), write_job(tmp_path, sale))
    ask(owner(desk), capsys, "dataset", "allow", sale.asset_id, "--show", expect=ExitCode.VERIFICATION)
    assert chain.find_order(bytes(32), me, sale.token_id) is None


def test_a_new_policy_is_kept_by_the_provider_before_it_stands_on_chain(
    desk: Desk, sale: Asset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "stricter.yaml"
    file.write_text(STRICTER)
    done = ask(owner(desk), capsys, "dataset", "policy", sale.asset_id, str(file))
    digest = digest_of(STRICTER.encode())
    assert done["policy_digest"] == digest
    assert digest_text(desk.lab.chain.get_asset(sale.token_id).terms.policy_digest) == digest
    assert desk.lab.read(None, f"/v1/datasets/{sale.asset_id}/policy").data == STRICTER.encode()
    again = ask(owner(desk), capsys, "dataset", "policy", sale.asset_id, str(file))
    assert again["transaction"] is None
    kept = desk.lab.chain.list_policies(sale.token_id)
    assert [item.digest for item in kept] == [sale.terms.policy_digest, bytes.fromhex(digest[7:])]


def test_a_policy_that_does_not_hold_or_is_not_its_owner_s_changes_nothing(
    desk: Desk, sale: Asset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, good = tmp_path / "broken.yaml", tmp_path / "good.yaml"
    broken.write_text("version: 1\n")
    good.write_text(STRICTER)
    words = ("dataset", "policy", sale.asset_id)
    ask(owner(desk), capsys, *words, str(broken), expect=ExitCode.USAGE)
    other = desk.session("stranger", desk.lab.people.stranger)
    ask(other, capsys, *words, str(good), expect=ExitCode.DENIED)
    alone = desk.session("owner", desk.lab.people.owner, transport=DeadProvider())
    ask(alone, capsys, *words, str(good), expect=ExitCode.UNREACHABLE)
    assert desk.lab.chain.get_asset(sale.token_id).terms.policy_digest == sale.terms.policy_digest


def test_history_tells_everything_that_owners_did_in_order_from_the_chain_alone(
    desk: Desk, sale: Asset, capsys: pytest.CaptureFixture[str]
) -> None:
    chain, me, digest = desk.lab.chain, desk.lab.people.owner, bytes.fromhex(make_bundle().digest[7:])
    chain.set_price(sale.token_id, 2 * PRICE, sender=me)
    chain.set_policy(sale.token_id, b"\x01" * 32, sender=me)
    chain.set_consumers(sale.token_id, build_root([me.address]), sender=me)
    chain.set_consumers(sale.token_id, None, sender=me)
    chain.revoke(sale.token_id, digest, sender=me)
    chain.retire(sale.token_id, sender=me)
    alone = desk.session("anyone", new_account(), transport=DeadProvider())
    steps = ask(alone, capsys, "dataset", "history", sale.asset_id)["history"]
    assert [step["what"] for step in steps] == [
        "registered",
        "algorithm approved",
        "price changed",
        "policy changed",
        "allow-list changed",
        "allow-list changed",
        "algorithm revoked",
        "retired",
    ]
    assert me.address in steps[0]["detail"]
    assert steps[2]["detail"] == "to 10 tSEAL"
    assert digest_text(sale.terms.policy_digest) in steps[3]["detail"]
    assert steps[5]["detail"] == "anyone may order"
    assert [step["block"] for step in steps] == sorted(step["block"] for step in steps)


def test_income_says_by_dataset_what_was_earned_what_is_open_and_what_can_be_withdrawn(
    desk: Desk, sale: Asset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chain, file = desk.lab.chain, write_job(tmp_path, sale)
    desk.lab.upload(make_bundle())
    records = [begin_job(scientist(desk), file, again=True) for _ in range(3)]
    for record in records:
        order_job(scientist(desk), record.job_id)
    ids = [
        order.order_id
        for record in records
        if (order := chain.find_order(bytes.fromhex(record.job_id), record.consumer, sale.token_id))
    ]
    chain.settle(ids[:1], ids[1:2], sender=desk.lab.people.provider)
    chain.buy(sale.token_id, COIN, PRICE, sender=desk.lab.people.scientist)
    found = ask(owner(desk), capsys, "dataset", "income")
    (mine,) = [one for one in found["datasets"] if one["asset_id"] == sale.asset_id]
    part = PRICE * 9 // 10
    assert (mine["earned_wei"], mine["sold_wei"]) == (str(part), str(part))
    assert (mine["open_wei"], mine["settled_wei"], mine["refunded_wei"]) == (str(PRICE),) * 3
    assert (mine["owner_share_bps"], mine["provider_share_bps"]) == (9000, 1000)
    assert found["credit"][0]["withdrawable_wei"] == str(2 * part)
    assert run(["dataset", "income"], owner(desk)) is ExitCode.OK
    assert "4.5 tSEAL" in capsys.readouterr().out


def test_income_tells_a_person_what_can_be_withdrawn_of_each_token(
    desk: Desk, sale: Asset, capsys: pytest.CaptureFixture[str]
) -> None:
    chain, me = desk.lab.chain, desk.lab.people.owner
    cents = make_cents(chain, me)
    desk.lab.add_dataset(payment_token=cents)
    chain.buy(sale.token_id, COIN, PRICE, sender=desk.lab.people.scientist)
    chain.deposit(cents, 25 * 10**5, sender=me)
    assert run(["dataset", "income"], owner(desk)) is ExitCode.OK
    assert "withdrawable  4.5 tSEAL, 2.5 tCENT" in capsys.readouterr().out


def test_a_community_a_cap_and_a_price_in_other_decimals_are_registered_as_given(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    community = new_account().address
    (tmp_path / "policy.yaml").write_text(POLICY)
    words = ["dataset", "add", "wards.csv", "--name", "Wards", "--policy", str(tmp_path / "policy.yaml")]
    words += ["--price", "5", "--cap", "20", "--community", community]
    alone = ask(owner(desk), capsys, *words, expect=ExitCode.USAGE)
    assert code_of(alone) == "community-invalid"
    session = owner(desk)
    session._parts.pop("chain")  # the command's own shows what it signs
    assert run(["--json", *words, "--community-share-bps", "250"], session) is ExitCode.OK
    told = capsys.readouterr()
    done, shown = json.loads(told.out), " ".join(told.err.split())
    for line in ("Registry.register", "price 5 tSEAL", "cap 20 datatokens", f"community {community}"):
        assert line in shown
    terms = desk.lab.chain.get_asset(int(done["token_id"])).terms
    assert (terms.community, terms.community_share_bps, terms.cap_wei) == (community, 250, 20 * COIN)
    priced = ask(owner(desk), capsys, "dataset", "price", done["asset_id"], "2.5")
    assert priced["price"] == "2.5 tSEAL"
