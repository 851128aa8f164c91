"""`sealroom receipt calldata|keep-root`: the call by which another contract has a receipt checked. Verifies nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import Session, SessionCommand, pass_session
from cli.ids import ADDRESS
from cli.output import fields, say_transaction

if TYPE_CHECKING:
    from datatokens.receipts import LoggedReceipt
    from provider.receipts.envelope import Envelope
    from provider.receipts.facts import ProviderFacts

ACCOUNT_KEYID = "eip155:"
FILE = click.Path(path_type=Path)


@click.command(cls=SessionCommand)
@click.argument("file", type=FILE)
@click.option("--proof", type=FILE, help="The log proof (default: beside the receipt, .tlog-proof).")
@pass_session
def calldata(session: Session, file: Path, proof: Path | None) -> None:
    """Print what the contract `Receipts` is to be shown of FILE, and its `check` encoded (docs/contracts.md).

    The proof has to be for the newest anchored size, or for one whose root was kept on chain (`receipt keep-root`).
    """
    from cli.home import read_file
    from cli.verifying import MAX_PROOF_BYTES, proof_beside, read_receipt
    from datatokens.receipts import encode_check

    path = proof or proof_beside(file)
    envelope, statement = read_receipt(file)
    proof_data = read_file(path, what="proof", max_bytes=MAX_PROOF_BYTES)
    receipt = logged_receipt(envelope, statement.facts.provider, proof_data)
    document = {"arguments": _document(receipt), "calldata": "0x" + encode_check(receipt).hex()}
    words = {**_document(receipt), "calldata": document["calldata"]}
    session.output.data(document, lambda: fields(words))


@click.command("keep-root", cls=SessionCommand)
@click.option("--provider", "address", type=ADDRESS, metavar="ADDRESS", help="Default: the pinned provider.")
@pass_session
def keep_root(session: Session, address: str | None) -> None:
    """Keep the newest root of a provider's log on chain, so that proofs for its size stay good for contracts."""
    provider = address or session.get_provider()
    result = session.get_chain().keep_root(provider, sender=session.get_account())
    say_transaction(session.output, result, {"provider": provider})


def logged_receipt(envelope: Envelope, provider: ProviderFacts, proof: bytes) -> LoggedReceipt:
    """Return what a contract is shown of a receipt by the provider that it names, and of its proof file.

    Raises:
        MalformedError: it isn't a proof, or the receipt lacks its signature.
    """
    from datatokens.receipts import LoggedReceipt
    from provider.receipts.note import parse_checkpoint, parse_note
    from provider.receipts.proof import parse_proof

    parsed = parse_proof(proof)
    signature = _signature(envelope, provider.keyids)
    return LoggedReceipt(
        provider=provider.address,
        pae_digest=hashlib.sha256(envelope.pae).digest(),
        index=parsed.index,
        size=parse_checkpoint(parse_note(parsed.note).text).size,
        proof=parsed.hashes,
        r=signature[:32],
        s=signature[32:64],
        v=signature[64],
    )


def _signature(envelope: Envelope, keyids: tuple[str, ...]) -> bytes:
    """Return the one by the account that the statement names: 65 bytes r‖s‖v."""
    from provider.receipts.errors import MalformedError
    from provider.receipts.signatures import RECOVERABLE_BYTES

    accounts = [keyid for keyid in keyids if keyid.startswith(ACCOUNT_KEYID)]
    signature = envelope.find_signature(accounts[0]) if accounts else None
    if signature is None or len(signature) != RECOVERABLE_BYTES:
        raise MalformedError("receipt", "has no secp256k1 signature by the account that it names")
    return signature


def _document(receipt: LoggedReceipt) -> dict[str, Any]:
    return {
        "provider": receipt.provider,
        "paeDigest": "0x" + receipt.pae_digest.hex(),
        "index": receipt.index,
        "size": receipt.size,
        "proof": ["0x" + item.hex() for item in receipt.proof],
        "r": "0x" + receipt.r.hex(),
        "s": "0x" + receipt.s.hex(),
        "v": receipt.v,
    }
