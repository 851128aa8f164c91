"""Turns what web3 and nodes raise into our own errors, so that no caller knows either."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import requests
from eth_abi.exceptions import DecodingError, EncodingError
from web3 import exceptions as web3_errors

from datatokens.errors import (
    ChainError,
    ChainUnreachableError,
    ContractRefusedError,
    NodeRefusedError,
    WrongChainError,
)
from datatokens.refusals import parse_refusal

# What web3's formatters raise when a node answers with another shape than the method has.
_NONSENSE = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)


@contextmanager
def translated() -> Iterator[None]:
    """Raise our errors for what web3 and its transport raise inside the block."""
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
    except (requests.RequestException, web3_errors.Web3Exception, DecodingError, OSError, *_NONSENSE) as exc:
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
    words = error.get("message") if isinstance(error, Mapping) else exc.message
    return NodeRefusedError(str(words)[:200])
