"""Signs ERC-2612 permissions, so that paying with a token needs no transaction of its own.

Signs only when the domain that we compute is the one that the token states: a signature for another domain would
be useless, or worse, good elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak

from datatokens.errors import ContractRefusedError, WrongChainError
from datatokens.ethkeys import LocalAccount, encode_typed_data
from datatokens.gateway import Gateway

PERMIT_LIFETIME_S = 3600
PermitStruct = tuple[str, int, int, int, bytes, bytes]
PERMIT_TYPES = {
    "Permit": [
        {"name": "owner", "type": "address"},
        {"name": "spender", "type": "address"},
        {"name": "value", "type": "uint256"},
        {"name": "nonce", "type": "uint256"},
        {"name": "deadline", "type": "uint256"},
    ]
}


@dataclass(frozen=True, slots=True)
class Permission:
    """A signed permission for one token: how many units may be taken until when, and ECDSA v, r, s."""

    token: str
    value_wei: int
    deadline: int
    v: int
    r: bytes
    s: bytes

    def as_struct(self) -> PermitStruct:
        """Return the contract's `Permit` struct."""
        return (self.token, self.value_wei, self.deadline, self.v, self.r, self.s)


def find_permission(
    gateway: Gateway, token: str, *, sender: LocalAccount, spender: str, value_wei: int, chain_id: int
) -> Permission | None:
    """Sign for `spender` to take `value_wei` of the sender's `token`; None when the token has no ERC-2612."""
    contract = gateway.contract("TestToken", token)
    try:
        name = gateway.call(contract, "name")
        separator = bytes(gateway.call(contract, "DOMAIN_SEPARATOR"))
        nonce = gateway.call(contract, "nonces", sender.address)
    except (ContractRefusedError, WrongChainError):
        return None
    domain = {"name": name, "version": "1", "chainId": chain_id, "verifyingContract": contract.address}
    deadline = gateway.next_time() + PERMIT_LIFETIME_S
    message: dict[str, Any] = {
        "owner": sender.address,
        "spender": spender,
        "value": value_wei,
        "nonce": nonce,
        "deadline": deadline,
    }
    signable = encode_typed_data(domain, PERMIT_TYPES, message)
    if signable.header != separator:
        return None
    gateway.review(contract, "permit", message, sender=sender.address)
    signed = sender.sign_message(signable)
    return Permission(
        contract.address, value_wei, deadline, signed.v, signed.r.to_bytes(32), signed.s.to_bytes(32)
    )


def order_id_of(job_id: bytes, consumer: str, token_id: int) -> bytes:
    """Return keccak-256 of the ABI encoding of (job id, consumer, token id): the escrow's name for an order."""
    account = bytes.fromhex(consumer.removeprefix("0x")).rjust(32, b"\0")
    return bytes(keccak(job_id + account + token_id.to_bytes(32)))
