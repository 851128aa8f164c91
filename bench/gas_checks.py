"""Measures what it costs a contract to have a receipt checked: in a log of one, of a thousand and of a million receipts.

The deep logs are not filled: an inclusion path of any hashes leads to some root, and that one is anchored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coincurve import PrivateKey

from datatokens.ethkeys import Account
from datatokens.localchain import request
from datatokens.receipts import LoggedReceipt, encode_check

if TYPE_CHECKING:
    from bench.gas_life import Stage

DEPTHS = (0, 10, 20)
WHO = "archivist"
ENTRY_TAG = b"sealroom-receipt-v1\n"
P256_POINT = bytes.fromhex(  # the curve's generator: nobody signs with it here
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)


@dataclass(frozen=True, slots=True)
class Check:
    """What one check cost: `execution` is what a contract pays that calls it, `gas` a transaction that does nothing else."""

    gas: int
    execution: int


def check_receipts(stage: Stage) -> tuple[dict[int, Check], int]:
    """Return what a check costs by the depth of the log, and what it costs to keep a root."""
    sender, signer = stage.people[WHO], PrivateKey(_digest("signer"))
    stage.chain.publish_keys(
        p256=P256_POINT,
        signer=Account.from_key(signer.secret).address,
        ed25519=_digest("ed25519"),
        endpoint="https://sealroom.hospital.org",
        sender=sender,
    )
    found: dict[int, Check] = {}
    for depth in DEPTHS:
        receipt, root = _receipt(sender.address, signer, depth)
        stage.chain.anchor(receipt.size, root, sender=sender)
        call, to = encode_check(receipt), stage.chain.deployment.receipts
        found[depth] = _cost(stage, stage.chain._gateway.execute(to, call, sender=sender).tx_hash)  # noqa: SLF001 - a view, which no client method sends
    return found, stage.chain.keep_root(sender.address, sender=sender).gas_used


def _receipt(provider: str, signer: PrivateKey, depth: int) -> tuple[LoggedReceipt, bytes]:
    """Return a receipt in a full tree of that depth, and the tree's root."""
    digest = _digest("receipt")
    index, path = (1 << depth) // 3, tuple(_digest(f"node {level}") for level in range(depth))
    root = _fold(hashlib.sha256(b"\x00" + ENTRY_TAG + digest).digest(), index, path)
    raw = signer.sign_recoverable(digest, hasher=None)
    r, s, v = raw[:32], raw[32:64], raw[64] + 27
    return LoggedReceipt(provider, digest, index, 1 << depth, path, r, s, v), root


def _fold(leaf: bytes, index: int, path: Sequence[bytes]) -> bytes:
    for level, sibling in enumerate(path):
        pair = sibling + leaf if index >> level & 1 else leaf + sibling
        leaf = hashlib.sha256(b"\x01" + pair).digest()
    return leaf


def _cost(stage: Stage, tx_hash: str) -> Check:
    options = {"disableStack": True, "disableStorage": True, "enableMemory": False}
    steps = request(stage.rpc_url, "debug_traceTransaction", tx_hash, options)["structLogs"]
    return Check(stage.gas(tx_hash), steps[0]["gas"] - steps[-1]["gas"] + steps[-1]["gasCost"])


def _digest(name: str) -> bytes:
    return hashlib.sha256(f"sealroom gas {name}".encode()).digest()
