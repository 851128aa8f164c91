from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_typing import Hash32

from cli.context import Session
from cli.errors import ExitCode
from cli.evidence import DeploymentEvidence
from cli.main import run
from cli.output import Output
from cli.settings import ClientSettings, save_settings
from datatokens.accounts import import_keystore
from datatokens.client import ChainClient
from datatokens.ethkeys import LocalAccount, encode_typed_data
from datatokens.localchain import LocalChain
from datatokens.model import Asset
from provider.receipts.countersignature import add_countersignature
from provider.receipts.countersigners import Countersigned, Standing, verify_countersignatures
from provider.receipts.envelope import Envelope, parse_receipt
from provider.receipts.facts import BlockFacts
from provider.receipts.keys import SigningKeys
from provider.receipts.statement import parse_statement
from tests.chain_fixtures import People, account_for, load_hostile
from tests.countersigning import WORDS, by_contract
from tests.receipt_samples import CHAIN_ID, Sample, make_sample, sample_facts

PASSWORD = "correct horse"
BOARD = account_for("ethics board")


@pytest.fixture
def sample() -> Sample:
    """A receipt from the beginning of its chain."""
    keys = SigningKeys.generate(CHAIN_ID)
    facts = sample_facts(keys)
    return make_sample(replace(facts, not_before=replace(facts.not_before, number=0)), keys=keys)


@pytest.fixture
def folder(tmp_path: Path, sample: Sample) -> Path:
    (tmp_path / "receipt.jsonl").write_bytes(sample.receipt)
    (tmp_path / "receipt.tlog-proof").write_bytes(sample.proof)
    (tmp_path / "trust.json").write_bytes(sample.trust.to_json())
    return tmp_path


def session_of(folder: Path, account: LocalAccount = BOARD, *, interactive: bool = False) -> Session:
    home = folder / "home"
    if not (home / "keys" / "me.json").exists():
        import_keystore(home / "keys", "me", PASSWORD, bytes(account.key), kdf_iterations=2)
    environ = {"SEALROOM_PASSWORD": PASSWORD}
    return Session(environ=environ, output=Output(), interactive=interactive, home_path=home)


def countersign(folder: Path, *options: str, session: Session | None = None) -> ExitCode:
    command = ["receipt", "countersign", str(folder / "receipt.jsonl"), "--statement", "approved"]
    return run([*command, "--role", "ethics-board", *options], session or session_of(folder))


def verify(folder: Path, *options: str) -> ExitCode:
    receipt, trust = str(folder / "receipt.jsonl"), str(folder / "trust.json")
    session = Session(environ={}, output=Output(), interactive=False, home_path=folder / "no home")
    return run(["receipt", "verify", receipt, "--trust", trust, *options], session)


def required(account: LocalAccount = BOARD) -> tuple[str, str]:
    return "--require-countersignature", f"ethics-board={account.address}"


def envelope_in(folder: Path) -> Envelope:
    (envelope,) = parse_receipt((folder / "receipt.jsonl").read_bytes())
    return envelope


def test_a_receipt_is_countersigned_in_its_file_and_verifies_with_the_proof_it_had(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert countersign(folder) is ExitCode.OK
    told = capsys.readouterr()
    for word in ("a countersignature of a receipt", "approved", BOARD.address, "not verified here"):
        assert word in told.err
    assert verify(folder, "--json", *required()) is ExitCode.OK
    document = json.loads(capsys.readouterr().out)
    assert (document["steps"][-1]["name"], document["steps"][-1]["result"]) == ("countersigned", "passed")
    (found,) = document["countersignatures"]
    assert (found["role"], found["account"], found["statement"], found["standing"]) == (
        "ethics-board",
        BOARD.address,
        "approved",
        "valid",
    )
    assert verify(folder) is ExitCode.OK
    assert f"countersignature valid: ethics-board {BOARD.address}: 'approved'" in capsys.readouterr().out


def test_a_countersignature_that_is_required_and_missing_is_a_verdict_of_its_own_at_the_end_of_the_list(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(folder, "--json", *required()) is ExitCode.VERIFICATION
    document = json.loads(capsys.readouterr().out)
    assert (document["verdict"], document["step"]) == ("not-countersigned", "countersigned")
    assert [step["result"] for step in document["steps"]].index("failed") == len(document["steps"]) - 1
    assert BOARD.address in document["steps"][-1]["detail"]


def test_a_changed_countersignature_is_told_to_be_invalid_and_leaves_the_receipts_verdict_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    countersign(folder)
    envelope = envelope_in(folder)
    last = envelope.signatures[-1]
    changed = replace(last, sig=last.sig.replace(b"approved", b"disliked"))
    data = replace(envelope, signatures=(*envelope.signatures[:-1], changed)).to_json() + b"\n"
    (folder / "receipt.jsonl").write_bytes(data)
    capsys.readouterr()
    assert verify(folder) is ExitCode.OK
    out = capsys.readouterr().out
    assert "countersignature invalid" in out
    assert "disliked" not in out
    assert verify(folder, *required()) is ExitCode.VERIFICATION


def test_on_a_terminal_a_yes_is_asked_for_and_a_no_writes_nothing(
    folder: Path, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert countersign(folder, session=session_of(folder, interactive=True)) is ExitCode.DENIED
    assert (folder / "receipt.jsonl").read_bytes() == sample.receipt
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert countersign(folder, session=session_of(folder, interactive=True)) is ExitCode.OK
    assert verify(folder, *required()) is ExitCode.OK


def test_an_account_signs_once_in_a_role_or_says_that_it_takes_its_word_back(folder: Path) -> None:
    assert countersign(folder) is ExitCode.OK
    first = (folder / "receipt.jsonl").read_bytes()
    assert countersign(folder, "--statement", "approved with conditions") is ExitCode.DENIED
    assert (folder / "receipt.jsonl").read_bytes() == first
    assert countersign(folder, "--statement", "approved with conditions", "--instead") is ExitCode.OK
    assert b"approved with conditions" in envelope_in(folder).signatures[-1].sig
    assert verify(folder, *required()) is ExitCode.OK


@pytest.mark.parametrize(
    "options",
    [("--role", "Ethics Board"), ("--statement", ""), ("--statement", "a\x1b[2J"), ("--for", "0x1")],
)
def test_words_that_cannot_be_signed_are_a_usage_error(folder: Path, options: tuple[str, str]) -> None:
    assert countersign(folder, *options) is ExitCode.USAGE


@pytest.mark.parametrize(
    "wanted", ["", "owner", "=0x", "owner=0x1", "owner=0xABcdefABcdefabcdefabcdefabcdefABCdefABCD"]
)
def test_what_is_required_must_be_a_role_and_an_address(folder: Path, wanted: str) -> None:
    assert verify(folder, "--require-countersignature", wanted) is ExitCode.USAGE


@pytest.mark.parametrize("data", [b"", b"{}\n", b"\xff\n"])
def test_garbage_is_not_countersigned(folder: Path, data: bytes) -> None:
    (folder / "receipt.jsonl").write_bytes(data)
    assert countersign(folder) is ExitCode.VERIFICATION


def deploy_wallet(chain: ChainClient, owner: LocalAccount, name: str = "BoardWallet") -> Any:
    """Deploy a contract account; a BoardWallet signs as the account in its chair, which is the owner."""
    artifact = load_hostile(name)
    code = bytes.fromhex(artifact["bytecode"].removeprefix("0x"))
    address = chain._gateway.create(code, sender=owner)
    return chain._gateway._web3.eth.contract(address=address, abi=artifact["abi"])  # type: ignore[call-overload] # any address


def judge(envelope: Envelope, chain: ChainClient) -> Countersigned:
    (found,) = verify_countersignatures(
        envelope, parse_statement(envelope.payload), DeploymentEvidence(chain)
    )
    return found


def connected(folder: Path, anvil: LocalChain, chain: ChainClient, account: LocalAccount) -> Session:
    session = session_of(folder, account)
    chain.deployment.save(session.home.deployment_file)
    save_settings(
        session.home, ClientSettings(rpc_url=anvil.rpc_url, provider_url="http://127.0.0.1:1", provider=None)
    )
    return session


def test_a_contract_countersigns_at_a_block_and_what_it_says_later_changes_nothing(
    folder: Path, anvil: LocalChain, chain: ChainClient, people: People
) -> None:
    wallet = deploy_wallet(chain, people.stranger)
    session = connected(folder, anvil, chain, people.stranger)
    assert countersign(folder, "--for", wallet.address, session=session) is ExitCode.OK
    found = judge(envelope_in(folder), chain)
    assert (found.standing, "accepted by the contract" in found.detail) == (Standing.VALID, True)
    chain._gateway.send(wallet, "handOver", people.owner.address, sender=people.stranger)
    assert judge(envelope_in(folder), chain).standing is Standing.VALID
    assert (
        verify(folder, "--require-countersignature", f"ethics-board={wallet.address}")
        is ExitCode.VERIFICATION
    )
    again = countersign(
        folder, "--for", wallet.address, "--instead", session=connected(folder, anvil, chain, people.stranger)
    )
    assert again is ExitCode.DENIED


def test_a_contracts_word_counts_only_where_the_chain_has_the_block_and_the_contract_says_yes(
    sample: Sample, chain: ChainClient, people: People
) -> None:
    wallet, head = deploy_wallet(chain, people.stranger), chain.head()
    mark = replace(by_contract(), account=wallet.address)
    there = BlockFacts(head.number, "0x" + head.hash.hex())
    signature = people.stranger.unsafe_sign_hash(Hash32(mark.digest(sample.envelope.pae))).signature
    cases = {
        Standing.VALID: [replace(mark, signature=bytes(signature), block=there)],
        Standing.INVALID: [
            replace(mark, signature=bytes(64) + b"\x1b", block=there),
            replace(mark, signature=bytes(signature), block=replace(there, hash="0x" + "00" * 32)),
            replace(mark, signature=bytes(signature), account=people.stranger.address, block=there),
            replace(mark, signature=bytes(signature), words=replace(WORDS, time=1), block=there),
            replace(mark, signature=bytes(signature), block=None),
        ],
        Standing.UNCHECKED: [replace(mark, block=replace(there, number=there.number + 1000))],
    }
    for standing, marks in cases.items():
        for item in marks:
            found = judge(add_countersignature(sample.envelope, item), chain)
            assert found.standing is standing, (item, found.detail)


def test_what_a_key_signed_for_itself_or_for_one_contract_is_not_the_word_of_another_that_it_signs_for(
    sample: Sample, chain: ChainClient, people: People
) -> None:
    wallets = [deploy_wallet(chain, people.stranger).address for _ in range(2)]
    head = chain.head()
    mark = replace(by_contract(), block=BlockFacts(head.number, "0x" + head.hash.hex()))
    for signing in (wallets[0], people.stranger.address):
        digest = replace(mark, account=signing).digest(sample.envelope.pae)
        signature = bytes(people.stranger.unsafe_sign_hash(Hash32(digest)).signature)
        taken = replace(mark, account=wallets[1], signature=signature)
        found = judge(add_countersignature(sample.envelope, taken), chain)
        assert found.standing is Standing.INVALID, (signing, found.detail)


def test_a_wallet_elsewhere_signs_what_is_printed_and_its_signature_is_taken(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wallet = account_for("hardware wallet")
    options = ("--for", wallet.address, "--time", "1800000000")
    assert countersign(folder, *options, "--typed-data") is ExitCode.OK
    message = json.loads(capsys.readouterr().out)
    assert (message["primaryType"], message["message"]["time"]) == ("Countersignature", 1_800_000_000)
    signed = wallet.sign_message(encode_typed_data(full_message=message)).signature.to_0x_hex()
    assert envelope_in(folder).find_signature(f"eip712:31337:{wallet.address}:ethics-board") is None
    assert countersign(folder, *options, "--signature", signed) is ExitCode.OK
    assert verify(folder, *required(wallet)) is ExitCode.OK
    assert countersign(folder, "--for", wallet.address, "--signature", signed) is ExitCode.USAGE
    assert countersign(folder, *options, "--signature", "0x1") is ExitCode.USAGE


def test_a_signature_over_other_words_is_taken_from_nobody(
    folder: Path, anvil: LocalChain, chain: ChainClient, people: People, sample: Sample
) -> None:
    wallet = deploy_wallet(chain, people.stranger)
    mark = replace(
        by_contract(replace(WORDS, time=1_800_000_000, statement="approved")), account=wallet.address
    )
    digest = Hash32(mark.digest(sample.envelope.pae))
    signed = people.stranger.unsafe_sign_hash(digest).signature.to_0x_hex()
    session = connected(folder, anvil, chain, people.stranger)
    for account in (wallet.address, people.stranger.address):
        options = ("--for", account, "--time", "1800000001", "--signature", signed)
        assert countersign(folder, *options, session=session) is ExitCode.DENIED
    assert (folder / "receipt.jsonl").read_bytes() == sample.receipt
    options = ("--for", wallet.address, "--time", "1800000000", "--signature", signed)
    assert countersign(folder, *options, session=session) is ExitCode.OK
    assert judge(envelope_in(folder), chain).standing is Standing.VALID


def test_a_hostile_contract_cannot_send_the_verifier_to_an_address_of_its_choice(
    sample: Sample, chain: ChainClient, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def look_up(*given: object) -> bytes:
        asked.append(given)
        return b""

    monkeypatch.setattr("web3.eth.eth.handle_offchain_lookup", look_up)
    wallet, head = deploy_wallet(chain, people.stranger, "OffchainWallet"), chain.head()
    there = BlockFacts(head.number, "0x" + head.hash.hex())
    mark = replace(by_contract(), account=wallet.address, block=there)
    assert judge(add_countersignature(sample.envelope, mark), chain).standing is Standing.INVALID
    assert asked == []


def test_an_owner_is_who_owns_the_dataset_on_chain_now_or_owned_it_when_the_job_was_decided(
    folder: Path, chain: ChainClient, asset: Asset, people: People
) -> None:
    keys, head = SigningKeys.generate(chain.chain_id), chain.head()
    facts = sample_facts(keys)
    dataset = replace(facts.inputs.datasets[0], token_id=asset.token_id)
    order = replace(facts.job.orders[0], token_id=asset.token_id)
    facts = replace(
        facts,
        job=replace(facts.job, orders=(order,)),
        inputs=replace(facts.inputs, datasets=(dataset,)),
        not_before=BlockFacts(head.number, "0x" + head.hash.hex()),
    )
    (folder / "receipt.jsonl").write_bytes(make_sample(facts, keys=keys).receipt)
    assert countersign(folder, "--role", "owner", session=session_of(folder, people.owner)) is ExitCode.OK
    assert "owns dataset" in judge(envelope_in(folder), chain).detail
    move = (people.owner.address, people.stranger.address, asset.token_id)
    chain._gateway.send(chain._registry, "transferFrom", *move, sender=people.owner)
    found = judge(envelope_in(folder), chain)
    assert (found.standing, f"at block {head.number}" in found.detail) == (Standing.VALID, True)
    assert chain.find_owner(asset.token_id) == people.stranger.address
    assert chain.find_owner(asset.token_id, at_block=head.number) == people.owner.address
    assert chain.find_owner(asset.token_id, at_block=0) is None
    assert chain.find_owner(999) is None
