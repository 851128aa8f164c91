"""What a dataset's privacy ledger counts already, as its provider tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cli.context import Session
    from provider.privacy.assessment import Counted


def find_counted(session: Session, asset_id: str) -> Counted | None:  # noqa: ARG001 - a provider that tells nothing yet
    """Return the mechanisms that count in a dataset's ledger; None where the provider doesn't tell."""
    return None
