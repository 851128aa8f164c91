"""Numbers the transactions of one account: one line for each account and node in this process.

Other processes may use the account too. They are not locked out, and need not be on this machine: whoever finds its
number taken takes the next, see `datatokens.sending`.
"""

from __future__ import annotations

from threading import Lock


class Line:
    """The transactions of one account that wait to be mined; hold `lock` from taking a number until it is sent."""

    def __init__(self) -> None:
        self.lock = Lock()
        self._guard = Lock()
        self._waiting: set[int] = set()

    def next(self, pending: int) -> int:
        """Return the number to use, given the node's count with its pending ones, which may lag behind ours."""
        with self._guard:
            nonce = pending
            while nonce in self._waiting:
                nonce += 1
            return nonce

    def enter(self, nonce: int) -> None:
        """Say that a transaction of this number was sent, and that somebody sees to it that it is mined."""
        with self._guard:
            self._waiting.add(nonce)

    def leave(self, nonce: int) -> None:
        """Say that nobody waits for this number any more."""
        with self._guard:
            self._waiting.discard(nonce)


_lines: dict[tuple[str, str], Line] = {}
_lines_guard = Lock()


def line_of(rpc_url: str, account: str) -> Line:
    """Return the line that every client of one node shares for an account."""
    with _lines_guard:
        return _lines.setdefault((rpc_url, account.lower()), Line())
