"""Login messages, read tokens, used actions, and the small facts that processes tell each other."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from provider.store.part import StorePart
from provider.store.tables import ChallengeRow, FactRow, TokenRow, UsedActionRow


class AccessStore(StorePart):
    """Everything about who is asking, and nothing about what they may see."""

    def add_challenge(self, message_digest: str, address: str, expires: int, *, now: int) -> None:
        """Remember a login message by its digest, and forget those that nobody signed in time."""
        with self._write() as session:
            session.execute(delete(ChallengeRow).where(ChallengeRow.expires < now))
            session.add(ChallengeRow(message_digest=message_digest, address=address, expires=expires))

    def take_challenge(self, message_digest: str, now: int) -> str | None:
        """Return the address a login message was made for and forget the message: it signs in once."""
        with self._write() as session:
            session.execute(delete(ChallengeRow).where(ChallengeRow.expires < now))
            row = session.get(ChallengeRow, message_digest)
            if row is None:
                return None
            session.delete(row)
            return row.address

    def add_token(self, token_digest: str, address: str, expires: int) -> None:
        """Remember a read token by its digest."""
        with self._write() as session:
            session.add(TokenRow(token_digest=token_digest, address=address, expires=expires))

    def find_token(self, token_digest: str, now: int) -> str | None:
        """Return the address of a token that is still good."""
        with self._read() as session:
            row = session.get(TokenRow, token_digest)
            return row.address if row is not None and row.expires > now else None

    def use_action(self, digest: str, *, expires: int, now: int) -> bool:
        """Mark a signed action as taken; False when it was taken before."""
        with self._write() as session:
            session.execute(delete(UsedActionRow).where(UsedActionRow.expires < now))
            session.execute(delete(TokenRow).where(TokenRow.expires < now))
        try:
            with self._write() as session:
                session.add(UsedActionRow(digest=digest, expires=expires))
        except IntegrityError:
            return False
        return True

    def set_fact(self, name: str, value: str, now: int) -> None:
        """Tell the other processes something."""
        with self._write() as session:
            session.merge(FactRow(name=name, value=value, time=now))

    def find_fact(self, name: str) -> tuple[str, int] | None:
        """Return what was last told under `name`, and when."""
        with self._read() as session:
            row = session.scalar(select(FactRow).where(FactRow.name == name))
            return (row.value, row.time) if row is not None else None
