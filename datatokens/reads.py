"""Reads assets, approvals, orders, anchors and keys from the contracts; signs and spends nothing.

What counts is read from the contracts' state, and asked anew each time: no cache that a reorganisation could make false.
Events say where and when; one that the state doesn't bear out, or that is missing though the state has it, is a node's
mistake and no answer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from web3.contract import Contract

from datatokens.errors import (
    ChainUnreachableError,
    ContractRefusedError,
    NodeRefusedError,
    NoSuchAssetError,
    WrongChainError,
)
from datatokens.gateway import checksum
from datatokens.holders import HolderReader
from datatokens.model import (
    AnchorRecord,
    Approval,
    Asset,
    AssetTerms,
    Block,
    KeySet,
    Order,
    OrderPlaced,
    OrderStatus,
    Token,
    TxResult,
    asset_id_of,
)
from datatokens.permits import order_id_of


class ChainReader(HolderReader):
    """What anyone can know of one deployment, without a key."""

    def head(self) -> Block:
        """Return the newest block."""
        return self._gateway.block()

    def next_time(self) -> int:
        """Return the unix time that the next block would have: what deadlines and expiries are counted from."""
        return self._gateway.next_time()

    def get_block(self, number: int) -> Block:
        """Return the block of that number."""
        return self._gateway.block(number)

    def get_result(self, tx_hash: str) -> TxResult:
        """Return what became of a mined transaction."""
        return self._gateway.result(tx_hash)

    def get_asset(self, token_id: int) -> Asset:
        """Return an asset.

        Raises:
            NoSuchAssetError: there is none of that number.
        """
        if not 0 < token_id < 2**256:
            raise NoSuchAssetError(token_id)
        view = self._gateway.call(self._registry, "getAsset", token_id)
        return self._asset(token_id, view)

    def find_token_id(self, asset_id: str) -> int | None:
        """Return the token id of an asset id, by hashing the numbers given so far: one read, however many there are."""
        count = self._gateway.call(self._registry, "assetCount")
        numbers = range(1, count + 1)
        registry = self._deployment.registry
        return next((n for n in numbers if asset_id_of(self.chain_id, registry, n) == asset_id), None)

    def list_assets(self, provider: str | None = None) -> list[Asset]:
        """Return every asset ever registered, or those that name one provider; retired ones too, oldest first.

        Raises:
            ChainUnreachableError: the node's events leave out an asset that its state has.
        """
        count = self._gateway.call(self._registry, "assetCount")
        for anew in (False, True):  # what was kept may come from a node that left something out
            logs = self._history.all(self._registry, "Registered", {}, anew=anew)
            providers = {log["args"]["tokenId"]: log["args"]["provider"] for log in logs}
            if set(range(1, count + 1)) <= providers.keys():
                wanted = None if provider is None else checksum(provider)
                return [self.get_asset(number) for number in providers if wanted in (None, providers[number])]
        raise _lacking("asset")

    def find_approval(self, token_id: int, algorithm: bytes, at_block: int | None = None) -> Approval | None:
        """Return the owner's latest word on an algorithm digest, or as it stood at the end of a block.

        Where the node no longer has the state of that block, the events up to it tell the same.
        """
        try:
            found = self._gateway.call(self._registry, "getApproval", token_id, algorithm, block=at_block)
        except (NodeRefusedError, WrongChainError):
            if at_block is None:
                raise
            return self._approval_from_events(token_id, algorithm, at_block)
        approved_at, expires_at, revoked_at = found
        return Approval(algorithm, approved_at, expires_at, revoked_at) if approved_at else None

    def list_approvals(self, token_id: int) -> list[Approval]:
        """Return the latest word on every algorithm that was ever approved, in order of first approval."""
        logs = self._logs(self._registry, "AlgorithmApproved", {"tokenId": token_id})
        digests = dict.fromkeys(bytes(log["args"]["algorithm"]) for log in logs)
        found = [self.find_approval(token_id, digest) for digest in digests]
        return [approval for approval in found if approval is not None]

    def find_order(
        self, job_id: bytes, consumer: str, token_id: int, at_block: int | None = None
    ) -> Order | None:
        """Return a consumer's order for a job on an asset, as it stands or stood at the end of a block.

        Where the node no longer has the state of that block, the events up to it tell the same.
        """
        order_id = order_id_of(job_id, checksum(consumer), token_id)
        try:
            view = self._gateway.call(self._escrow, "getOrder", order_id, block=at_block)
        except (NodeRefusedError, WrongChainError):
            if at_block is None:
                raise
            return self._order_from_events(job_id, consumer, token_id, at_block)
        amount, deadline, _, status, with_datatoken, buyer = view
        if status == OrderStatus.NONE:
            return None
        return Order(
            order_id=order_id,
            job_id=job_id,
            token_id=token_id,
            consumer=buyer,
            provider=self.get_asset(token_id).terms.provider,
            amount_wei=amount,
            deadline=deadline,
            status=OrderStatus(status),
            paid_with_datatoken=with_datatoken,
        )

    def find_order_event(self, job_id: bytes, consumer: str, token_id: int) -> OrderPlaced | None:
        """Return the event of a consumer's order for a job on an asset: there is at most one.

        Raises:
            ChainUnreachableError: the node's events don't show the order that its state has.
        """
        order = self.find_order(job_id, consumer, token_id)
        if order is None:
            return None
        filters = {"jobId": job_id, "consumer": checksum(consumer), "tokenId": token_id}
        log = self._history.newest(self._escrow, "OrderPlaced", filters)
        placed = None if log is None else order_placed(log)
        if placed is None or (placed.order_id, placed.provider, placed.amount_wei) != (
            order.order_id,
            order.provider,
            order.amount_wei,
        ):
            raise _lacking("order")
        return placed

    def order_status(self, order_id: bytes) -> OrderStatus:
        """Return where an order stands, by its own id."""
        return OrderStatus(self._gateway.call(self._escrow, "getOrder", order_id)[3])

    def get_anchor(self, provider: str) -> AnchorRecord | None:
        """Return a provider's newest anchored root; None before the first.

        Raises:
            ChainUnreachableError: the node's events don't show the anchor that its state has.
        """
        root, size, _, number = self._gateway.call(self._escrow, "getAnchor", checksum(provider))
        if size == 0:
            return None
        filters = {"provider": checksum(provider)}
        logs = self._gateway.raw_logs(self._escrow, "Anchored", filters=filters, first=number, last=number)
        if not logs:
            raise _lacking("anchor")
        newest = self._anchor(self._gateway.decode(self._escrow, "Anchored", logs[-1]))
        if (newest.size, newest.root) != (size, bytes(root)):
            raise _lacking("anchor")
        return newest

    def anchored_size(self, provider: str) -> int:
        """Return the size of a provider's newest anchored log, 0 before the first; one read of state, no event."""
        return int(self._gateway.call(self._escrow, "getAnchor", checksum(provider))[1])

    def list_anchors(self, provider: str) -> list[AnchorRecord]:
        """Return every root that a provider anchored, oldest first.

        Raises:
            ChainUnreachableError: the node's events leave out an anchor: each names the root before it, and the state the
                last.
        """
        filters = {"provider": checksum(provider)}
        for anew in (False, True):  # what was kept may come from a node that left something out
            logs = self._history.all(self._escrow, "Anchored", filters, anew=anew)
            if _is_unbroken(logs, self.anchored_size(provider)):
                return [self._anchor(log) for log in logs]
        raise _lacking("anchor")

    def list_keys(self, provider: str) -> list[KeySet]:
        """Return every key set that a provider published, oldest first."""
        views = self._gateway.call(self._providers, "getKeys", checksum(provider))
        return [_key_set(index, view) for index, view in enumerate(views)]

    def closed_at(self, provider: str) -> int | None:
        """Return when a provider closed its log for good, unix time; None while it is open."""
        return self._gateway.call(self._providers, "closedAt", checksum(provider)) or None

    def token_balance(self, token: str, account: str) -> int:
        """Return what an account holds of a token, in its units."""
        contract = self._token(token)
        return int(self._gateway.call(contract, "balanceOf", checksum(account)))

    def get_token(self, address: str) -> Token:
        """Return how a token's amounts are written; one that doesn't say is counted in its units, without a symbol.

        Some tokens, older than ERC-20's present form, have decimals and no symbol that can be read.
        """
        contract = self._token(address)
        decimals = self._find_word(contract, "decimals")
        symbol = None if decimals is None else self._find_word(contract, "symbol")
        return Token(contract.address, str(symbol or "")[:20], decimals or 0)

    def native_balance(self, account: str) -> int:
        """Return an account's coins, in wei."""
        return self._gateway.native_balance(account)

    def escrow_balance(self, token: str, account: str) -> int:
        """Return an account's credit in the escrow, in the token's units."""
        return int(self._gateway.call(self._escrow, "balances", checksum(token), checksum(account)))

    def _find_word(self, contract: Contract, name: str) -> Any | None:  # noqa: ANN401 - by the ABI
        """Return what a contract says of itself; None when it doesn't, or not in this form."""
        try:
            return self._gateway.call(contract, name)
        except (ContractRefusedError, WrongChainError):
            return None

    def _order_from_events(self, job_id: bytes, consumer: str, token_id: int, last: int) -> Order | None:
        placed = self.find_order_event(job_id, consumer, token_id)
        order = self.find_order(job_id, consumer, token_id)
        if placed is None or order is None or placed.block_number > last:
            return None
        filters = {"orderId": order.order_id}
        ends = [
            self._logs(self._escrow, name, filters, last=last) for name in ("OrderSettled", "OrderRefunded")
        ]
        return order if any(ends) else replace(order, status=OrderStatus.OPEN)

    def _approval_from_events(self, token_id: int, algorithm: bytes, last: int) -> Approval | None:
        filters = {"tokenId": token_id, "algorithm": algorithm}
        given = self._logs(self._registry, "AlgorithmApproved", filters, last=last)
        if not given:
            return None
        taken = self._logs(self._registry, "AlgorithmRevoked", filters, last=last)
        revoked = taken and _place(taken[-1]) > _place(given[-1])
        return Approval(
            algorithm=algorithm,
            approved_at=self._gateway.block(bytes(given[-1]["blockHash"])).time,
            expires_at=given[-1]["args"]["expiresAt"],
            revoked_at=self._gateway.block(bytes(taken[-1]["blockHash"])).time if revoked else 0,
        )

    def _asset(self, token_id: int, view: Any) -> Asset:  # noqa: ANN401 - the contract's struct
        owner, datatoken, retired, root, terms = view
        return Asset(
            token_id=token_id,
            asset_id=asset_id_of(self.chain_id, self._deployment.registry, token_id),
            owner=owner,
            terms=_asset_terms(terms),
            datatoken=datatoken,
            retired=retired,
            consumers_root=bytes(root) if any(root) else None,
        )

    def _anchor(self, log: Any) -> AnchorRecord:  # noqa: ANN401 - web3's decoded log
        args = log["args"]
        return AnchorRecord(
            provider=args["provider"],
            size=args["size"],
            root=bytes(args["root"]),
            previous_root=bytes(args["previousRoot"]),
            block=self._gateway.block(bytes(log["blockHash"])),
            tx_hash="0x" + bytes(log["transactionHash"]).hex(),
        )


def _is_unbroken(logs: list[Any], size: int) -> bool:
    """Tell whether anchors follow one another from the first to that of `size`, which may have grown meanwhile."""
    roots = [bytes(32), *(bytes(log["args"]["root"]) for log in logs)]
    linked = all(bytes(log["args"]["previousRoot"]) == root for log, root in zip(logs, roots, strict=False))
    return linked and (logs[-1]["args"]["size"] if logs else 0) >= size


def _lacking(what: str) -> ChainUnreachableError:
    return ChainUnreachableError(
        f"chain: the node's state has an {what} that its events don't show; ask another node"
    )


def _asset_terms(terms: Any) -> AssetTerms:  # noqa: ANN401 - the contract's struct
    kind, max_deadline, share, community_share, provider, price, token, *rest = terms
    community, cap, commitment, metadata, policy, uri = rest
    return AssetTerms(
        kind=kind,
        commitment=bytes(commitment),
        metadata_digest=bytes(metadata),
        policy_digest=bytes(policy),
        uri=uri,
        price_wei=price,
        payment_token=token,
        provider=provider,
        provider_share_bps=share,
        max_deadline_s=max_deadline,
        community=community if community_share else None,
        community_share_bps=community_share,
        cap_wei=cap,
    )


def _place(log: Any) -> tuple[int, int]:  # noqa: ANN401 - web3's decoded log
    return (log["blockNumber"], log["logIndex"])


def order_placed(log: Any) -> OrderPlaced:  # noqa: ANN401 - web3's decoded log
    """Return the order that an event tells of."""
    args = log["args"]
    return OrderPlaced(
        order_id=order_id_of(bytes(args["jobId"]), args["consumer"], args["tokenId"]),
        job_id=bytes(args["jobId"]),
        token_id=args["tokenId"],
        consumer=args["consumer"],
        provider=args["provider"],
        amount_wei=args["amount"],
        tx_hash="0x" + bytes(log["transactionHash"]).hex(),
        log_index=log["logIndex"],
        block_number=log["blockNumber"],
        deadline=args["deadline"],
    )


def _key_set(index: int, view: Any) -> KeySet:  # noqa: ANN401 - the contract's struct
    x, y, ed25519, signer, valid_from, valid_until, revoked_at, block, endpoint = view
    return KeySet(
        index=index,
        p256=b"\x04" + bytes(x) + bytes(y),
        signer=signer,
        ed25519=bytes(ed25519),
        endpoint=endpoint,
        valid_from=valid_from,
        valid_from_block=block,
        valid_until=valid_until or None,
        revoked_at=revoked_at or None,
    )
