"""Turns what a contract reverted with into our own errors, in plain words with the remedy.

Pure: bytes in, an error out; an unknown or malformed revert becomes a refusal without a name, never another error.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.crypto import keccak

from datatokens.compiled import CONTRACTS, load_artifact
from datatokens.errors import ChainError, ContractRefusedError, NoSuchAssetError, NotEnoughMoneyError

_ERROR_STRING = bytes.fromhex("08c379a0")  # Error(string), Solidity's own
_STATUS = ("unknown", "open", "settled", "refunded")

WORDS = {
    "RegistryNotOwner": "owner of asset {tokenId}: {caller} isn't; sign as the holder of the data NFT",
    "RegistryAssetRetired": "asset {tokenId}: is retired and takes nothing new; choose another dataset",
    "RegistryZeroValue": "{field}: expected a value, got zero; set it",
    "RegistryTokenMissing": "payment token {token}: has no code on this chain; check its address",
    "RegistryShareTooLarge": "provider and community share: expected at most 10000 basis points, got {shareBps}; lower them",
    "RegistryNotListed": "consumer {consumer}: isn't on the allow-list of asset {tokenId}, or the proof is of another"
    " list; ask its owner",
    "RegistryExpiryPast": "approval expiry: expected after {time}, got {expiresAt}; set a later one",
    "RegistryNotApproved": "algorithm {algorithm}: isn't approved for asset {tokenId};"
    " ask its owner for approval",
    "RegistryApprovalExpired": "algorithm {algorithm}: approval for asset {tokenId} ended at {expiresAt};"
    " ask its owner to approve anew",
    "EscrowPriceAboveMax": "price: expected at most {maxPrice}, got {price}; raise the maximum price",
    "EscrowDeadlineOutOfRange": "order deadline: expected after {time} and at most {latest}, got {deadline};"
    " choose another",
    "EscrowOrderExists": "order {orderId}: this job was ordered on this asset by this account before;"
    " sign a new request",
    "EscrowOrderNotOpen": "order {orderId}: expected open, got {status}; nothing is left to do for it",
    "EscrowNotProvider": "order {orderId}: {caller} isn't its provider; sign as the provider",
    "EscrowDeadlineNotReached": "order {orderId}: can be refunded after {deadline}; wait until then",
    "EscrowTokenTookFee": "token {token}: expected {expected} to arrive, got {received};"
    " tokens that take a fee are not accepted",
    "EscrowZeroValue": "{field}: expected a value, got zero; set it",
    "AnchorNotGrowing": "log size: expected more than {current}, got {size}; anchor a later checkpoint",
    "AnchorZeroRoot": "log root: expected a hash, got zero; anchor a checkpoint's root",
    "DatatokenNotAuthorised": "datatoken: {caller} may not mint or burn; go through the registry or the escrow",
    "DatatokenAmountTooLarge": "datatokens: expected at most {most} units at once, got {amount}; take fewer",
    "DatatokenCapExceeded": "datatokens: expected at most {cap} units in circulation, got {supply}; take fewer",
    "ProvidersBadKey": "{field} key: is zero or not a point of its curve; publish a real key",
    "ProvidersSignerIsSender": "receipt signer {signer}: must not be the account that sends transactions;"
    " use another key",
    "ProvidersNoSuchKeys": "key set {index} of {provider}: there is none; list the keys",
    "ProvidersTimeOutOfRange": "revocation time: expected {earliest} to {latest}, got {fromTime};"
    " choose one within",
    "ProvidersIsClosed": "provider {provider}: closed for good at {closedAt}; use another account",
    "ReceiptsRootUnknown": "log of {provider}: its root at size {size} is neither the newest nor kept; prove the entry"
    " anew, for the newest size",
    "ReceiptsNotIncluded": "receipt: isn't entry {index} of the log of size {size}, or the proof is of another size;"
    " prove it anew",
    "ReceiptsBadSignature": "receipt signature: expected v 27 or 28 and s in the lower half; take it from the receipt",
    "ReceiptsNotSigner": "receipt: signed by {signer}, who was no signer of {provider} at {time} when its root was"
    " anchored, or signed over other bytes; verify the receipt",
    "ReentrancyGuardReentrantCall": "escrow: was called back during a transfer; the token is hostile",
    "ERC20InsufficientAllowance": "token allowance: expected {needed}, got {allowance};"
    " allow the escrow to take the price",
}


@cache
def _known_errors() -> dict[bytes, tuple[str, list[dict[str, Any]]]]:
    known = {}
    for contract in CONTRACTS:
        for entry in load_artifact(contract).abi:
            if entry["type"] == "error":
                signature = f"{entry['name']}({','.join(item['type'] for item in entry['inputs'])})"
                known[keccak(text=signature)[:4]] = (entry["name"], entry["inputs"])
    return known


def parse_refusal(data: bytes) -> ChainError:
    """Turn revert data (4-byte selector and ABI-encoded arguments) into an error to raise."""
    if data[:4] == _ERROR_STRING:
        reason = _decode(["string"], data[4:])
        text = reason[0][:200] if reason else "gave a reason that can't be read"
        return ContractRefusedError("Error", {"reason": text}, f"contract: refused: {text}")
    name, inputs = _known_errors().get(data[:4], ("", []))
    values = _decode([item["type"] for item in inputs], data[4:])
    if not name or values is None:
        return ContractRefusedError(
            "", {}, f"contract: refused with code 0x{data[:4].hex()}; check the token and the arguments"
        )
    return _refusal(name, dict(zip([item["name"] for item in inputs], values, strict=True)))


def _decode(types: list[str], data: bytes) -> tuple[Any, ...] | None:
    try:
        return decode(types, data)
    except (DecodingError, UnicodeDecodeError, OverflowError):
        return None


def _refusal(name: str, args: dict[str, Any]) -> ChainError:
    if name == "RegistryNoSuchAsset":
        return NoSuchAssetError(args["tokenId"])
    if name == "ERC20InsufficientBalance":
        return NotEnoughMoneyError(
            args["sender"], asset="of payment", needed_wei=args["needed"], available_wei=args["balance"]
        )
    if name == "EscrowCreditTooSmall":
        return NotEnoughMoneyError(
            args["account"], asset=args["token"], needed_wei=args["wanted"], available_wei=args["credit"]
        )
    shown = {key: _plain(key, value) for key, value in args.items()}
    words = WORDS.get(name)
    message = words.format(**shown) if words else f"contract: refused with {name} {shown}"
    return ContractRefusedError(name, args, message)


def _plain(key: str, value: object) -> object:
    if isinstance(value, bytes):
        return f"sha256:{value.hex()}" if key == "algorithm" else f"0x{value.hex()}"
    if key == "status" and isinstance(value, int) and value < len(_STATUS):
        return _STATUS[value]
    return value
