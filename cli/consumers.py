"""Who may order a dataset: sets the allow-list, shows it, and finds the proof that a consumer is on it.

The provider keeps the accounts, the chain their Merkle root; what the provider says counts only where it leads to that
root. Each consumer gets its own proof, and nobody but the owner the list.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import ApiError, InputError, MismatchError, RefusedError
from cli.home import read_file
from cli.people import resolve_address
from datatokens.allowlist import build_root, is_proof
from policies.documents import validate_document
from provider.wire import MAX_CONSUMERS, ConsumersView, DatasetAllowBody, MembershipView

if TYPE_CHECKING:
    from cli.context import Session
    from datatokens.model import Asset, TxResult

MAX_LIST_BYTES = 1024 * 1024
_COMMENT = re.compile(r"#.*")


def read_consumers(session: Session, names: Sequence[str], file: Path | None) -> list[str]:
    """Return the accounts that were named, and those of a file: one to a line, `#` begins a comment.

    Raises:
        AccountUnknownError, InputError: one is neither an address nor a key name, or its checksum is wrong; or there are
            none, or too many.
    """
    lines: list[str] = []
    if file is not None:
        text = read_file(file, what="allow-list", max_bytes=MAX_LIST_BYTES).decode(errors="replace")
        lines = [_COMMENT.sub("", line).strip() for line in text.splitlines()]
    accounts = [resolve_address(session.home, who) for who in [*names, *filter(None, lines)]]
    found = list(dict.fromkeys(accounts))
    if not 0 < len(found) <= MAX_CONSUMERS:
        raise InputError(
            f"an allow-list has 1 to {MAX_CONSUMERS} accounts, got {len(found)}",
            code="allow-list-invalid",
            remedy="name addresses or --file FILE; --anyone lets anyone order",
        )
    return found


def allow_only(session: Session, asset: Asset, accounts: Sequence[str]) -> TxResult | None:
    """Let these accounts alone order: hand the list to the provider, then set its root; None when it stands already.

    Raises:
        MismatchError: the provider computes another root.
    """
    root = bytes.fromhex(keep_list(session, asset, accounts))
    if asset.consumers_root == root:
        return None
    return session.get_chain().set_consumers(asset.token_id, root, sender=session.get_account())


def keep_list(session: Session, asset: Asset, accounts: Sequence[str]) -> str:
    """Hand a list to the provider, who keeps it by its root, which is returned; nothing changes on chain.

    Raises:
        MismatchError: the provider computes another root.
    """
    value = {"asset_id": asset.asset_id, "consumers": list(accounts)}
    body = validate_document(value, DatasetAllowBody, document="allow-list")
    kept, root = session.get_api().act("dataset.allow", body, ConsumersView), build_root(accounts).hex()
    if kept.root != root:
        raise MismatchError(f"allow-list: its root is {root}, the provider says {kept.root}")
    return root


def allow_anyone(session: Session, asset: Asset) -> TxResult | None:
    """Let anyone order; None when that is so already."""
    if asset.consumers_root is None:
        return None
    return session.get_chain().set_consumers(asset.token_id, None, sender=session.get_account())


def list_consumers(session: Session, asset: Asset) -> list[str] | None:
    """Return the accounts that may order, as the provider keeps them and the chain bears out; None for anyone.

    Raises:
        MismatchError: the accounts don't have the root that stands on chain.
    """
    if asset.consumers_root is None:
        return None
    path = f"/v1/datasets/{asset.asset_id}/consumers"
    view = session.get_api().get_model(path, ConsumersView, login=True)
    if build_root(view.consumers) != asset.consumers_root:
        raise MismatchError(
            f"allow-list of dataset {asset.asset_id}: the provider's has another root than the chain's",
            remedy="set it anew with `sealroom dataset allow`",
        )
    return view.consumers


def find_proof(session: Session, asset: Asset) -> tuple[bytes, ...]:
    """Return the proof that the caller may order; empty where anyone may.

    Raises:
        RefusedError: the caller isn't on the list.
        MismatchError: the provider's proof doesn't lead to the root that stands on chain.
    """
    if asset.consumers_root is None:
        return ()
    path = f"/v1/datasets/{asset.asset_id}/membership"
    try:
        view = session.get_api().get_model(path, MembershipView, login=True)
    except ApiError as exc:
        if exc.status != HTTPStatus.FORBIDDEN or exc.code != "not-listed":
            raise
        raise RefusedError(str(exc), code=exc.code, remedy=exc.remedy) from exc
    proof = tuple(bytes.fromhex(item) for item in view.proof)
    if not is_proof(asset.consumers_root, proof, session.get_address()):
        raise MismatchError(
            f"allow-list of dataset {asset.asset_id}: the provider's proof doesn't lead to the root on chain",
            remedy="ask the owner to set the list anew with `sealroom dataset allow`",
        )
    return proof
