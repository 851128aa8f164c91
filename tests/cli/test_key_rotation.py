"""A provider that changes its keys, and what becomes of its receipts. Jobs here are refused: none runs."""

from __future__ import annotations

from threading import Thread
from typing import Any

import pytest

from cli import rotating
from cli.errors import ExitCode, StackError
from cli.operating import publish
from cli.services import only_one
from datatokens.localchain import LocalChain, request
from datatokens.model import OrderItem, TxResult
from policies.canonical import parse_digest
from provider.exclusion import hold_worker_lock
from provider.receipts.errors import Verdict
from provider.receipts.keys import create_next_keys
from provider.settings import save_settings as save_provider_settings
from tests.chain_fixtures import PRICE, travel
from tests.cli.conftest import PASSWORD
from tests.cli.key_house import House, house
from tests.cli.test_wallet_commands import ask, code_of
from tests.provider_fixtures import make_bundle

__all__ = ["house"]


def test_after_a_rotation_receipts_are_signed_by_the_new_keys_and_all_of_them_verify(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    before, old = house.receipt(), house.keys().public()
    done = ask(house.session(), capsys, "provider", "keys", "rotate")
    new = house.keys().public()
    assert done["signer"] == new.signer != old.signer
    house.start()
    after = house.receipt()
    assert [one.signer for one in house.sets()] == [old.signer, new.signer]
    assert [house.verdict(before), house.verdict(after)] == [Verdict.VERIFIED] * 2
    listed = ask(house.session(), capsys, "provider", "keys", "list")["keys"]
    assert [one["state"] for one in listed] == ["ended", "in force"]
    kept = [path.name for path in house.paths.signing_keys.glob("retired-*.json")]
    assert kept == [f"retired-{old.signer.lower()}.json"]


def test_receipts_that_wait_are_anchored_before_their_keys_end(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    waiting = house.receipt(anchor=False)
    ask(house.session(), capsys, "provider", "keys", "rotate")
    assert house.verdict(waiting) is Verdict.VERIFIED


def test_keys_are_not_changed_while_a_worker_signs_with_them(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    with hold_worker_lock(house.paths.worker_lock):
        for words in (("keys", "rotate"), ("keys", "revoke", "0"), ("close",)):
            refused = ask(house.session(), capsys, "provider", *words, expect=ExitCode.DENIED)
            assert code_of(refused) == "worker-runs"
    assert len(house.sets()) == 1


def test_up_waits_until_the_keys_have_changed(
    house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []

    def publish_while_up_starts(*given: Any, **named: Any) -> TxResult:
        up.start()
        up.join(timeout=0.5)
        assert started == []
        return publish(*given, **named)

    def start() -> None:
        with only_one(house.session().home):
            started.append(house.keys().public().signer)

    up = Thread(target=start)
    monkeypatch.setattr(rotating, "publish", publish_while_up_starts)
    done = ask(house.session(), capsys, "provider", "keys", "rotate")
    up.join()
    assert started == [done["signer"]]


@pytest.mark.parametrize("finish", ["up", "rotate"])
def test_a_rotation_that_was_killed_after_it_had_published_is_finished(
    house: House, capsys: pytest.CaptureFixture[str], finish: str
) -> None:
    following = create_next_keys(house.paths.signing_keys, PASSWORD, chain_id=house.lab.chain.chain_id)
    publish(house.lab.chain, house.lab.people.provider, following.public(), endpoint="http://there")
    if finish == "up":
        house.start()
    else:
        assert ask(house.session(), capsys, "provider", "keys", "rotate")["transaction"] is None
    assert house.keys().public() == following.public()
    assert len(house.sets()) == 2
    assert house.verdict(house.receipt()) is Verdict.VERIFIED


def test_a_rotation_that_was_killed_before_it_had_published_goes_on_with_the_same_keys(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    old = house.keys().public()
    following = create_next_keys(house.paths.signing_keys, PASSWORD, chain_id=house.lab.chain.chain_id)
    house.start()
    assert house.keys().public() == old
    ask(house.session(), capsys, "provider", "keys", "rotate")
    assert house.keys().public() == following.public()


def test_after_a_revocation_later_receipts_do_not_verify_and_earlier_ones_do(
    house: House, anvil: LocalChain, capsys: pytest.CaptureFixture[str]
) -> None:
    before, stolen = house.receipt(), house.keys()
    ask(house.session(), capsys, "provider", "keys", "revoke", "0")
    travel(anvil, 60)
    after = house.receipt(anchor=False)
    house.notary(stolen).turn()
    assert house.verdict(before) is Verdict.VERIFIED
    assert house.verdict(after) is Verdict.KEY_NOT_VALID_THEN


def test_a_provider_whose_keys_were_revoked_does_not_start_before_it_has_rotated(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(house.session(), capsys, "provider", "keys", "revoke", "0")
    with pytest.raises(StackError, match="were revoked"):
        house.start()
    ask(house.session(), capsys, "provider", "keys", "rotate")
    house.start()
    assert house.verdict(house.receipt()) is Verdict.VERIFIED


def test_old_keys_are_revoked_from_the_time_that_they_were_stolen(
    house: House, anvil: LocalChain, capsys: pytest.CaptureFixture[str]
) -> None:
    good = house.receipt()
    travel(anvil, 100)
    theft = house.lab.chain.head().time
    bad = house.receipt()
    ask(house.session(), capsys, "provider", "keys", "rotate")
    done = ask(house.session(), capsys, "provider", "keys", "revoke", "0", "--since", str(theft))
    assert (done["state"], done["valid_until"]) == ("revoked", theft)
    assert house.verdict(good) is Verdict.VERIFIED
    assert house.verdict(bad) is Verdict.KEY_NOT_VALID_THEN
    early = ("provider", "keys", "revoke", "1", "--since", "1")
    assert code_of(ask(house.session(), capsys, *early, expect=ExitCode.DENIED)) == "contract-refused"
    absent = ask(house.session(), capsys, "provider", "keys", "revoke", "7", expect=ExitCode.USAGE)
    assert code_of(absent) == "keys-unknown"


def test_another_endpoint_is_published_under_the_same_keys(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    before = house.receipt()
    done = ask(house.session(), capsys, "provider", "endpoint", "https://data.example:8443")
    assert (done["index"], done["endpoint"]) == (1, "https://data.example:8443")
    house.start()
    assert len(house.sets()) == 2
    assert [house.verdict(before), house.verdict(house.receipt())] == [Verdict.VERIFIED] * 2
    for url in (
        "data.example",
        "https://me@data.example",
        "https://data.example:99999",
        "https://data.example/?a",
    ):
        wrong = ask(house.session(), capsys, "provider", "endpoint", url, expect=ExitCode.USAGE)
        assert code_of(wrong) == "endpoint-invalid"


def test_a_log_is_closed_with_its_last_receipt_anchored_and_never_opened_again(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    last = house.receipt(anchor=False)
    assert ask(house.session(), capsys, "provider", "close")["receipts"] == 1
    assert house.verdict(last) is Verdict.VERIFIED
    assert ask(house.session(), capsys, "provider", "keys", "list")["closed"] is not None
    for words in (("keys", "rotate"), ("close",)):
        refused = ask(house.session(), capsys, "provider", *words, expect=ExitCode.DENIED)
        assert "closed for good" in refused["error"]["message"]


def test_a_log_is_not_closed_while_a_job_that_waits_is_paid_for(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    lab, (asset, bundle) = house.lab, (house.lab.add_dataset(), make_bundle())
    lab.upload(bundle)
    lab.approve(asset, bundle)
    job_id = bytes.fromhex((lab.submit(lab.request(asset, bundle)).json or {})["job_id"])
    items, deadline = [OrderItem(asset.token_id, PRICE)], lab.chain.head().time + 3600
    order = parse_digest(bundle.digest), items, deadline
    lab.chain.order(job_id, *order, sender=lab.people.scientist)
    refused = ask(house.session(), capsys, "provider", "close", expect=ExitCode.DENIED)
    assert code_of(refused) == "jobs-under-way"


def test_the_last_anchor_has_to_be_confirmed_before_keys_change(
    house: House, anvil: LocalChain, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = house.lab.settings.model_copy(update={"rpc_url": anvil.rpc_url, "confirmations": 3})
    save_provider_settings(house.paths.settings, settings)
    house.receipt()
    early = ask(house.session(), capsys, "provider", "keys", "rotate", expect=ExitCode.DENIED)
    assert code_of(early) == "anchor-unconfirmed"
    request(anvil.rpc_url, "anvil_mine", "0x3")
    ask(house.session(), capsys, "provider", "keys", "rotate")


def test_who_has_no_provider_here_is_told_so(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    house.paths.settings.unlink()
    found = ask(house.session(), capsys, "provider", "keys", "rotate", expect=ExitCode.UNREACHABLE)
    assert "no provider in this home folder" in found["error"]["message"]
