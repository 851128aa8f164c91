"""What an owner's datasets brought in, by dataset and token, from the chain alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cli.money import write_amount
from cli.orders import list_owned
from datatokens.model import WHOLE_SHARE_BPS, OrderStatus

if TYPE_CHECKING:
    from cli.context import Session
    from datatokens.model import Asset, AssetTerms, Token


@dataclass(frozen=True, slots=True)
class Income:
    """The money of one dataset, in units of its payment token.

    `earned` is the caller's own part of settled orders, `sold` the owner's part of datatokens sold ahead, `settled`,
    `open` and `refunded` are whole prices.
    """

    asset_id: str
    token: Token
    earned: int
    sold: int
    settled: int
    open: int
    refunded: int
    owner_share_bps: int
    provider_share_bps: int
    community_share_bps: int

    def to_json(self) -> dict[str, Any]:
        """Return the income as JSON; amounts in units, as text."""
        amounts = {name: getattr(self, name) for name in ("earned", "sold", "settled", "open", "refunded")}
        shares = ("owner_share_bps", "provider_share_bps", "community_share_bps")
        return {
            "asset_id": self.asset_id,
            "token": self.token.address,
            "symbol": self.token.symbol,
            "decimals": self.token.decimals,
            **{f"{name}_wei": str(amount) for name, amount in amounts.items()},
            **{name: getattr(self, name) for name in shares},
        }

    def to_words(self) -> tuple[str, ...]:
        """Return earned, sold, open and refunded in human units, and the shares of owner, provider and community."""
        amounts = (self.earned, self.sold, self.open, self.refunded)
        shares = (self.owner_share_bps, self.provider_share_bps, self.community_share_bps)
        return (*(write_amount(amount, self.token) for amount in amounts), "/".join(map(str, shares)))


@dataclass(frozen=True, slots=True)
class Credit:
    """What the caller can withdraw of one token, whatever it came from."""

    token: Token
    withdrawable: int

    def to_json(self) -> dict[str, Any]:
        """Return the credit as JSON."""
        token = self.token
        return {"token": token.address, "symbol": token.symbol, "withdrawable_wei": str(self.withdrawable)}


def list_incomes(session: Session, asset_id: str | None = None) -> list[Income]:
    """Return the income of each dataset that the caller owns, or of one.

    Raises:
        RefusedError: the dataset is somebody else's.
    """
    parts = session.get_chain().list_earnings(session.get_address())
    return [_income(session, asset, parts) for asset in list_owned(session, asset_id)]


def list_credit(session: Session, asset_id: str | None = None) -> list[Credit]:
    """Return what can be withdrawn of each token that the caller's datasets, or one of them, are paid in."""
    chain, me = session.get_chain(), session.get_address()
    tokens = dict.fromkeys(asset.terms.payment_token for asset in list_owned(session, asset_id))
    return [Credit(chain.get_token(token), chain.escrow_balance(token, me)) for token in tokens]


def _income(session: Session, asset: Asset, parts: dict[bytes, int]) -> Income:
    chain, terms = session.get_chain(), asset.terms
    totals = dict.fromkeys(OrderStatus, 0)
    earned = 0
    for placed in chain.list_orders(token_id=asset.token_id):
        totals[chain.order_status(placed.order_id)] += placed.amount_wei
        earned += parts.get(placed.order_id, 0)
    return Income(
        asset_id=asset.asset_id,
        token=chain.get_token(terms.payment_token),
        earned=earned,
        sold=sum(_owner_part(sale.cost_wei, terms) for sale in chain.list_sales(asset.token_id)),
        settled=totals[OrderStatus.SETTLED],
        open=totals[OrderStatus.OPEN],
        refunded=totals[OrderStatus.REFUNDED],
        owner_share_bps=WHOLE_SHARE_BPS - terms.provider_share_bps - terms.community_share_bps,
        provider_share_bps=terms.provider_share_bps,
        community_share_bps=terms.community_share_bps,
    )


def _owner_part(cost: int, terms: AssetTerms) -> int:
    """Return what is left to the owner: the others' shares are rounded down, as the escrow does."""
    shares = (terms.provider_share_bps, terms.community_share_bps)
    return cost - sum(cost * share // WHOLE_SHARE_BPS for share in shares)
