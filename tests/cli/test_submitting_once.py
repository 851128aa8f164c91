from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from cli.bundles import fetch_bundle
from cli.context import Session
from cli.errors import ApiError, ExitCode, InputError, RefusedError, exit_code
from cli.main import run
from cli.submissions import Submission, load_submission
from cli.submitting import begin_job, order_job, send_job
from datatokens.accounts import import_keystore
from datatokens.client import ChainClient
from datatokens.errors import ContractRefusedError, NotEnoughMoneyError
from datatokens.model import Asset, TxResult
from policies.errors import DocumentError
from provider.jobs.states import State
from sandbox.bundle import Bundle
from tests.cli.conftest import PASSWORD, DeadProvider, Desk, DyingTransport
from tests.provider_fixtures import make_bundle, new_account

if TYPE_CHECKING:
    from datatokens.ethkeys import LocalAccount


class DyingChain(ChainClient):
    """Stops the client dead right after its order was mined."""

    def order(self, *terms: Any, sender: LocalAccount) -> TxResult:
        super().order(*terms, sender=sender)
        raise KeyboardInterrupt


def scientist(desk: Desk, **changes: Any) -> Session:
    return desk.session("scientist", desk.lab.people.scientist, **changes)


def write_job(folder: Path, asset: Asset, **changes: object) -> Path:
    bundle: Bundle = make_bundle()
    target = folder / "algorithm"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name, content in bundle.files.items():
        (target / name).write_bytes(content)
    values: dict[str, object] = {
        "dataset": asset.asset_id,
        "algorithm": "algorithm",
        "purpose": '"DUO:0000006"',
        "max_price": '"5"',
    }
    path = folder / "job.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in (values | changes).items()))
    return path


def send(desk: Desk, file: Path) -> Submission:
    """Begin the job in `file` and send it to a provider that knows its algorithm."""
    desk.lab.upload(make_bundle())
    record = begin_job(scientist(desk), file)
    send_job(scientist(desk), record.job_id)
    return record


def move(desk: Desk, record: Submission, state: State, *, code: str = "cancelled") -> None:
    """Let the provider's clerk move a waiting job."""
    jobs = desk.lab.database.jobs
    assert jobs.move(record.job_id, State.WAITING, state, code=code, message=code, now=desk.lab.now)


@pytest.fixture
def sale(desk: Desk) -> Asset:
    asset = desk.lab.add_dataset()
    desk.lab.approve(asset, make_bundle())
    return asset


def test_a_job_is_saved_before_it_is_sent_and_its_key_is_encrypted(
    desk: Desk, sale: Asset, tmp_path: Path
) -> None:
    session = scientist(desk)
    record = begin_job(session, write_job(tmp_path, sale))
    folder = session.home.jobs / record.job_id
    assert load_submission(session.home, record.job_id) == record
    assert folder.joinpath("result-key.json").stat().st_mode & 0o077 == 0
    assert send_job(session, record.job_id).job_id == record.job_id


def test_hole_21_a_submission_killed_before_it_was_sent_goes_on_as_the_same_job(
    desk: Desk, sale: Asset, tmp_path: Path
) -> None:
    file = write_job(tmp_path, sale)
    session = scientist(desk, transport=DyingTransport(desk.transport(), b"result_key"))
    record = begin_job(session, file)
    with pytest.raises(KeyboardInterrupt):
        send_job(session, record.job_id)
    assert begin_job(scientist(desk), file).job_id == record.job_id


def test_whoever_interrupts_a_submission_is_told_how_to_go_on_with_the_same_job(
    desk: Desk, sale: Asset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = scientist(desk, transport=DyingTransport(desk.transport(), b"result_key"))
    file = write_job(tmp_path, sale)
    assert run(["job", "submit", str(file)], session) is ExitCode.INTERRUPTED
    record = begin_job(scientist(desk), file)
    assert f"sealroom job resume {record.job_id} --wait" in capsys.readouterr().err


def test_hole_4_an_order_whose_client_was_killed_is_found_and_not_paid_twice(
    desk: Desk, sale: Asset, tmp_path: Path
) -> None:
    file, chain = write_job(tmp_path, sale), desk.lab.chain
    dying = DyingChain.connect(desk.rpc_url, chain.deployment)
    session = scientist(desk, chain=dying)
    record = begin_job(session, file)
    token, me = sale.terms.payment_token, record.consumer
    before = chain.token_balance(token, me) + chain.escrow_balance(token, me)
    with pytest.raises(KeyboardInterrupt):
        order_job(session, record.job_id)
    again = begin_job(scientist(desk), file)
    assert again.job_id == record.job_id
    first = order_job(scientist(desk), record.job_id)
    assert order_job(scientist(desk), record.job_id) == first
    assert before - chain.token_balance(token, me) - chain.escrow_balance(token, me) == sale.terms.price_wei


def test_hole_4_the_same_file_goes_on_with_a_paid_job_until_it_has_ended(
    desk: Desk, sale: Asset, tmp_path: Path
) -> None:
    file = write_job(tmp_path, sale)
    record = send(desk, file)
    order_job(scientist(desk), record.job_id)
    assert begin_job(scientist(desk), file).job_id == record.job_id
    move(desk, record, State.CANCELLED)
    other = begin_job(scientist(desk), file)
    assert other.job_id != record.job_id
    assert begin_job(scientist(desk), file).job_id == other.job_id


def test_hole_4_submitting_a_file_twice_pays_once(desk: Desk, sale: Asset, tmp_path: Path) -> None:
    file, chain = write_job(tmp_path, sale), desk.lab.chain
    record = send(desk, file)
    move(desk, record, State.WAITING, code="awaiting-order")
    token = sale.terms.payment_token
    before = chain.token_balance(token, record.consumer) + chain.escrow_balance(token, record.consumer)
    for _ in range(2):
        assert run(["job", "submit", str(file)], scientist(desk)) is ExitCode.OK
    after = chain.token_balance(token, record.consumer) + chain.escrow_balance(token, record.consumer)
    assert before - after == sale.terms.price_wei
    assert [path.name for path in scientist(desk).home.jobs.iterdir()] == [record.job_id]


def test_a_paid_job_goes_on_though_the_dataset_costs_more_or_is_retired_by_now(
    desk: Desk, sale: Asset, tmp_path: Path
) -> None:
    file, owner = write_job(tmp_path, sale), desk.lab.people.owner
    record = send(desk, file)
    order_job(scientist(desk), record.job_id)
    desk.lab.chain.set_price(sale.token_id, sale.terms.price_wei + 1, sender=owner)
    desk.lab.chain.retire(sale.token_id, sender=owner)
    assert begin_job(scientist(desk), file).job_id == record.job_id


def test_nobody_pays_for_a_job_that_another_key_of_the_same_home_signed(
    desk: Desk, sale: Asset, tmp_path: Path
) -> None:
    record, stranger = send(desk, write_job(tmp_path, sale)), desk.lab.people.stranger
    session = scientist(desk)
    import_keystore(session.home.keys, "stranger", PASSWORD, bytes(stranger.key), kdf_iterations=2)
    session.account_name = "stranger"
    with pytest.raises(RefusedError, match="signed by"):
        order_job(session, record.job_id)
    assert desk.lab.chain.find_order(bytes.fromhex(record.job_id), stranger.address, sale.token_id) is None


def test_whoever_wants_another_job_from_the_same_file_says_again(
    desk: Desk, sale: Asset, tmp_path: Path
) -> None:
    file = write_job(tmp_path, sale)
    record = send(desk, file)
    order_job(scientist(desk), record.job_id)
    assert begin_job(scientist(desk), file, again=True).job_id != record.job_id


@pytest.mark.parametrize("paid", [True, False])
def test_an_expired_request_goes_on_only_if_it_was_paid(
    desk: Desk, sale: Asset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, paid: bool
) -> None:
    file = write_job(tmp_path, sale)
    record = send(desk, file)
    if paid:
        order_job(scientist(desk), record.job_id)
    later = SimpleNamespace(time=lambda: record.submission.request.expiry + 1)
    monkeypatch.setattr("cli.submitting.time", later)
    assert (begin_job(scientist(desk), file).job_id == record.job_id) is paid


def test_a_provider_that_is_away_makes_nobody_pay_a_second_time(
    desk: Desk, sale: Asset, tmp_path: Path
) -> None:
    file = write_job(tmp_path, sale)
    record = send(desk, file)
    order_job(scientist(desk), record.job_id)
    session = scientist(desk, transport=DeadProvider())
    assert run(["job", "submit", str(file)], session) is ExitCode.UNREACHABLE
    assert [path.name for path in session.home.jobs.iterdir()] == [record.job_id]


def test_hole_10_an_unapproved_algorithm_moves_no_money(desk: Desk, tmp_path: Path) -> None:
    asset = desk.lab.add_dataset()
    record = begin_job(scientist(desk), write_job(tmp_path, asset))
    with pytest.raises(ContractRefusedError) as caught:
        order_job(scientist(desk), record.job_id)
    assert exit_code(caught.value) is ExitCode.DENIED
    assert (
        desk.lab.chain.find_order(bytes.fromhex(record.job_id), record.consumer, int(record.token_ids[0]))
        is None
    )


def test_a_price_above_the_limit_is_refused_before_anything_is_signed(
    desk: Desk, sale: Asset, tmp_path: Path
) -> None:
    session = scientist(desk)
    with pytest.raises(RefusedError) as caught:
        begin_job(session, write_job(tmp_path, sale, max_price='"4.9"'))
    assert caught.value.code == "price-too-high"
    assert not session.home.jobs.exists()


def test_a_price_raised_after_the_request_is_not_paid(desk: Desk, sale: Asset, tmp_path: Path) -> None:
    record = begin_job(scientist(desk), write_job(tmp_path, sale))
    desk.lab.chain.set_price(sale.token_id, sale.terms.price_wei + 1, sender=desk.lab.people.owner)
    with pytest.raises(RefusedError):
        order_job(scientist(desk), record.job_id)


def test_hole_7_a_retired_dataset_can_not_be_asked_for(desk: Desk, sale: Asset, tmp_path: Path) -> None:
    desk.lab.chain.retire(sale.token_id, sender=desk.lab.people.owner)
    with pytest.raises(RefusedError) as caught:
        begin_job(scientist(desk), write_job(tmp_path, sale))
    assert caught.value.code == "asset-retired"


def test_whoever_has_no_money_is_told_so(desk: Desk, sale: Asset, tmp_path: Path) -> None:
    poor = new_account()
    record = begin_job(desk.session("poor", poor), write_job(tmp_path, sale))
    with pytest.raises(NotEnoughMoneyError):
        order_job(desk.session("poor", poor), record.job_id)


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": "00"},
        {"purpose": "research"},
        {"max_price": "5"},
        {"max_price": '"-5"'},
        {"parameters": "[1]"},
        {"parameters": "{rate: .inf}"},
        {"surprise": "1"},
        {"expires_in_s": "1"},
    ],
)
def test_a_job_file_that_is_not_one_is_refused_with_its_place(
    desk: Desk, sale: Asset, tmp_path: Path, change: dict[str, str]
) -> None:
    with pytest.raises(DocumentError) as caught:
        begin_job(scientist(desk), write_job(tmp_path, sale, **change))
    assert next(iter(change)) in f"{caught.value.path} {caught.value.problem}" or caught.value.problem


def test_a_dataset_that_is_not_registered_is_refused(desk: Desk, sale: Asset, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        begin_job(scientist(desk), write_job(tmp_path, sale, dataset='"' + "ab" * 32 + '"'))
    assert caught.value.code == "dataset-unknown"


def test_the_code_shown_has_the_digest_that_is_approved(desk: Desk, sale: Asset, tmp_path: Path) -> None:
    begin_job(scientist(desk), write_job(tmp_path, sale))
    assert fetch_bundle(scientist(desk), make_bundle().digest) == make_bundle()
    with pytest.raises(ApiError):
        fetch_bundle(desk.session("stranger", desk.lab.people.stranger), make_bundle().digest)
