"""Addresses that follow from code alone: contracts are created through the well-known deterministic deployment proxy.

The proxy is 69 bytes without an owner, the same on every chain that has it (github.com/Arachnid/deterministic-deployment-
proxy). It calls CREATE2 (EIP-1014) with the salt and the code that it is sent. Pure: nothing here asks a node.
"""

from __future__ import annotations

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from datatokens.compiled import Artifact

PROXY = "0x4e59b44847b379578588920cA78FbF26c0B4956C"
PROXY_CODE = bytes.fromhex(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0"
    "3601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
)
PROXY_SIGNER = "0x3fAB184622Dc19b6109349B94811493BF2a45362"
"""Has no key that anybody knows: its one signature was chosen, not made, so that nobody can sign anything else with it."""
PROXY_COST_WEI = 10**16
PROXY_TRANSACTION = bytes.fromhex(
    "f8a58085174876e800830186a08080b853604580600e600039806000f350fe"
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0"
    "3601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
    "1ba02222222222222222222222222222222222222222222222222222222222222222"
    "a02222222222222222222222222222222222222222222222222222222222222222"
)
SALT = bytes(32)
FIRST_NONCE = 1  # of a contract (EIP-161)


def creation_code(artifact: Artifact, *addresses: str) -> bytes:
    """Return the code that creates a contract; all that ours take are addresses of others of ours."""
    arguments = b"".join(bytes.fromhex(item.removeprefix("0x")).rjust(32, b"\0") for item in addresses)
    return bytes.fromhex(artifact.bytecode.removeprefix("0x")) + arguments


def create2_address(artifact: Artifact, *addresses: str) -> str:
    """Return where the proxy puts a contract that is created with these addresses (EIP-1014)."""
    deployer = bytes.fromhex(PROXY[2:])
    digest = keccak(b"\xff" + deployer + SALT + keccak(creation_code(artifact, *addresses)))
    return str(to_checksum_address(digest[-20:]))


def child_address(parent: str) -> str:
    """Return the address of the first contract that a contract creates itself: keccak of the RLP of (parent, 1)."""
    rlp = b"\xd6\x94" + bytes.fromhex(parent.removeprefix("0x")) + bytes([FIRST_NONCE])
    return str(to_checksum_address(keccak(rlp)[-20:]))


def is_runtime_of(artifact: Artifact, code: bytes) -> bool:
    """Tell whether `code` is what the artifact's contract runs, whatever values its constructor wrote into it.

    Those values (immutables: addresses, and for a token's signatures the chain id) are not compared here.
    """
    expected, found = bytearray(artifact.runtime), bytearray(code)
    if len(expected) != len(found):
        return False
    for start, length in artifact.immutables:
        expected[start : start + length] = found[start : start + length] = bytes(length)
    return expected == found
