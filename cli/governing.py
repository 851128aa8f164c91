"""Reads the policy and the schema that an owner hands over, and puts a policy in force."""

from __future__ import annotations

import re
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from cli.datasets import get_asset
from cli.errors import ApiError, InputError, MismatchError
from cli.home import read_file
from cli.ids import has_checksum
from policies.canonical import digest_of, parse_digest
from policies.documents import MAX_DOCUMENT_BYTES, validate_document
from policies.errors import PolicyError
from provider.wire import DatasetPolicyBody, PolicyKept

if TYPE_CHECKING:
    from cli.context import Session
    from datatokens.model import Asset, TxResult
    from policies.model import Policy

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{40}\b")


def read_policy(path: Path) -> str:
    """Return the text of a policy file that holds; its bytes are what the digest on chain is of.

    Raises:
        InputError: the file can't be read as text.
        PolicyError: it is not a policy, or asks for what can't be enforced.
    """
    from policies.model import parse_policy

    data = read_file(path, what="policy", max_bytes=MAX_DOCUMENT_BYTES)
    parse_policy(data)
    try:
        text = data.decode()
    except UnicodeDecodeError as exc:
        raise InputError("policy: is not UTF-8 text", code="policy-invalid") from exc
    _check_addresses(text)
    return text


def _check_addresses(text: str) -> None:
    """Check the checksums (EIP-55) of a policy's addresses: a slip in one names an account that nobody has.

    Raises:
        InputError: one is wrong, with its line.
    """
    for number, line in enumerate(text.splitlines(), start=1):
        for address in _ADDRESS.findall(line):
            if not has_checksum(address):
                raise InputError(
                    f"policy: line {number}: the checksum of {address} is wrong",
                    code="address-checksum",
                    remedy="copy the address anew, whole",
                )


def find_policy(session: Session, asset: Asset) -> Policy | None:
    """Return a dataset's policy, as the provider keeps it under the digest on chain.

    None when the provider doesn't know the dataset, or this software can't read the policy.

    Raises:
        MismatchError: the provider shows other bytes than the chain has the digest of.
    """
    from policies.model import parse_policy

    path = f"/v1/datasets/{asset.asset_id}/policy"
    try:
        data = session.get_api().get_bytes(path, max_bytes=MAX_DOCUMENT_BYTES)
    except ApiError as exc:
        if exc.status != HTTPStatus.NOT_FOUND:
            raise
        return None
    if parse_digest(digest_of(data)) != asset.terms.policy_digest:
        raise MismatchError(
            f"policy of dataset {asset.asset_id}: the provider shows another than the chain names"
        )
    try:
        return parse_policy(data)
    except PolicyError:
        return None


def read_table_schema(path: Path) -> str:
    """Return the text of a schema file that holds in itself; whether the data fits it is the provider's to say.

    Raises:
        InputError: the file can't be read.
        DocumentError: it is not a schema.
    """
    from policies.schema import parse_schema

    data = read_file(path, what="schema", max_bytes=MAX_DOCUMENT_BYTES)
    parse_schema(data)
    return data.decode()


def change_policy(session: Session, asset_id: str, policy: str) -> tuple[str, TxResult | None]:
    """Hand a policy in to the provider, then set its digest on chain; the transaction is None when it stands already.

    In this order: the chain never names a policy that the provider doesn't have.

    Raises:
        InputError: the registry has no such asset.
        MismatchError: the provider keeps other bytes.
    """
    asset, digest = get_asset(session, asset_id), digest_of(policy.encode())
    value = {"asset_id": asset_id, "policy": policy}
    body = validate_document(value, DatasetPolicyBody, document="policy")
    kept = session.get_api().act("dataset.policy", body, PolicyKept)
    if kept.policy_digest != digest:
        raise MismatchError(f"policy digest: the file has {digest}, the provider keeps {kept.policy_digest}")
    if asset.terms.policy_digest == parse_digest(digest):
        return digest, None
    account = session.get_account()
    return digest, session.get_chain().set_policy(asset.token_id, parse_digest(digest), sender=account)
