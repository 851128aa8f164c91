"""Sends transactions and sees each through until it is mined, on chains where fees rise and nodes forget.

1. A transaction is simulated before anything is spent, so that a refusal costs nothing and says why. Then, where there is
   somebody to agree to it, it is shown with what it costs; until then nothing is signed.
2. It takes the account's next number. When somebody else was quicker with that number, it takes the one after.
3. What isn't mined in time is sent again under the same number with a higher fee: at most one of them can be mined, and
   whichever it is, is the result. What the node has forgotten is sent to it again.
4. When another's transaction was mined under the number, ours never can be, and begins anew at 1.

Not decided here: what to call.
"""

from __future__ import annotations

import re
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from eth_utils.crypto import keccak
from web3 import Web3
from web3 import exceptions as web3_errors
from web3.types import RPCEndpoint, TxReceipt

from datatokens.errors import (
    ChainUnreachableError,
    NodeRefusedError,
    NotEnoughMoneyError,
    TransactionFailedError,
)
from datatokens.ethkeys import LocalAccount
from datatokens.fees import FeeLimits, Fees, raise_fees, suggest_fees
from datatokens.intent import Intent, Review
from datatokens.nonces import Line, line_of
from datatokens.patience import Patience
from datatokens.translation import translated

GAS_MARGIN_PERCENT = 20
GAS_SPREAD = 2**16
"""Of gas that is allowed and not used: two processes that ask for the same thing at once would else sign the very same
transaction, and both take the one that is mined for theirs."""
FIRST_POLL_S = 0.05
MAX_POLL_S = 1.0
LOOKS_PER_STUCK = 4
"""How often, before it counts as stuck, we look whether the node still knows a transaction."""
DISPLACED_LOOKS = 3
"""How often a number must be seen as used by another: a node that lags behind may not show our receipt at once.

One that lags for longer still has our transaction, and what was displaced is nowhere.
"""
MAX_TRIES = 10
FEE_HISTORY_BLOCKS = 5
_KNOWN = re.compile(r"already known|known transaction|already imported|already in (mem)?pool", re.IGNORECASE)
_TAKEN = re.compile(
    r"nonce too low|invalid nonce|nonce has already been used|underpriced|fee too low|block base fee",
    re.IGNORECASE,
)
_POOR = re.compile(r"insufficient funds", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Draft:
    """What a transaction does: `to` is None for a contract's creation, `value_wei` coins go along.

    `call` says the same of `data` in words, where it is the call of a known contract.
    """

    to: str | None
    data: bytes
    value_wei: int = 0
    call: Intent | None = None

    def fields(self) -> dict[str, Any]:
        """Return the transaction's fields."""
        to = {} if self.to is None else {"to": Web3.to_checksum_address(self.to)}
        return {**to, "data": Web3.to_hex(self.data), "value": self.value_wei}

    def intent(self, sender: str, gas_wei: int) -> Intent:
        """Return what `sender` is to agree to."""
        unread: dict[str, str] = {"data": f"{len(self.data)} bytes"} if self.data else {}
        intent = self.call or Intent(sender, self.to, arguments=unread)
        return replace(intent, sender=sender, value_wei=self.value_wei, gas_wei=gas_wei)


@dataclass(slots=True)
class _Flight:
    """A transaction on its way: its number, and what was sent under it so far, newest last."""

    fields: dict[str, Any]
    nonce: int
    fees: Fees
    sent: list[bytes] = field(default_factory=list)
    block: int = 0

    @property
    def hashes(self) -> list[Any]:
        return [keccak(raw) for raw in reversed(self.sent)]


class Sender:
    """Sends for any account through one node."""

    def __init__(
        self, web3: Web3, rpc_url: str, *, fees: FeeLimits, patience: Patience, review: Review | None = None
    ) -> None:
        self._review = review
        self._web3 = web3
        self._eth = web3.eth
        self._rpc_url = rpc_url
        self._limits = fees
        self._patience = patience

    def send(self, draft: Draft, *, sender: LocalAccount, chain_id: int) -> TxReceipt:
        """Simulate, sign and send, and return the receipt once it is mined; it may be that of a failure.

        Raises:
            ContractRefusedError: the contract refuses; nothing was spent.
            NotEnoughMoneyError: not enough coins; nothing was spent.
            TransactionFailedError: it was sent, or may have been, and isn't known to be mined, within the patience for that.
            ChainUnreachableError: no answer, and nothing was sent.
        """
        line = line_of(self._rpc_url, sender.address)
        fields = draft.fields() | {"chainId": chain_id}
        if self._review is not None:
            fees = self._suggest()
            gas = self._estimate(fields, fees, sender.address) + GAS_SPREAD
            self._review(draft.intent(sender.address, gas * fees.most_wei))
        for _ in range(MAX_TRIES):
            flight = self._launch(fields, sender, line)
            try:
                receipt = self._see_through(flight, sender)
            finally:
                line.leave(flight.nonce)
            if receipt is not None:
                return receipt
        raise ChainUnreachableError(
            f"account {sender.address}: others use its numbers faster than we do; use an account of one's own"
        )

    def _launch(self, fields: dict[str, Any], sender: LocalAccount, line: Line) -> _Flight:
        for attempt in range(MAX_TRIES):
            with line.lock:
                fees = self._suggest()
                priced = fields | {"gas": self._estimate(fields, fees, sender.address)}
                with translated():
                    pending = self._eth.get_transaction_count(_address(sender), "pending")
                flight = _Flight(priced, line.next(pending), fees)
                if self._broadcast(flight, sender):
                    line.enter(flight.nonce)
                    return flight
            time.sleep(FIRST_POLL_S * (attempt + 1))
        raise ChainUnreachableError(
            f"account {sender.address}: the node takes none of its numbers; look at its pending transactions"
        )

    def _suggest(self) -> Fees:
        with translated():
            base_fee = self._eth.get_block("latest").get("baseFeePerGas")
            asked = int(self._eth.gas_price) if base_fee is None else self._tip()
        return suggest_fees(base_fee, asked, self._limits)

    def _tip(self) -> int:
        """Ask for the usual tip; from the last blocks' median, where the node has no method of its own for it."""
        try:
            return int(self._web3.manager.request_blocking(RPCEndpoint("eth_maxPriorityFeePerGas"), []), 16)
        except web3_errors.Web3RPCError:
            history = self._eth.fee_history(FEE_HISTORY_BLOCKS, "latest", [50.0])
            tips = sorted(int(block[0]) for block in history["reward"])
            return tips[len(tips) // 2]

    def _estimate(self, fields: dict[str, Any], fees: Fees, account: str) -> int:
        """Simulate, and return how much gas to allow.

        Raises:
            NotEnoughMoneyError: the account can't pay for it.
        """
        with translated():
            call = {name: value for name, value in fields.items() if name != "chainId"} | {"from": account}
            estimate = int(self._eth.estimate_gas(call, "pending"))  # type: ignore[arg-type] # a plain dict
            available = int(self._eth.get_balance(Web3.to_checksum_address(account)))
        gas = estimate + estimate * GAS_MARGIN_PERCENT // 100 + secrets.randbelow(GAS_SPREAD)
        needed = gas * fees.most_wei + int(fields["value"])
        if available < needed:
            raise NotEnoughMoneyError(account, asset="native", needed_wei=needed, available_wei=available)
        return gas

    def _broadcast(self, flight: _Flight, sender: LocalAccount) -> bool:
        """Sign and send with the flight's fees; False when the number is taken or the fee is too low for the node.

        Raises:
            TransactionFailedError: no answer to the first that is sent: it may have been taken.
        """
        signed = sender.sign_transaction({**flight.fields, **flight.fees.fields(), "nonce": flight.nonce})
        raw = bytes(signed.raw_transaction)
        with translated():
            block = int(self._eth.block_number)
        try:
            with translated():
                self._eth.send_raw_transaction(raw)
        except NodeRefusedError as exc:
            if not _KNOWN.search(exc.words) and not self._is_known(keccak(raw)):
                if _TAKEN.search(exc.words):
                    return False
                raise self._explain(exc, flight, sender.address) from exc
        except ChainUnreachableError as exc:
            if flight.sent:
                raise
            problem = "may have been sent, but the node didn't answer; look it up before sending again"
            raise TransactionFailedError("0x" + keccak(raw).hex(), problem) from exc
        if raw not in flight.sent:
            flight.sent.append(raw)
            flight.block = block
        return True

    def _explain(
        self, exc: NodeRefusedError, flight: _Flight, account: str
    ) -> NodeRefusedError | NotEnoughMoneyError:
        if not _POOR.search(exc.words):
            return exc
        needed = flight.fields["gas"] * flight.fees.most_wei + flight.fields["value"]
        with translated():
            available = int(self._eth.get_balance(Web3.to_checksum_address(account)))
        return NotEnoughMoneyError(account, asset="native", needed_wei=needed, available_wei=available)

    def _see_through(self, flight: _Flight, sender: LocalAccount) -> TxReceipt | None:
        """Wait for a receipt; None when the number was used by another transaction.

        Raises:
            TransactionFailedError: nothing was mined in time, or the node no longer answers.
        """
        newest = "0x" + flight.hashes[0].hex()
        try:
            return self._wait(flight, sender)
        except ChainUnreachableError as exc:
            problem = "was sent, and then the node no longer answered; look it up before sending again"
            raise TransactionFailedError(newest, problem) from exc

    def _wait(self, flight: _Flight, sender: LocalAccount) -> TxReceipt | None:
        interval = self._patience.stuck_s / LOOKS_PER_STUCK
        now = time.monotonic()
        give_up, stuck, look = now + self._patience.mined_s, now + self._patience.stuck_s, now + interval
        pause, displaced = FIRST_POLL_S, 0
        while now < give_up:
            used = now >= look and self._is_used(
                flight, sender
            )  # before the receipts: it may be mined in between
            receipt = self._find_receipt(flight)
            if receipt is not None:
                return receipt
            if used:
                displaced, look = displaced + 1, now + min(interval, MAX_POLL_S)
                if displaced >= DISPLACED_LOOKS and not any(map(self._is_known, flight.hashes)):
                    return None
            elif now >= look:
                displaced, look = 0, now + interval
                self._push(flight, sender, is_stuck=now >= stuck)
                stuck = stuck if now < stuck else now + self._patience.stuck_s
            time.sleep(pause)
            pause, now = min(pause * 1.2, MAX_POLL_S, interval), time.monotonic()
        problem = "wasn't mined in time; look it up before sending again"
        raise TransactionFailedError("0x" + flight.hashes[0].hex(), problem)

    def _is_used(self, flight: _Flight, sender: LocalAccount) -> bool:
        """Tell whether something was mined under the flight's number."""
        with translated():
            return int(self._eth.get_transaction_count(_address(sender), "latest")) > flight.nonce

    def _find_receipt(self, flight: _Flight) -> TxReceipt | None:
        with translated():
            for tx_hash in flight.hashes:
                try:
                    return self._eth.get_transaction_receipt(tx_hash)
                except web3_errors.TransactionNotFound:
                    continue
        return None

    def _push(self, flight: _Flight, sender: LocalAccount, *, is_stuck: bool) -> None:
        """Send again: with a higher fee what is stuck while blocks are made, as it was what the node has forgotten."""
        with translated():
            moving = int(self._eth.block_number) > flight.block
        raised = raise_fees(flight.fees, self._suggest(), self._limits) if is_stuck and moving else None
        if raised is not None and self._can_pay(flight, raised, sender):
            flight.fees = raised
        elif self._is_known(flight.hashes[0]):
            return
        with suppress(NodeRefusedError, NotEnoughMoneyError):  # what was sent before may still be mined
            self._broadcast(flight, sender)

    def _can_pay(self, flight: _Flight, fees: Fees, sender: LocalAccount) -> bool:
        with translated():
            available = int(self._eth.get_balance(_address(sender)))
        needed: int = flight.fields["gas"] * fees.most_wei + flight.fields["value"]
        return available >= needed

    def _is_known(self, tx_hash: Any) -> bool:  # noqa: ANN401 - web3's own type for 32 bytes
        with translated():
            try:
                self._eth.get_transaction(tx_hash)
            except web3_errors.TransactionNotFound:
                return False
        return True


def _address(sender: LocalAccount) -> Any:  # noqa: ANN401 - web3 wants its own new type
    return Web3.to_checksum_address(sender.address)
