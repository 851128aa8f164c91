"""Tells what a dataset's owners did with it over time, in words, from the chain's events alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cli.datasets import get_asset
from cli.money import write_amount
from cli.times import format_time
from policies.canonical import digest_text

if TYPE_CHECKING:
    from cli.context import Session
    from datatokens.model import Token

Values = Mapping[str, Any]
MINTED_FROM = 0
"""The ERC-721 event of a registration comes from nobody, and says nothing that the registration doesn't."""


@dataclass(frozen=True, slots=True)
class HistoryStep:
    """One thing that an owner did: when, in which block and transaction, and in words."""

    time: str
    block: int
    what: str
    detail: str
    transaction: str

    def to_json(self) -> dict[str, object]:
        """Return the step as JSON."""
        return asdict(self)


WORDS: Mapping[str, tuple[str, Callable[[Values, Token], str]]] = {
    "Registered": (
        "registered",
        lambda v, _: f"by {v['owner']}, policy {digest_text(bytes(v['policyDigest']))}",
    ),
    "PolicyChanged": (
        "policy changed",
        lambda v, _: (
            f"to {digest_text(bytes(v['policyDigest']))}, from {digest_text(bytes(v['previousDigest']))}"
        ),
    ),
    "PriceChanged": ("price changed", lambda v, token: f"to {write_amount(v['price'], token)}"),
    "ConsumersChanged": (
        "allow-list changed",
        lambda v, _: f"to root 0x{bytes(v['root']).hex()}" if any(v["root"]) else "anyone may order",
    ),
    "AlgorithmApproved": (
        "algorithm approved",
        lambda v, _: f"{digest_text(bytes(v['algorithm']))} until {format_time(v['expiresAt'])}",
    ),
    "AlgorithmRevoked": ("algorithm revoked", lambda v, _: digest_text(bytes(v["algorithm"]))),
    "Transfer": ("handed over", lambda v, _: f"from {v['from']} to {v['to']}"),
    "Retired": ("retired", lambda _, __: "for good"),
}


def list_history(session: Session, asset_id: str) -> list[HistoryStep]:
    """Return what was done with an asset, oldest first.

    Raises:
        InputError: the registry has no such asset.
    """
    chain, asset = session.get_chain(), get_asset(session, asset_id)
    token = chain.get_token(asset.terms.payment_token)
    steps = []
    for event in chain.list_asset_events(asset.token_id):
        if event.name == "Transfer" and int(event.values["from"], 16) == MINTED_FROM:
            continue
        what, tell = WORDS[event.name]
        when = format_time(event.block.time)
        steps.append(HistoryStep(when, event.block.number, what, tell(event.values, token), event.tx_hash))
    return steps
