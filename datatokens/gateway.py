"""The one way to a node: reads, logs and transactions over JSON-RPC, with every failure turned into our own errors.

Knows nothing of assets or orders, and trusts no contract by itself: that is the caller's, see `ChainReader.check`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from eth_abi.abi import encode
from eth_utils.abi import event_abi_to_log_topic
from eth_utils.address import to_checksum_address
from web3 import Web3
from web3.contract import Contract
from web3.logs import DISCARD
from web3.types import BlockData, TxReceipt

from datatokens.abitext import build_codec
from datatokens.compiled import load_artifact
from datatokens.errors import ChainUnreachableError, ContractRefusedError, TransactionFailedError
from datatokens.ethkeys import LocalAccount
from datatokens.fees import FeeLimits
from datatokens.intent import Intent, Review, name_arguments
from datatokens.model import Block, TxResult
from datatokens.patience import Patience
from datatokens.sending import Draft, Sender
from datatokens.translation import translated
from datatokens.transport import PatientProvider
from datatokens.windows import Fetch, Windows

DEFAULT_PATIENCE = Patience()
DEFAULT_FEES = FeeLimits()


def checksum(address: str) -> str:
    """Return `address` in checksummed form (EIP-55).

    Raises:
        ContractRefusedError: it is not 20 bytes of hex.
    """
    try:
        return str(to_checksum_address(address))
    except ValueError as exc:
        raise ContractRefusedError(
            "", {}, f"address: expected 0x and 40 hex digits, got {address[:60]!r}"
        ) from exc


class Gateway:
    """A connection to one node; makes no request until asked."""

    def __init__(
        self,
        rpc_url: str,
        *,
        chain_id: int | None = None,
        patience: Patience = DEFAULT_PATIENCE,
        fees: FeeLimits = DEFAULT_FEES,
        review: Review | None = None,
    ) -> None:
        """Sign for `chain_id` alone; without one, for the chain that the node says it is on.

        Whatever is to be signed is first shown to `review`.
        """
        self._web3 = Web3(PatientProvider(rpc_url, patience))
        # It asks for the chain id before each call, and refuses the blocks of proof-of-authority chains.
        self._web3.middleware_onion.remove("validation")
        self._web3.codec = build_codec()
        self._chain_id = chain_id
        self._windows = Windows()
        self._patience = patience
        self._names: dict[Contract, str] = {}
        self._review = review
        self._sender = Sender(self._web3, rpc_url, fees=fees, patience=patience, review=review)

    def contract(self, name: str, address: str) -> Contract:
        """Return the contract at `address`, by the interface of the artifact `name`."""
        where = self._web3.to_checksum_address(address)
        found = self._web3.eth.contract(address=where, abi=load_artifact(name).abi)
        self._names[found] = name
        return found

    def review(self, contract: Contract, name: str, arguments: Mapping[str, object], *, sender: str) -> None:
        """Show a permission, which costs nothing, to whoever has to agree before it is signed."""
        if self._review is not None:
            called = self._names.get(contract, "contract")
            self._review(Intent(sender, contract.address, called, name, arguments))

    def chain_id(self) -> int:
        """Ask the node for its chain id.

        Raises:
            ChainUnreachableError: no answer.
        """
        with translated():
            return int(self._web3.eth.chain_id)

    def code(self, address: str, block: int | None = None) -> bytes:
        """Return the code at `address` now, or at the end of a block; empty where there is none."""
        with translated():
            where = Web3.to_checksum_address(address)
            return bytes(self._web3.eth.get_code(where, "latest" if block is None else block))

    def code_hash(self, address: str) -> str:
        """Return keccak-256 of the code at `address`, `0x` hex."""
        return Web3.to_hex(Web3.keccak(primitive=self.code(address)))

    def native_balance(self, account: str) -> int:
        """Return the account's coins, in wei."""
        address = Web3.to_checksum_address(checksum(account))
        with translated():
            return int(self._web3.eth.get_balance(address))

    def block(self, which: int | bytes | None = None) -> Block:
        """Return the block of a number or hash; the newest without one.

        Raises:
            ChainUnreachableError: no answer, or no such block.
        """
        with translated():
            return _block(self._web3.eth.get_block("latest" if which is None else which))  # type: ignore[arg-type] # bytes is a hash

    def next_time(self) -> int:
        """Return the unix time that the next block would have; an idle chain's newest block may be days old.

        Raises:
            ChainUnreachableError: no answer.
        """
        with translated():
            return int(self._web3.eth.get_block("pending")["timestamp"])

    def call(self, contract: Contract, name: str, *args: object, block: int | None = None) -> Any:  # noqa: ANN401 - by the ABI
        """Read from a contract, at the newest block or at the end of `block`.

        Raises:
            ChainUnreachableError: no answer.
            ContractRefusedError: it reverted, or an argument doesn't fit.
            WrongChainError: there is no such contract.
        """
        with translated():
            function = contract.get_function_by_name(name)(*args)
            return function.call(block_identifier="latest" if block is None else block)

    def ask(self, to: str, data: bytes, *, block: int) -> bytes:
        """Return what somebody's contract answers to bytes, at the end of `block`; empty where there is none.

        Raises:
            ChainUnreachableError: no answer.
            ContractRefusedError: it reverted.
        """
        with translated():
            return bytes(
                self._web3.eth.call({"to": Web3.to_checksum_address(to), "data": Web3.to_hex(data)}, block)
            )

    def raw_logs(
        self, contract: Contract, event: str, *, filters: Mapping[str, object], first: int, last: int
    ) -> Sequence[Any]:
        """Return the logs of one event between two blocks, inclusive, oldest first; `decode` reads them.

        Raises:
            ChainUnreachableError: no answer.
            ContractRefusedError: a filter isn't an indexed argument, or doesn't fit.
        """
        windows = self.logs_ahead(contract, event, filters=filters, first=first, last=last)
        return [log for window in windows for log in window]

    def logs_ahead(
        self, contract: Contract, event: str, *, filters: Mapping[str, object], first: int, last: int
    ) -> Iterator[Sequence[Any]]:
        """Yield the logs between two blocks window by window, the oldest window first; fails as `raw_logs`."""
        yield from self._windows.oldest_first(self._query(contract, event, filters), first, last)

    def logs_back(
        self, contract: Contract, event: str, *, filters: Mapping[str, object], first: int, last: int
    ) -> Iterator[Sequence[Any]]:
        """Yield the logs between two blocks window by window, the newest window first; fails as `raw_logs`."""
        yield from self._windows.newest_first(self._query(contract, event, filters), first, last)

    def decode(self, contract: Contract, event: str, log: Any) -> Any:  # noqa: ANN401 - web3's logs
        """Return a log with its arguments under `args`.

        Raises:
            ChainUnreachableError: it isn't a log of that event.
        """
        with translated():
            return contract.events[event]().process_log(log)

    def _query(self, contract: Contract, event: str, filters: Mapping[str, object]) -> Fetch:
        with translated():
            topics = _topics(contract, event, filters)

        def fetch(first: int, last: int) -> list[Any]:
            with translated():
                return list(
                    self._web3.eth.get_logs(
                        {"address": contract.address, "topics": topics, "fromBlock": first, "toBlock": last}
                    )
                )

        return fetch

    def event_args(self, contract: Contract, event: str, tx_hash: str) -> Any:  # noqa: ANN401 - by the ABI
        """Return the arguments of the one event of that name in a mined transaction.

        Raises:
            ChainUnreachableError: no answer, or the event isn't there.
        """
        with translated():
            receipt = self._web3.eth.get_transaction_receipt(_hash(tx_hash))
            found = contract.events[event]().process_receipt(receipt, errors=DISCARD)
        if not found:
            raise ChainUnreachableError(
                f"transaction {tx_hash}: expected the event {event}, got none; ask another node"
            )
        return found[0]["args"]

    def result(self, tx_hash: str) -> TxResult:
        """Return what became of a mined transaction.

        Raises:
            ChainUnreachableError: no answer, or it isn't mined.
        """
        with translated():
            receipt = self._web3.eth.get_transaction_receipt(_hash(tx_hash))
        return self._result(receipt)

    def send(self, contract: Contract, name: str, *args: object, sender: LocalAccount) -> TxResult:
        """Simulate, sign and send a call, and wait until it is mined; see `datatokens.sending`.

        Raises:
            ContractRefusedError: the contract refuses, or an argument doesn't fit; nothing was spent.
            NotEnoughMoneyError: not enough coins for gas, or tokens; nothing was spent.
            TransactionFailedError: it was mined as failed, or isn't known to be mined.
            ChainUnreachableError: no answer.
        """
        with translated():
            data = Web3.to_bytes(hexstr=contract.encode_abi(name, args=list(args)))
            named = name_arguments(contract.get_function_by_name(name).abi["inputs"], args)
        call = Intent(sender.address, contract.address, self._names.get(contract, "contract"), name, named)
        return self._result(self._submit(Draft(contract.address, data, call=call), sender))

    def execute(self, to: str, data: bytes, *, value_wei: int = 0, sender: LocalAccount) -> TxResult:
        """Send bytes, coins or both to an address; fails as `send` does."""
        return self._result(self._submit(Draft(to, data, value_wei), sender))

    def create(self, code: bytes, *, sender: LocalAccount) -> str:
        """Create a contract from its creation code and return its address; fails as `send` does."""
        return str(self._submit(Draft(None, code), sender)["contractAddress"])

    def broadcast(self, raw: bytes) -> str:
        """Send a transaction that somebody else signed, and return its hash; doesn't wait for it.

        Raises:
            ChainUnreachableError: no answer, or the node doesn't take it.
        """
        with translated():
            return Web3.to_hex(self._web3.eth.send_raw_transaction(raw))

    def await_mined(self, tx_hash: str) -> TxResult:
        """Wait for a transaction that `broadcast` sent.

        Raises:
            ChainUnreachableError: no answer, or it isn't mined in time.
        """
        with translated():
            wanted = _hash(tx_hash)
            receipt = self._web3.eth.wait_for_transaction_receipt(wanted, timeout=self._patience.mined_s)
        return self._result(receipt)

    def _submit(self, draft: Draft, sender: LocalAccount) -> TxReceipt:
        chain_id = self._chain_id if self._chain_id is not None else self.chain_id()
        receipt = self._sender.send(draft, sender=sender, chain_id=chain_id)
        if receipt["status"] != 1:
            problem = "was mined and failed, as the state changed meanwhile; try again"
            raise TransactionFailedError(Web3.to_hex(receipt["transactionHash"]), problem)
        return receipt

    def _result(self, receipt: TxReceipt) -> TxResult:
        with translated():
            block = _block(self._web3.eth.get_block(receipt["blockHash"]))
            return TxResult(Web3.to_hex(receipt["transactionHash"]), block, int(receipt["gasUsed"]))


def _topics(contract: Contract, event: str, filters: Mapping[str, object]) -> list[Any]:
    """Return the topics that an event with these indexed arguments has (Solidity's ABI specification, "Events")."""
    abi = contract.events[event]().abi
    indexed = [item for item in abi["inputs"] if item["indexed"]]
    unknown = set(filters) - {item["name"] for item in indexed}
    if unknown:
        raise ContractRefusedError("", {}, f"event {event}: has no indexed {sorted(unknown)}")
    topics: list[Any] = [Web3.to_hex(event_abi_to_log_topic(abi))]
    for item in indexed:
        value = filters.get(item["name"])
        topics.append(None if value is None else Web3.to_hex(encode([item["type"]], [value])))
    return topics


def _block(data: BlockData) -> Block:
    return Block(int(data["number"]), bytes(data["hash"]), int(data["timestamp"]))


def _hash(tx_hash: str) -> Any:  # noqa: ANN401 - web3 wants its own new type
    return Web3.to_bytes(hexstr=tx_hash)  # type: ignore[arg-type] # any hex text
