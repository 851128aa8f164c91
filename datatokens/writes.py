"""Changes what stands on the chain: each method is one transaction, simulated before it is signed.

Raises, besides what each method names: ContractRefusedError (the contract said no; nothing was spent),
NotEnoughMoneyError, TransactionFailedError, ChainUnreachableError.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from datatokens.errors import (
    ChainUnreachableError,
    ContractRefusedError,
    NotEnoughMoneyError,
    TransactionFailedError,
)
from datatokens.gateway import checksum
from datatokens.ledgers import Ledgers
from datatokens.model import (
    ONE_DATATOKEN_WEI,
    Asset,
    AssetTerms,
    OrderItem,
    OrderStatus,
    TxResult,
)
from datatokens.permits import PermitStruct, find_permission

if TYPE_CHECKING:
    from datatokens.ethkeys import LocalAccount

P256_POINT_BYTES = 65
NOBODY = "0x" + "00" * 20
FINISHED = (OrderStatus.SETTLED, OrderStatus.REFUNDED)


class OwnerWrites(Ledgers):
    """What the holder of a data NFT does."""

    def register(self, terms: AssetTerms, *, sender: LocalAccount) -> tuple[Asset, TxResult]:
        """Register an asset: one transaction mints the data NFT to `sender` and creates its datatoken."""
        struct = (
            terms.kind,
            terms.max_deadline_s,
            terms.provider_share_bps,
            terms.community_share_bps,
            checksum(terms.provider),
            terms.price_wei,
            checksum(terms.payment_token),
            checksum(terms.community or NOBODY),
            terms.cap_wei,
            terms.commitment,
            terms.metadata_digest,
            terms.policy_digest,
            terms.uri,
        )
        result = self._gateway.send(self._registry, "register", struct, sender=sender)
        args = self._gateway.event_args(self._registry, "Registered", result.tx_hash)
        return self.get_asset(args["tokenId"]), result

    def set_price(self, token_id: int, price_wei: int, *, sender: LocalAccount) -> TxResult:
        """Set the price of one job."""
        return self._gateway.send(self._registry, "setPrice", token_id, price_wei, sender=sender)

    def set_policy(self, token_id: int, policy_digest: bytes, *, sender: LocalAccount) -> TxResult:
        """Set the policy, a 32-byte digest."""
        return self._gateway.send(self._registry, "setPolicy", token_id, policy_digest, sender=sender)

    def set_consumers(self, token_id: int, root: bytes | None, *, sender: LocalAccount) -> TxResult:
        """Set who may order and buy: the 32-byte root of an allow-list, or None for anyone."""
        return self._gateway.send(self._registry, "setConsumers", token_id, root or bytes(32), sender=sender)

    def retire(self, token_id: int, *, sender: LocalAccount) -> TxResult:
        """Retire the asset for good."""
        return self._gateway.send(self._registry, "retire", token_id, sender=sender)

    def approve(self, token_id: int, algorithm: bytes, expires_at: int, *, sender: LocalAccount) -> TxResult:
        """Approve a 32-byte algorithm digest until `expires_at`, unix seconds."""
        return self._gateway.send(
            self._registry, "approveAlgorithm", token_id, algorithm, expires_at, sender=sender
        )

    def revoke(self, token_id: int, algorithm: bytes, *, sender: LocalAccount) -> TxResult:
        """Revoke an approval now."""
        return self._gateway.send(self._registry, "revokeAlgorithm", token_id, algorithm, sender=sender)

    def mint_datatoken(self, token_id: int, to: str, amount_wei: int, *, sender: LocalAccount) -> TxResult:
        """Give datatokens to an account; 10^18 are one job."""
        return self._gateway.send(
            self._registry, "mintDatatoken", token_id, checksum(to), amount_wei, sender=sender
        )


class ConsumerWrites(OwnerWrites):
    """What somebody who pays does."""

    def order(
        self,
        job_id: bytes,
        algorithm: bytes,
        items: Sequence[OrderItem],
        deadline: int,
        *,
        sender: LocalAccount,
    ) -> TxResult:
        """Order one job on one or several datasets, in one transaction; `deadline` is unix seconds.

        Money comes from credit, and what is missing by allowance or ERC-2612. A token without ERC-2612 and without an
        allowance, or a second token, costs a transaction before, which allows exactly what is missing.

        Raises:
            NoSuchAssetError: there is no such asset.
            NotEnoughMoneyError: credit and balance together are less than the price.
        """
        rows = [(item.token_id, item.max_price_wei, item.with_datatoken, item.proof) for item in items]
        terms = (job_id, algorithm, deadline, rows)
        permit = None
        for token, missing in self._missing(algorithm, items, sender).items():
            if permit is None:
                permit = self._permission(token, missing, sender)
            else:  # one signature a transaction
                self._allow(token, missing, sender)
        if permit is None:
            return self._gateway.send(self._escrow, "order", terms, sender=sender)
        return self._gateway.send(self._escrow, "orderWithPermit", terms, permit, sender=sender)

    def buy(
        self,
        token_id: int,
        amount_wei: int,
        max_price_wei: int,
        *,
        sender: LocalAccount,
        proof: tuple[bytes, ...] = (),
    ) -> TxResult:
        """Buy datatokens; `amount_wei` in the datatoken's units, `max_price_wei` for one whole datatoken.

        `proof` shows that the sender is on the asset's allow-list, if there is one.
        """
        sale = self.get_asset(token_id).terms
        cost = -(-amount_wei * sale.price_wei // ONE_DATATOKEN_WEI)
        missing = cost - self.escrow_balance(sale.payment_token, sender.address)
        if missing > 0 and sale.price_wei <= max_price_wei:
            self._allow(sale.payment_token, missing, sender)
        arguments = (token_id, amount_wei, max_price_wei, proof)
        return self._gateway.send(self._escrow, "buy", *arguments, sender=sender)

    def deposit(self, token: str, amount_wei: int, *, sender: LocalAccount) -> TxResult:
        """Pay into the sender's credit, with ERC-2612 in one transaction."""
        address = checksum(token)
        permit = self._permission(address, amount_wei, sender)
        if permit is None:
            return self._gateway.send(self._escrow, "deposit", address, amount_wei, sender=sender)
        return self._gateway.send(self._escrow, "depositWithPermit", amount_wei, permit, sender=sender)

    def withdraw(self, token: str, amount_wei: int, *, sender: LocalAccount) -> TxResult:
        """Take out of the sender's credit."""
        return self._gateway.send(self._escrow, "withdraw", checksum(token), amount_wei, sender=sender)

    def send_token(self, token: str, to: str, amount_wei: int, *, sender: LocalAccount) -> TxResult:
        """Give tokens to an account; datatokens are tokens as well.

        Raises:
            NotEnoughMoneyError: the sender has less.
            TransactionFailedError: it was mined, and the token says of no transfer, as it must (ERC-20).
        """
        self._check_balance(checksum(token), amount_wei, sender)
        contract = self._token(token)
        result = self._gateway.send(contract, "transfer", checksum(to), amount_wei, sender=sender)
        try:
            self._gateway.event_args(contract, "Transfer", result.tx_hash)
        except ChainUnreachableError as exc:
            problem = "was mined, and no transfer of the token is seen in it; look at the balances"
            raise TransactionFailedError(result.tx_hash, problem) from exc
        return result

    def send_coins(self, to: str, amount_wei: int, *, sender: LocalAccount) -> TxResult:
        """Give the chain's own coins to an account."""
        self.check()
        return self._gateway.execute(checksum(to), b"", value_wei=amount_wei, sender=sender)

    def refund(self, order_id: bytes, *, sender: LocalAccount) -> TxResult:
        """Give an order's price back to its consumer: its provider at any time, others after the deadline."""
        return self._gateway.send(self._escrow, "refund", order_id, sender=sender)

    def faucet(self, amount_wei: int, *, sender: LocalAccount) -> TxResult:
        """Make test tokens for the sender.

        Raises:
            ContractRefusedError: the deployment has no test token.
        """
        token = self._deployment.payment_token
        if token is None:
            raise ContractRefusedError("", {}, "faucet: this deployment has no test token; get real ones")
        contract = self._token(token)
        return self._gateway.send(contract, "faucet", amount_wei, sender=sender)

    def _missing(self, algorithm: bytes, items: Sequence[OrderItem], sender: LocalAccount) -> dict[str, int]:
        """Return by token what the sender's credit lacks for an order; nothing for a price that will be refused."""
        costs: dict[str, int] = {}
        for item in items:
            if item.with_datatoken:
                continue
            buyer = (sender.address, item.proof)
            sale = self._gateway.call(self._registry, "getSale", item.token_id, algorithm, *buyer)
            _, price_wei, token, _ = sale
            if price_wei > item.max_price_wei:
                return {}
            costs[token] = costs.get(token, 0) + price_wei
        lacking = {token: cost - self.escrow_balance(token, sender.address) for token, cost in costs.items()}
        return {token: wei for token, wei in lacking.items() if wei > 0}

    def _permission(self, token: str, value_wei: int, sender: LocalAccount) -> PermitStruct | None:
        """Return a signed permission, or None when an allowance stands, made here if there is no other way."""
        if self._allowance(token, sender) >= value_wei:
            return None
        self._check_balance(token, value_wei, sender)
        permission = find_permission(
            self._gateway,
            token,
            sender=sender,
            spender=self._escrow.address,
            value_wei=value_wei,
            chain_id=self.chain_id,
        )
        if permission is None:
            self._allow(token, value_wei, sender)
            return None
        return permission.as_struct()

    def _allow(self, token: str, value_wei: int, sender: LocalAccount) -> None:
        self._check_balance(token, value_wei, sender)
        standing = self._allowance(token, sender)
        if standing >= value_wei:
            return
        contract = self._token(token)
        if standing:  # some tokens, USDT among them, refuse to change an allowance that isn't 0
            self._gateway.send(contract, "approve", self._escrow.address, 0, sender=sender)
        self._gateway.send(contract, "approve", self._escrow.address, value_wei, sender=sender)

    def _allowance(self, token: str, sender: LocalAccount) -> int:
        contract = self._token(token)
        return int(self._gateway.call(contract, "allowance", sender.address, self._escrow.address))

    def _check_balance(self, token: str, value_wei: int, sender: LocalAccount) -> None:
        available = self.token_balance(token, sender.address)
        if available < value_wei:
            raise NotEnoughMoneyError(
                sender.address,
                asset=token,
                needed_wei=value_wei,
                available_wei=available,
                token=self.get_token(token),
            )


class ProviderWrites(ConsumerWrites):
    """What a provider does."""

    def anchor(self, size: int, root: bytes, *, sender: LocalAccount) -> TxResult:
        """Anchor the sender's log: its size and 32-byte root."""
        return self._gateway.send(self._escrow, "anchor", size, root, sender=sender)

    def settle(self, ran: Sequence[bytes], not_run: Sequence[bytes], *, sender: LocalAccount) -> TxResult:
        """Settle the orders that ran and refund those that didn't: all of them, or none.

        Raises:
            ContractRefusedError: also when one of them has ended already.
        """
        return self._gateway.send(self._escrow, "settleMany", ran, not_run, sender=sender)

    def anchor_and_settle(
        self,
        size: int,
        root: bytes,
        ran: Sequence[bytes],
        not_run: Sequence[bytes],
        *,
        sender: LocalAccount,
    ) -> TxResult:
        """Anchor the sender's log and settle its orders in one transaction, all or none; can be repeated as it is.

        When this size and root is what stands, only the orders are settled; when they have all ended too, the transaction
        that anchored it is returned.

        Raises:
            ContractRefusedError: also when some of the orders have ended already: whether the others are to be settled
                may hang on that.
        """
        newest = self.get_anchor(sender.address)
        if newest is None or (newest.size, newest.root) != (size, root):
            batch = (size, root, ran, not_run)
            return self._gateway.send(self._escrow, "anchorAndSettle", *batch, sender=sender)
        if all(self.order_status(item) in FINISHED for item in (*ran, *not_run)):
            return self._gateway.result(newest.tx_hash)
        return self.settle(ran, not_run, sender=sender)

    def publish_keys(
        self, *, p256: bytes, signer: str, ed25519: bytes, endpoint: str, sender: LocalAccount
    ) -> TxResult:
        """Publish the sender's public keys: `p256` is 65 bytes 0x04‖X‖Y, `ed25519` 32 bytes, `signer` an address.

        Raises:
            ContractRefusedError: also when `p256` has another form.
        """
        if len(p256) != P256_POINT_BYTES or p256[0] != 4:  # noqa: PLR2004 - SEC 1: uncompressed
            raise ContractRefusedError(
                "ProvidersBadKey", {"field": "p256"}, "p256 key: expected 65 bytes 0x04, x, y; export it so"
            )
        keys = (p256[1:33], p256[33:], checksum(signer), ed25519, endpoint)
        return self._gateway.send(self._providers, "publish", *keys, sender=sender)

    def revoke_keys(self, index: int, from_time: int, *, sender: LocalAccount) -> TxResult:
        """Say that the sender's key set `index` isn't to be trusted from `from_time` (unix seconds) on."""
        return self._gateway.send(self._providers, "revoke", index, from_time, sender=sender)

    def close_provider(self, *, sender: LocalAccount) -> TxResult:
        """End the sender's log for good."""
        return self._gateway.send(self._providers, "close", sender=sender)
