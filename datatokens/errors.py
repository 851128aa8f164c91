"""What can go wrong between us and a chain, and with the keys that sign for it.

ChainError
├── ChainUnreachableError     no answer, a timeout, or an answer that is not JSON-RPC
│   └── NodeRefusedError      the node answers with an error of its own; its words are kept
├── WrongChainError           the chain id or a contract's code is not that of the deployment
├── ContractRefusedError      a contract said no; the decoded custom error is kept
│   └── NoSuchAssetError      there is no data NFT of that number
├── NotEnoughMoneyError       a balance is too small for what was asked
├── TransactionFailedError    a transaction was mined as failed, or was not mined in time
├── AllowListInvalidError     a list of consumers is empty, or an account isn't on it
├── DeployerMissingError      the chain has no proxy that deploys to the same addresses everywhere
├── DeploymentInvalidError    a deployment file can't be read
├── LocalChainError           the local chain can't be found, started or told what to do
└── KeystoreError             a key file can't be used
    ├── KeystoreMissingError  there is no key of that name
    ├── KeystoreExistsError   there is one already, and it is not overwritten
    ├── KeystoreInvalidError  the file is not a V3 keystore
    └── WrongPasswordError    the password doesn't open it
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datatokens.units import COIN_DECIMALS, format_units

if TYPE_CHECKING:
    from datatokens.model import Token


class ChainError(Exception):
    """Base of every error that this package raises on purpose."""

    code = "chain-error"


class ChainUnreachableError(ChainError):
    """Nobody answered, or not in JSON-RPC; the same call can be repeated as it is."""

    code = "chain-unreachable"


class NodeRefusedError(ChainUnreachableError):
    """The node answers, with an error of its own; `words` is what it says."""

    def __init__(self, words: str) -> None:
        self.words = words
        super().__init__(f"chain: the node refused the call: {words}; repeat, or check the node")


class WrongChainError(ChainError):
    """The node is on another chain, or a contract there is not the one that was deployed."""

    code = "wrong-chain"

    def __init__(self, checked: str, *, expected: str, got: str) -> None:
        self.checked = checked
        self.expected = expected
        self.got = got
        super().__init__(
            f"{checked}: expected {expected}, got {got}; check the rpc address and the deployment file"
        )


class ContractRefusedError(ChainError):
    """A contract refused; `name` and `args` are its custom error (empty name: it gave no reason)."""

    code = "contract-refused"

    def __init__(self, name: str, args: dict[str, Any], message: str) -> None:
        self.name = name
        self.values = args
        super().__init__(message)


class NoSuchAssetError(ContractRefusedError):
    """There is no data NFT of that number in the registry."""

    code = "no-such-asset"

    def __init__(self, token_id: int) -> None:
        super().__init__(
            "RegistryNoSuchAsset",
            {"tokenId": token_id},
            f"asset: expected a registered token id, got {token_id}; list the datasets to see which exist",
        )


class NotEnoughMoneyError(ChainError):
    """`account` holds less than needed; `asset` is `native` or a token's address, amounts are in its units.

    They are written in whole tokens where it is known how many decimals the `token` has.
    """

    code = "not-enough-money"

    def __init__(
        self, account: str, *, asset: str, needed_wei: int, available_wei: int, token: Token | None = None
    ) -> None:
        self.account = account
        self.asset = asset
        self.needed_wei = needed_wei
        self.available_wei = available_wei
        if asset == "native":
            kind, decimals, unit = "the chain's own coin (for gas)", COIN_DECIMALS, "coins"
        else:
            kind, decimals, unit = f"token {asset}", 0, "units"
        if token is not None:
            decimals, unit = token.decimals, token.symbol or unit
        needed, available = (format_units(amount, decimals) for amount in (needed_wei, available_wei))
        super().__init__(
            f"balance of {account} in {kind}: expected at least {needed} {unit}, got {available};"
            " add funds and repeat"
        )


class TransactionFailedError(ChainError):
    """A transaction was mined as failed, or was not mined within the time allowed."""

    code = "transaction-failed"

    def __init__(self, tx_hash: str, problem: str) -> None:
        self.tx_hash = tx_hash
        super().__init__(f"transaction {tx_hash}: {problem}")


class AllowListInvalidError(ChainError):
    """A list of consumers is empty, or an account isn't on it."""

    code = "allow-list-invalid"


class DeployerMissingError(ChainError):
    """The chain doesn't have the deterministic deployment proxy, and it can't be put there."""

    code = "deployer-missing"

    def __init__(self, address: str, problem: str) -> None:
        super().__init__(
            f"deterministic deployment proxy at {address}: {problem};"
            " ask the chain's operators to deploy it, then repeat"
        )


class DeploymentInvalidError(ChainError):
    """A deployment file is missing or is not one."""

    code = "deployment-invalid"


class LocalChainError(ChainError):
    """The local chain can't be found, started, stopped or told what to do."""

    code = "local-chain"


class KeystoreError(ChainError):
    """A key file can't be used."""

    code = "keystore"


class KeystoreMissingError(KeystoreError):
    """There is no key of that name."""

    code = "keystore-missing"


class KeystoreExistsError(KeystoreError):
    """There is a key of that name already, and keys are never overwritten."""

    code = "keystore-exists"


class KeystoreInvalidError(KeystoreError):
    """The file is not a V3 keystore, or the name is not one."""

    code = "keystore-invalid"


class WrongPasswordError(KeystoreError):
    """The password doesn't open the keystore."""

    code = "wrong-password"
