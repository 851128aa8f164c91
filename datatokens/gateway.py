"""The one way to a node: reads, logs and transactions over JSON-RPC, with every failure turned into our own errors.

Knows nothing of assets or orders. A transaction is simulated before anything is spent, so that a refusal costs
nothing and says why. Nonces are taken under a lock: one process, one sender, no collisions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any

import requests
from eth_abi.exceptions import EncodingError
from eth_utils.address import to_checksum_address
from web3 import HTTPProvider, Web3
from web3 import exceptions as web3_errors
from web3.contract import Contract
from web3.logs import DISCARD
from web3.middleware import ExtraDataToPOAMiddleware
from web3.types import BlockData, TxReceipt

from datatokens.compiled import load_artifact
from datatokens.errors import (
    ChainError,
    ChainUnreachableError,
    ContractRefusedError,
    NotEnoughMoneyError,
    TransactionFailedError,
    WrongChainError,
)
from datatokens.ethkeys import LocalAccount
from datatokens.model import Block, TxResult
from datatokens.refusals import parse_refusal

GAS_MARGIN_PERCENT = 20
RECEIPT_TIMEOUT_S = 120.0
RECEIPT_POLL_S = 0.05
# What web3's formatters raise when a node answers with another shape than the method has.
_NONSENSE = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)


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


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what web3 and its transport raise into our errors."""
    try:
        yield
    except web3_errors.ContractLogicError as exc:
        raise _reverted(exc) from exc
    except web3_errors.BadFunctionCallOutput as exc:
        raise WrongChainError(
            "contract", expected="an answer of its interface", got="none or another"
        ) from exc
    except (
        EncodingError,
        web3_errors.MismatchedABI,
        web3_errors.Web3ValidationError,
        web3_errors.InvalidAddress,
    ) as exc:
        raise ContractRefusedError(
            "", {}, "argument: doesn't fit the contract's type; check sizes, digests and addresses"
        ) from exc
    except web3_errors.Web3RPCError as exc:
        raise _rpc_error(exc) from exc
    except (requests.RequestException, web3_errors.Web3Exception, OSError, *_NONSENSE) as exc:
        raise ChainUnreachableError(
            "chain: the node doesn't answer as expected; check the rpc address and that the node runs"
        ) from exc


def _reverted(exc: web3_errors.ContractLogicError) -> ChainError:
    data = exc.data
    if not isinstance(data, str) or not data.startswith("0x"):
        return ContractRefusedError("", {}, "contract: refused without a reason; check the arguments")
    try:
        return parse_refusal(bytes.fromhex(data[2:]))
    except ValueError:
        return ContractRefusedError("", {}, "contract: refused without a reason that can be read")


def _rpc_error(exc: web3_errors.Web3RPCError) -> ChainError:
    response = exc.rpc_response or {}
    error = response.get("error") if isinstance(response, Mapping) else None
    data = error.get("data") if isinstance(error, Mapping) else None
    if isinstance(data, str) and len(data) >= 10:  # noqa: PLR2004 - 0x and a selector
        try:
            return parse_refusal(bytes.fromhex(data.removeprefix("0x")))
        except ValueError:
            pass
    return ChainUnreachableError(
        f"chain: the node refused the call: {str(exc.message)[:200]}; repeat, or check the node"
    )


class Gateway:
    """A connection to one node; makes no request until asked."""

    def __init__(self, rpc_url: str, *, timeout_s: float) -> None:
        provider = HTTPProvider(
            rpc_url, request_kwargs={"timeout": timeout_s}, exception_retry_configuration=None
        )
        self._web3 = Web3(provider)
        self._web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
        self._nonces = Lock()

    def contract(self, name: str, address: str) -> Contract:
        """Return the contract at `address`, by the interface of the artifact `name`."""
        return self._web3.eth.contract(
            address=self._web3.to_checksum_address(address), abi=load_artifact(name).abi
        )

    def chain_id(self) -> int:
        """Ask the node for its chain id.

        Raises:
            ChainUnreachableError: no answer.
        """
        with _translated():
            return int(self._web3.eth.chain_id)

    def code_hash(self, address: str) -> str:
        """Return keccak-256 of the code at `address`, `0x` hex."""
        with _translated():
            return str(
                Web3.to_hex(
                    Web3.keccak(primitive=bytes(self._web3.eth.get_code(Web3.to_checksum_address(address))))
                )
            )

    def native_balance(self, account: str) -> int:
        """Return the account's coins, in wei."""
        address = Web3.to_checksum_address(checksum(account))
        with _translated():
            return int(self._web3.eth.get_balance(address))

    def block(self, which: int | bytes | None = None) -> Block:
        """Return the block of a number or hash; the newest without one.

        Raises:
            ChainUnreachableError: no answer, or no such block.
        """
        with _translated():
            return _block(self._web3.eth.get_block("latest" if which is None else which))  # type: ignore[arg-type] # bytes is a hash

    def next_time(self) -> int:
        """Return the unix time that the next block would have; an idle chain's newest block may be days old.

        Raises:
            ChainUnreachableError: no answer.
        """
        with _translated():
            return int(self._web3.eth.get_block("pending")["timestamp"])

    def call(self, contract: Contract, name: str, *args: object, block: int | None = None) -> Any:  # noqa: ANN401 - by the ABI
        """Read from a contract, at the newest block or at the end of `block`.

        Raises:
            ChainUnreachableError: no answer.
            ContractRefusedError: it reverted, or an argument doesn't fit.
            WrongChainError: there is no such contract.
        """
        with _translated():
            function = contract.get_function_by_name(name)(*args)
            return function.call(block_identifier="latest" if block is None else block)

    def logs(
        self,
        contract: Contract,
        event: str,
        *,
        filters: Mapping[str, object],
        first: int,
        last: int | None = None,
    ) -> Sequence[Any]:
        """Return the decoded logs of one event between two blocks, inclusive, oldest first.

        Raises:
            ChainUnreachableError: no answer.
            ContractRefusedError: a filter doesn't fit.
        """
        with _translated():
            found = contract.events[event]().get_logs(
                argument_filters=dict(filters),
                from_block=first,
                to_block="latest" if last is None else last,
            )
            return list(found)

    def event_args(self, contract: Contract, event: str, tx_hash: str) -> Any:  # noqa: ANN401 - by the ABI
        """Return the arguments of the one event of that name in a mined transaction.

        Raises:
            ChainUnreachableError: no answer, or the event isn't there.
        """
        with _translated():
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
        with _translated():
            return self._result(self._web3.eth.get_transaction_receipt(_hash(tx_hash)))

    def send(self, contract: Contract, name: str, *args: object, sender: LocalAccount) -> TxResult:
        """Simulate, sign and send a call, and wait until it is mined.

        Raises:
            ContractRefusedError: the contract refuses, or an argument doesn't fit; nothing was spent.
            NotEnoughMoneyError: not enough coins for gas, or tokens; nothing was spent.
            TransactionFailedError: it was mined as failed, or not within `RECEIPT_TIMEOUT_S`.
            ChainUnreachableError: no answer.
        """
        with _translated():
            function = contract.get_function_by_name(name)(*args)
        return self._send(function, sender)

    def _send(self, function: Any, sender: LocalAccount) -> TxResult:  # noqa: ANN401 - a function or a constructor
        with self._nonces, _translated():
            transaction = self._prepare(function, sender.address)
            raw = sender.sign_transaction(transaction).raw_transaction
            tx_hash = Web3.to_hex(self._web3.eth.send_raw_transaction(raw))
        return self._mined(tx_hash)

    def deploy(self, name: str, *, sender: LocalAccount) -> str:
        """Deploy the contract of an artifact and return its address; fails as `send` does."""
        artifact = load_artifact(name)
        factory = self._web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
        result = self._send(factory.constructor(), sender)
        with _translated():
            receipt = self._web3.eth.get_transaction_receipt(_hash(result.tx_hash))
            return str(receipt["contractAddress"])

    def _prepare(self, function: Any, sender: str) -> dict[str, Any]:  # noqa: ANN401 - as in _send
        estimate = int(function.estimate_gas({"from": sender}, "pending"))
        eth = self._web3.eth
        tip = int(eth.max_priority_fee)
        fee = 2 * int(eth.get_block("latest")["baseFeePerGas"]) + tip
        gas = estimate + estimate * GAS_MARGIN_PERCENT // 100
        available = int(eth.get_balance(Web3.to_checksum_address(sender)))
        if available < gas * fee:
            raise NotEnoughMoneyError(sender, asset="native", needed_wei=gas * fee, available_wei=available)
        return dict(
            function.build_transaction(
                {
                    "from": sender,
                    "nonce": eth.get_transaction_count(Web3.to_checksum_address(sender), "pending"),
                    "gas": gas,
                    "maxFeePerGas": fee,
                    "maxPriorityFeePerGas": tip,
                    "chainId": eth.chain_id,
                }
            )
        )

    def _mined(self, tx_hash: str) -> TxResult:
        with _translated():
            try:
                receipt = self._web3.eth.wait_for_transaction_receipt(
                    _hash(tx_hash), timeout=RECEIPT_TIMEOUT_S, poll_latency=RECEIPT_POLL_S
                )
            except web3_errors.TimeExhausted as exc:
                problem = "wasn't mined in time; look it up before sending again"
                raise TransactionFailedError(tx_hash, problem) from exc
            if receipt["status"] != 1:
                problem = "was mined and failed, as the state changed meanwhile; try again"
                raise TransactionFailedError(tx_hash, problem)
            return self._result(receipt)

    def _result(self, receipt: TxReceipt) -> TxResult:
        block = _block(self._web3.eth.get_block(receipt["blockHash"]))
        return TxResult(Web3.to_hex(receipt["transactionHash"]), block, int(receipt["gasUsed"]))


def _block(data: BlockData) -> Block:
    return Block(int(data["number"]), bytes(data["hash"]), int(data["timestamp"]))


def _hash(tx_hash: str) -> Any:  # noqa: ANN401 - web3 wants its own new type
    return Web3.to_bytes(hexstr=tx_hash)  # type: ignore[arg-type] # any hex text
