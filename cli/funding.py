"""Gives accounts money on the local chain, where money is a number anyone may set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli.errors import RefusedError
from datatokens.localchain import fund

if TYPE_CHECKING:
    from cli.context import Session


@dataclass(frozen=True, slots=True)
class Balances:
    """What an account holds, outside the escrow."""

    native_wei: int
    token_wei: int


def fund_account(session: Session, *, native_wei: int, token_wei: int) -> Balances:
    """Set the chosen account's coins to at least `native_wei` and draw `token_wei` from the test token's faucet.

    Raises:
        RefusedError: the deployment has no test token.
        LocalChainError: the chain is not a local one.
    """
    chain, account = session.get_chain(), session.get_account()
    token = chain.deployment.payment_token
    if token is None:
        raise RefusedError(
            "these contracts were deployed without a test token: there is no faucet here",
            code="no-faucet",
            remedy="get money the way the chain's users do",
        )
    if chain.native_balance(account.address) < native_wei:
        fund(session.get_settings().rpc_url, account.address, native_wei)
    if token_wei:
        chain.faucet(token_wei, sender=account)
    return Balances(chain.native_balance(account.address), chain.token_balance(token, account.address))
