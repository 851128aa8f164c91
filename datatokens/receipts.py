"""Receipts as contracts see them: what `Receipts.check` is shown, its call as bytes, and the call made.

Reads no receipt file: what stands in one, and which proof belongs to it, is the business of whoever calls.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING, Any

from eth_abi.abi import encode
from eth_utils.abi import collapse_if_tuple, function_abi_to_4byte_selector

from datatokens.compiled import load_artifact
from datatokens.gateway import checksum
from datatokens.model import TxResult
from datatokens.trusted import TrustedContracts

if TYPE_CHECKING:
    from datatokens.ethkeys import LocalAccount


@dataclass(frozen=True, slots=True)
class LoggedReceipt:
    """A receipt by its digest, with its place in the log and the signer's signature; fields as the contract's struct.

    `pae_digest` is SHA-256 of the envelope's PAE; `proof` the RFC 9162 inclusion path for a log of `size`; `r`, `s` and
    `v` (27 or 28) the secp256k1 signature over the digest.
    """

    provider: str
    pae_digest: bytes
    index: int
    size: int
    proof: tuple[bytes, ...]
    r: bytes
    s: bytes
    v: int


@dataclass(frozen=True, slots=True)
class AnchoredRoot:
    """A log's root as the contracts hold it; `time` in unix seconds, both of the block that anchored it."""

    root: bytes
    size: int
    time: int
    block_number: int


def encode_check(receipt: LoggedReceipt) -> bytes:
    """Return the call of `Receipts.check`: selector and arguments, as Solidity's ABI has them."""
    abi: Any = next(item for item in load_artifact("Receipts").abi if item.get("name") == "check")
    types = [collapse_if_tuple(item) for item in abi["inputs"]]
    return bytes(function_abi_to_4byte_selector(abi)) + encode(types, [astuple(receipt)])


class ReceiptChecks(TrustedContracts):
    """What contracts can say about a receipt."""

    def check_receipt(self, receipt: LoggedReceipt) -> AnchoredRoot:
        """Check that the provider signed and logged it, by an anchored root; return that root.

        Raises:
            ContractRefusedError: it didn't, or the root of that size isn't the newest and was not kept.
        """
        shown = replace(receipt, provider=checksum(receipt.provider))
        return _root(self._gateway.call(self._receipts, "check", astuple(shown)))

    def get_root(self, provider: str, size: int) -> AnchoredRoot:
        """Return a log's root at a size, the newest or one that is kept.

        Raises:
            ContractRefusedError: it is neither.
        """
        return _root(self._gateway.call(self._receipts, "getRoot", checksum(provider), size))

    def keep_root(self, provider: str, *, sender: LocalAccount) -> TxResult:
        """Keep a provider's newest root on chain, so that proofs for its size stay good.

        Raises:
            ContractRefusedError: nothing was anchored yet.
        """
        return self._gateway.send(self._receipts, "keep", checksum(provider), sender=sender)


def _root(view: Any) -> AnchoredRoot:  # noqa: ANN401 - the contract's struct
    root, size, time, number = view
    return AnchoredRoot(bytes(root), size, time, number)
