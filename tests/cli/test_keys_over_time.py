"""What becomes of receipts when keys change, leak or are lost: what the chain then says, and the verdict by that.

Keys and roots stand on a real chain, under the contracts' rules. `docs/keys.md` says the same in words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from cli.context import Session
from cli.errors import ExitCode
from cli.main import run
from cli.operating import publish
from cli.times import MOMENT, Moment
from cli.trusting import build_trust
from datatokens.client import ChainClient
from datatokens.errors import ContractRefusedError
from datatokens.localchain import LocalChain
from datatokens.model import Asset, OrderItem
from provider.receipts.envelope import format_receipt
from provider.receipts.errors import Verdict, VerificationError
from provider.receipts.facts import BlockFacts, ReceiptFacts
from provider.receipts.keys import KEYS_FILE, SigningKeys, create_next_keys
from provider.receipts.trust import parse_trust
from provider.receipts.verify import verify_receipt
from tests.chain_fixtures import ALGORITHM, JOB, PRICE, People, place_order, register_dataset, travel
from tests.cli.conftest import PASSWORD
from tests.cli.key_house import House, house
from tests.cli.test_wallet_commands import ask, code_of
from tests.receipt_samples import CHAIN_ID, ESCROW, ORIGIN, PROVIDER, Sample, make_sample, sample_facts

__all__ = ["house"]

KEYS, NEXT_KEYS, STRANGERS = (SigningKeys.generate(CHAIN_ID) for _ in range(3))
HOUR_S = 3600
ROOT = Path(__file__).resolve().parents[2]


@dataclass(slots=True)
class Life:
    """A provider's keys and anchors on a chain, an hour between one thing and the next."""

    anvil: LocalChain
    chain: ChainClient
    people: People
    size: int = 3

    def publish(self, keys: SigningKeys) -> None:
        public = keys.public()
        self.chain.publish_keys(
            p256=public.p256,
            signer=public.signer,
            ed25519=public.ed25519,
            endpoint="https://data.example",
            sender=self.people.provider,
        )
        travel(self.anvil, HOUR_S)

    def receipt(self, keys: SigningKeys, *, anchor: bool = True) -> Sample:
        """Return a new receipt by these keys, in a log that has grown; its root is anchored unless told otherwise."""
        self.size += 1
        sample = make_sample(_facts(keys), keys=keys, size=self.size)
        if anchor:
            self.anchor(sample)
        return sample

    def anchor(self, sample: Sample) -> None:
        root = sample.trust.anchors[0]
        self.chain.anchor(root.size, root.root, sender=self.people.provider)
        travel(self.anvil, HOUR_S)

    def now(self) -> int:
        return self.chain.head().time

    def revoke(self, index: int, since: int) -> None:
        self.chain.revoke_keys(index, since, sender=self.people.provider)
        travel(self.anvil, HOUR_S)

    def close(self) -> None:
        self.chain.close_provider(sender=self.people.provider)
        travel(self.anvil, HOUR_S)

    def judge(self, sample: Sample) -> tuple[Verdict, str]:
        """Verify as anyone would who reads keys and roots from the chain; samples name accounts of their own."""
        found = build_trust(self.chain, self.people.provider.address)
        trust = parse_trust(replace(found, provider=PROVIDER, origin=ORIGIN, escrow=ESCROW).to_json())
        try:
            verified = verify_receipt(sample.receipt, sample.proof, trust, sample.artifacts)
        except VerificationError as exc:
            return exc.verdict, exc.detail
        return verified.verdict, ""


@pytest.fixture
def life(anvil: LocalChain, chain: ChainClient, people: People) -> Life:
    """A provider whose first keys are published."""
    found = Life(anvil, chain, people)
    found.publish(KEYS)
    return found


def _facts(keys: SigningKeys) -> ReceiptFacts:
    return replace(sample_facts(keys), not_before=BlockFacts(0, "0x" + "bb" * 32))


def before_a_rotation(life: Life) -> Sample:
    receipt = life.receipt(KEYS)
    life.publish(NEXT_KEYS)
    life.receipt(NEXT_KEYS)
    return receipt


def by_the_new_keys(life: Life) -> Sample:
    life.publish(NEXT_KEYS)
    return life.receipt(NEXT_KEYS)


def by_replaced_keys(life: Life) -> Sample:
    life.publish(NEXT_KEYS)
    return life.receipt(KEYS)


def by_keys_that_came_later(life: Life) -> Sample:
    receipt = life.receipt(NEXT_KEYS)
    life.publish(NEXT_KEYS)
    return receipt


def by_keys_of_nobody(life: Life) -> Sample:
    return life.receipt(STRANGERS)


def in_another_name(life: Life) -> Sample:
    receipt = life.receipt(STRANGERS)
    named = make_sample(keys=KEYS).envelope.signatures
    pairs = zip(named, receipt.envelope.signatures, strict=True)
    forged = tuple(replace(name, sig=item.sig) for name, item in pairs)
    return replace(receipt, receipt=format_receipt(replace(receipt.envelope, signatures=forged)))


def before_the_theft(life: Life) -> Sample:
    receipt, theft = life.receipt(KEYS), life.now()
    life.receipt(KEYS)
    life.publish(NEXT_KEYS)
    life.revoke(0, theft)
    return receipt


def between_theft_and_word(life: Life) -> Sample:
    theft = life.now()
    receipt = life.receipt(KEYS)
    life.publish(NEXT_KEYS)
    life.revoke(0, theft)
    return receipt


def after_the_word(life: Life) -> Sample:
    life.revoke(0, life.now())
    return life.receipt(KEYS)


def by_revoked_keys_again(life: Life) -> Sample:
    life.revoke(0, life.now())
    life.publish(KEYS)
    return life.receipt(KEYS)


def before_the_close(life: Life) -> Sample:
    receipt = life.receipt(KEYS)
    life.close()
    return receipt


def after_the_close(life: Life) -> Sample:
    life.close()
    return life.receipt(KEYS)


def of_a_lost_account(life: Life) -> Sample:
    life.receipt(KEYS)
    return life.receipt(KEYS, anchor=False)


def of_a_revoked_and_closed_log(life: Life) -> Sample:
    receipt = life.receipt(KEYS)
    life.revoke(0, life.now())
    life.close()
    return receipt


Story = Callable[[Life], Sample]
CASES: dict[str, tuple[Story, Verdict, str]] = {
    "a receipt from before a rotation verifies for ever": (before_a_rotation, Verdict.VERIFIED, ""),
    "a receipt by the keys that followed verifies": (by_the_new_keys, Verdict.VERIFIED, ""),
    "a receipt by replaced keys does not": (
        by_replaced_keys,
        Verdict.KEY_NOT_VALID_THEN,
        "the p-256 key was replaced at",
    ),
    "a receipt by keys that were published only later does not": (
        by_keys_that_came_later,
        Verdict.KEY_NOT_VALID_THEN,
        "the p-256 key was published only in block",
    ),
    "a receipt by keys that nobody published is of an unknown key": (
        by_keys_of_nobody,
        Verdict.UNKNOWN_KEY,
        "no p-256 signature is by a key that",
    ),
    "a signature in the name of a published key that is not its own is bad": (
        in_another_name,
        Verdict.BAD_SIGNATURE,
        "not over this statement",
    ),
    "a receipt from before the theft of its keys verifies": (before_the_theft, Verdict.VERIFIED, ""),
    "a receipt from after the theft does not, though it came before the word": (
        between_theft_and_word,
        Verdict.KEY_NOT_VALID_THEN,
        "the p-256 key was revoked from",
    ),
    "a receipt from after the word does not": (
        after_the_word,
        Verdict.KEY_NOT_VALID_THEN,
        "the p-256 key was revoked from",
    ),
    "revoked keys do not come back by being published again": (
        by_revoked_keys_again,
        Verdict.KEY_NOT_VALID_THEN,
        "the p-256 key was revoked from",
    ),
    "a receipt from before the close of its log verifies": (before_the_close, Verdict.VERIFIED, ""),
    "nothing that is anchored after the close verifies": (
        after_the_close,
        Verdict.ROOT_NOT_ANCHORED,
        "when the log had been closed for good",
    ),
    "a receipt that a lost account can no longer anchor does not verify": (
        of_a_lost_account,
        Verdict.ROOT_NOT_ANCHORED,
        "no anchor with this root",
    ),
    "a receipt from before both revocation and close verifies": (
        of_a_revoked_and_closed_log,
        Verdict.VERIFIED,
        "",
    ),
}


@pytest.mark.parametrize(("story", "verdict", "words"), CASES.values(), ids=CASES)
def test_what_becomes_of_a_receipt(life: Life, story: Story, verdict: Verdict, words: str) -> None:
    found, detail = life.judge(story(life))
    assert found is verdict
    assert words in detail


def test_the_page_on_keys_has_every_case_with_its_verdict_and_names_tests_that_exist() -> None:
    page = (ROOT / "docs" / "keys.md").read_text()
    rows = re.findall(r"^\| ([^`|]+) \| `([a-z-]+)` \|$", page, re.MULTILINE)
    assert rows == [(sentence, verdict.value) for sentence, (_, verdict, _) in CASES.items()]
    tree = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name in re.findall(r"`(test_\w+)`", page) if f"\ndef {name}(" not in tree] == []


def test_an_owner_whose_provider_is_lost_offers_the_data_through_another(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    item, deadline = OrderItem(asset.token_id, PRICE), chain.head().time + HOUR_S
    chain.retire(asset.token_id, sender=people.owner)
    with pytest.raises(ContractRefusedError, match="retired"):
        chain.order(JOB, ALGORITHM, [item], deadline, sender=people.scientist)
    again = register_dataset(chain, people, provider=people.stranger.address)
    assert again.terms.commitment == asset.terms.commitment
    with pytest.raises(ContractRefusedError, match="isn't approved"):
        chain.order(JOB, ALGORITHM, [OrderItem(again.token_id, PRICE)], deadline, sender=people.scientist)
    chain.approve(again.token_id, ALGORITHM, deadline, sender=people.owner)
    assert place_order(chain, again, people.scientist).provider == people.stranger.address


def test_who_says_later_that_keys_were_stolen_earlier_is_seen_to_have_said_so_later(life: Life) -> None:
    theft = life.now()
    receipt = life.receipt(KEYS)
    assert life.judge(receipt)[0] is Verdict.VERIFIED
    life.revoke(0, theft)
    (keys,) = life.chain.list_keys(life.people.provider.address)
    anchor = life.chain.get_anchor(life.people.provider.address)
    assert anchor is not None
    assert keys.valid_until == theft <= anchor.block.time < (keys.revoked_at or 0)
    _, detail = life.judge(receipt)
    assert detail.endswith(f"revoked from unix time {theft} on, as was said at unix time {keys.revoked_at}")


# With the commands


def told(house: House, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run a command that has to go well, and return what it says beside its data."""
    assert run(["--json", "provider", *words], house.session()) is ExitCode.OK
    return capsys.readouterr().err


def test_keys_are_revoked_since_a_block_and_the_receipts_that_fall_are_counted(
    house: House, anvil: LocalChain, capsys: pytest.CaptureFixture[str]
) -> None:
    good = house.receipt()
    travel(anvil, HOUR_S)
    bad = house.receipt()
    theft = house.lab.chain.head()
    told(house, capsys, "keys", "rotate")
    assert "\n1 receipts were anchored" in "\n" + told(
        house, capsys, "keys", "revoke", "0", "--since", f"block:{theft.number}"
    )
    old = house.sets()[0]
    assert old.valid_until == theft.time < (old.revoked_at or 0)
    assert [house.verdict(good), house.verdict(bad)] == [Verdict.VERIFIED, Verdict.KEY_NOT_VALID_THEN]
    assert run(["provider", "keys", "list"], house.session()) is ExitCode.OK
    assert "(said " in capsys.readouterr().out
    again = ("provider", "keys", "revoke", "0", "--since", f"block:{theft.number}")
    assert code_of(ask(house.session(), capsys, *again, expect=ExitCode.DENIED)) == "contract-refused"
    twice = ask(house.session(), capsys, "provider", "keys", "revoke", "0", expect=ExitCode.DENIED)
    assert code_of(twice) == "keys-revoked"
    absent = ("provider", "keys", "revoke", "0", "--since", f"block:{10**9}")
    assert code_of(ask(house.session(), capsys, *absent, expect=ExitCode.USAGE)) == "block-unknown"


@pytest.mark.parametrize("loss", ["the file is gone", "the file is damaged"])
def test_lost_service_keys_are_replaced_by_the_account_and_what_waited_is_counted_and_never_verifies(
    house: House, capsys: pytest.CaptureFixture[str], loss: str
) -> None:
    before, waiting = house.receipt(), house.receipt(anchor=False)
    file = house.paths.signing_keys / KEYS_FILE
    old = house.keys().public()
    refused = ask(house.session(), capsys, "provider", "keys", "rotate", "--lost", expect=ExitCode.DENIED)
    assert code_of(refused) == "keys-not-lost"
    file.unlink() if loss == "the file is gone" else file.write_bytes(b"{}")
    assert run(["provider", "keys", "rotate"], house.session()) is ExitCode.USAGE
    assert "1 receipts by the lost keys are not anchored" in told(house, capsys, "keys", "rotate", "--lost")
    assert [one.signer for one in house.sets()] == [old.signer, house.keys().public().signer]
    house.start()
    after = house.receipt()
    assert [house.verdict(before), house.verdict(after)] == [Verdict.VERIFIED] * 2
    assert house.verdict(waiting) is Verdict.KEY_NOT_VALID_THEN


def test_a_rotation_of_lost_keys_that_was_stopped_goes_on_with_the_keys_that_it_published(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    old, folder = house.keys().public(), house.paths.signing_keys
    (folder / KEYS_FILE).write_bytes(b"{}")
    chain_id = house.lab.chain.chain_id
    following = create_next_keys(folder, PASSWORD, chain_id=chain_id, lost=True, scrypt_log2_n=2).public()
    publish(house.lab.chain, house.lab.people.provider, following, endpoint="http://there")
    assert ask(house.session(), capsys, "provider", "keys", "rotate", "--lost")["transaction"] is None
    assert house.keys().public() == following
    assert (folder / f"retired-{old.signer.lower()}.json").read_bytes() == b"{}"


def test_where_no_keys_were_published_none_are_lost(
    house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (house.paths.signing_keys / KEYS_FILE).unlink()
    monkeypatch.setattr(ChainClient, "list_keys", lambda *_: [])
    refused = ask(house.session(), capsys, "provider", "keys", "rotate", "--lost", expect=ExitCode.DENIED)
    assert "no keys were published yet" in refused["error"]["message"]


def test_a_log_that_goes_on_after_its_close_convinces_nobody(
    house: House, anvil: LocalChain, capsys: pytest.CaptureFixture[str]
) -> None:
    last = house.receipt(anchor=False)
    told(house, capsys, "close")
    travel(anvil, HOUR_S)
    assert house.verdict(house.receipt()) is Verdict.ROOT_NOT_ANCHORED
    assert house.verdict(last) is Verdict.VERIFIED


@pytest.mark.parametrize("text", ["", "yesterday", "block:", "block:-1", "-5", "1e9", "2027-13-01", "9" * 30])
def test_what_is_no_moment_is_a_usage_error(
    bare_session: Callable[..., Session], capsys: pytest.CaptureFixture[str], text: str
) -> None:
    words = ["provider", "keys", "revoke", "0", f"--since={text}"]
    assert run(words, bare_session()) is ExitCode.USAGE
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2027-01-31", Moment(1_801_353_600)),
        ("2027-01-31T01:00:00+01:00", Moment(1_801_353_600)),
        ("1801353600", Moment(1_801_353_600)),
        ("block:12", Moment(12, is_block=True)),
    ],
)
def test_a_moment_is_a_date_in_utc_a_unix_time_or_a_block(text: str, moment: Moment) -> None:
    assert MOMENT.convert(text, None, None) == moment
