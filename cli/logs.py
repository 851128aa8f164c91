"""Shows what an algorithm printed. Who may read it is the provider's to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.output import plain

if TYPE_CHECKING:
    from cli.context import Session

MAX_LOG_BYTES = 64 * 1024 * 1024
"""The most that a policy lets a provider keep."""


def show_log(session: Session, job_id: str) -> None:
    """Print the log of a job, line by line and safe on a terminal.

    Raises:
        ApiError: there is none, it is not for this account, or its order is not settled yet.
    """
    data = session.get_api().get_bytes(f"/v1/jobs/{job_id}/log", login=True, max_bytes=MAX_LOG_BYTES)
    text = data.decode(errors="replace")
    session.output.data(
        {"job_id": job_id, "log": text}, lambda: "\n".join(plain(line) for line in text.splitlines())
    )
