"""Makes countersignatures of the sample receipt, and a chain that knows the accounts behind them."""

from __future__ import annotations

from dataclasses import dataclass, field

from coincurve import PrivateKey

from provider.receipts.countersignature import Countersignature, Words, countersigned_digest
from provider.receipts.errors import EvidenceUnavailableError
from provider.receipts.facts import BlockFacts
from provider.receipts.signatures import address_of, checksum_address
from tests.receipt_samples import CHAIN_ID

KEY = PrivateKey(b"\x2a" * 32)
ACCOUNT = address_of(KEY.public_key.format(compressed=False))
BOARD = checksum_address("0x" + "b0" * 20)
BOARD_SIGNATURE = b"whatever the contract likes"
BLOCK = BlockFacts(130, "0x" + "ad" * 32)
WORDS = Words("ethics-board", "approved for publication, protocol 2026-17", 1_800_000_100)


def by_key(pae: bytes, words: Words = WORDS, *, chain_id: int = CHAIN_ID) -> Countersignature:
    """Return what the holder of KEY signed."""
    raw = KEY.sign_recoverable(countersigned_digest(pae, ACCOUNT, words, chain_id), hasher=None)
    return Countersignature(chain_id, ACCOUNT, words, raw[:64] + bytes([raw[64] + 27]))


def by_contract(words: Words = WORDS) -> Countersignature:
    """Return what the contract BOARD accepts at BLOCK."""
    return Countersignature(CHAIN_ID, BOARD, words, BOARD_SIGNATURE, BLOCK)


@dataclass(frozen=True)
class Accounts:
    """A chain whose contract BOARD accepts one signature, at one block, of one receipt.

    `owners` has who owns dataset 1, by block, None for now.
    """

    pae: bytes
    owners: dict[int | None, str] = field(default_factory=dict)
    reachable: bool = True

    def is_block(self, block: BlockFacts) -> bool:
        self._answer()
        return block == BLOCK

    def accepts(self, account: str, digest: bytes, signature: bytes, *, at_block: int) -> bool:
        expected = countersigned_digest(self.pae, BOARD, WORDS, CHAIN_ID)
        return (account, digest, signature, at_block) == (BOARD, expected, BOARD_SIGNATURE, BLOCK.number)

    def find_owner(self, token_id: int, *, at_block: int | None = None) -> str | None:
        self._answer()
        return self.owners.get(at_block) if token_id == 1 else None

    def _answer(self) -> None:
        if not self.reachable:
            raise EvidenceUnavailableError("the chain doesn't answer")
