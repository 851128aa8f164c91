"""Puts a receipt's countersignatures into words and JSON: who, as what, what was said, and whether it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cli.output import plain
from cli.times import format_time

if TYPE_CHECKING:
    from provider.receipts.countersigners import Countersigned


def countersigned_document(item: Countersigned) -> dict[str, Any]:
    """Return one countersignature as JSON; what it says is null when it can't be read."""
    mark = item.mark
    words = mark.words if mark else None
    return {
        "keyid": item.keyid,
        "account": mark.account if mark else None,
        "role": words.role if words else None,
        "statement": words.statement if words else None,
        "time": words.time if words else None,
        "standing": item.standing.value,
        "detail": item.detail,
    }


def countersigned_words(item: Countersigned) -> str:
    """Return one countersignature in one line; what an invalid one says is not repeated."""
    head = f"countersignature {item.standing.value}"
    if item.mark is None or item.standing.value == "invalid":
        return plain(f"{head}: {item.keyid}: {item.detail}")
    words = item.mark.words
    said = f"{words.statement!r}, {format_time(words.time)}"
    return plain(f"{head}: {words.role} {item.mark.account}: {said} ({item.detail})")
