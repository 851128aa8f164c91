"""Reads what accounts hold and agree to: who owns a data NFT, and whether a contract calls a signature its own."""

from __future__ import annotations

from eth_abi.abi import encode

from datatokens.errors import ContractRefusedError, NodeRefusedError, WrongChainError
from datatokens.gateway import checksum
from datatokens.trusted import TrustedContracts

ACCEPTED = bytes.fromhex("1626ba7e")
"""`isValidSignature(bytes32,bytes)`: its selector, and what it answers to say yes (ERC-1271)."""
NOBODY = "0x" + "00" * 20


class HolderReader(TrustedContracts):
    """What anyone can know of the accounts around one deployment, without a key."""

    def accepts_signature(self, account: str, digest: bytes, signature: bytes, *, at_block: int) -> bool:
        """Tell whether the contract `account` calls a signature over 32 bytes its own, at the end of a block (ERC-1271).

        Only the exact answer is a yes: no code, a revert or anything else is a no.

        Raises:
            ChainUnreachableError: no answer, or the node no longer has the state of that block.
        """
        self.check()
        data = ACCEPTED + encode(["bytes32", "bytes"], [digest, signature])
        try:
            return self._gateway.ask(checksum(account), data, block=at_block) == ACCEPTED.ljust(32, b"\0")
        except ContractRefusedError:
            return False

    def find_owner(self, token_id: int, *, at_block: int | None = None) -> str | None:
        """Return who owns a data NFT, now or at the end of a block; None when there is none of that number.

        Where the node no longer has the state of that block, the transfers up to it tell the same.
        """
        try:
            return str(self._gateway.call(self._registry, "ownerOf", token_id, block=at_block))
        except ContractRefusedError:
            return None
        except (NodeRefusedError, WrongChainError):
            if at_block is None:
                raise
        moves = self._logs(self._registry, "Transfer", {"tokenId": token_id}, last=at_block)
        owner = str(moves[-1]["args"]["to"]) if moves else NOBODY
        return None if owner == NOBODY else owner
