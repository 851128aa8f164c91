"""Whom policies name as witnesses, and what these cosigned. Cosignatures are added, never changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from provider.store.part import StorePart
from provider.store.tables import CheckpointRow, CosignatureRow, WitnessRow


class WitnessStore(StorePart):
    """Keys of witnesses as text, and lines under checkpoints by their key."""

    def name_witnesses(self, keys: Iterable[str]) -> None:
        """Remember keys that a policy names; those known stay."""
        for key in keys:
            self._add_once(WitnessRow(key=key))

    def list_witnesses(self) -> list[str]:
        """Return every key that a policy names or has named."""
        with self._read() as session:
            return list(session.scalars(select(WitnessRow.key).order_by(WitnessRow.key)))

    def add_cosignatures(self, checkpoint_size: int, lines: Mapping[str, str]) -> None:
        """Keep the line of each key under a checkpoint; the first that came stays."""
        for key, line in lines.items():
            self._add_once(CosignatureRow(checkpoint_size=checkpoint_size, key=key, line=line))

    def cosignatures(self, checkpoint_size: int) -> dict[str, str]:
        """Return the lines under a checkpoint by their key."""
        query = select(CosignatureRow).where(CosignatureRow.checkpoint_size == checkpoint_size)
        with self._read() as session:
            return {row.key: row.line for row in session.scalars(query.order_by(CosignatureRow.key))}

    def cosigned_by(self, keys: Iterable[str], *, since: int) -> dict[int, set[str]]:
        """Return which of the keys cosigned which anchored checkpoint, for sizes from `since` on, the smallest first."""
        query = (
            select(CosignatureRow.checkpoint_size, CosignatureRow.key)
            .join(CheckpointRow, CheckpointRow.size == CosignatureRow.checkpoint_size)
            .where(CheckpointRow.size >= since, CheckpointRow.tx_hash.is_not(None))
            .where(CosignatureRow.key.in_(list(keys)))
            .order_by(CosignatureRow.checkpoint_size)
        )
        found: dict[int, set[str]] = {}
        with self._read() as session:
            for size, key in session.execute(query):
                found.setdefault(size, set()).add(key)
        return found

    def _add_once(self, row: WitnessRow | CosignatureRow) -> None:
        with suppress(IntegrityError), self._write() as session:  # it is there already
            session.add(row)
