"""Follows a job to its end: shows each step once, pays when it is time to, and outlasts a provider that is away for a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from cli.errors import ApiError, UnreachableError
from cli.output import is_terminal, plain
from cli.submitting import AWAITING_ORDER, get_job, order_job
from datatokens.errors import ChainUnreachableError
from provider.wire import JobView, StepView

if TYPE_CHECKING:
    from rich.live import Live

    from cli.context import Session

POLL_S = 0.5
AWAY_S = 60.0
DECISION_S = 15.0
RECEIVED = "received"
CHAIN_UNREACHABLE = "chain-unreachable"


@dataclass(slots=True)
class Progress:
    """Shows a job's timeline: redrawn on a terminal, one line a step elsewhere. Talk, so it goes to stderr."""

    say: Callable[[str], None]
    live: Live | None = None
    _shown: int = field(default=0)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the live view off the terminal, where somebody may be asked something."""
        if self.live is not None:
            self.live.stop()
        try:
            yield
        finally:
            if self.live is not None:
                self.live.start()

    def show(self, view: JobView) -> None:
        """Show the steps that are new."""
        if self.live is not None:
            self.live.update("\n".join([*map(_line, view.timeline), f"  next: {plain(view.next_step)}"]))
            return
        for step in view.timeline[self._shown :]:
            self.say(_line(step))
        self._shown = max(self._shown, len(view.timeline))


def _line(step: StepView) -> str:
    clock = time.strftime("%H:%M:%S", time.localtime(step.time))
    return f"  {clock}  {plain(step.state):<10}  {plain(step.message)}"


def decide_and_order(session: Session, job_id: str) -> JobView:
    """Wait for the policy's decision on a job just sent, and place its order if it is allowed."""
    deadline = time.monotonic() + DECISION_S
    view = get_job(session, job_id)
    while view.code == RECEIVED and time.monotonic() < deadline:
        time.sleep(POLL_S)
        view = get_job(session, job_id)
    if view.code == AWAITING_ORDER:
        order_job(session, job_id)
        view = get_job(session, job_id)
    return view


def watch_job(session: Session, job_id: str, *, timeout_s: float, pay: bool) -> JobView:
    """Follow a job until it has ended and its receipt is anchored; with `pay`, order it when it is allowed.

    Raises:
        UnreachableError: the provider or the chain stayed away for a minute, or time ran out.
    """
    deadline = time.monotonic() + timeout_s
    with _open_view() as live:
        progress, last_seen = Progress(session.output.say, live), time.monotonic()
        while time.monotonic() < deadline:
            view = _turn(session, job_id, progress, pay=pay)
            if view is not None:
                progress.show(view)
                last_seen = time.monotonic()
                if is_settled(view):
                    return view
            elif time.monotonic() - last_seen > AWAY_S:
                raise UnreachableError(
                    f"the provider or the chain has not answered for {AWAY_S:.0f} s; the job is not lost",
                    remedy=f"run `sealroom job resume {job_id}` when it is back",
                )
            time.sleep(POLL_S)
    raise UnreachableError(
        f"job {job_id} has not ended within {timeout_s:.0f} s; it goes on",
        code="still-going",
        remedy=f"run `sealroom job status {job_id}`",
    )


def is_settled(view: JobView) -> bool:
    """Tell whether nothing more will happen: the job has ended and its receipt stands on chain."""
    return view.terminal and view.anchor_tx is not None


def _turn(session: Session, job_id: str, progress: Progress, *, pay: bool) -> JobView | None:
    """Look once, and pay if it is time; None when the provider or the chain is away."""
    try:
        view = get_job(session, job_id)
        if pay and view.code == AWAITING_ORDER:
            with progress.aside():
                order_job(session, job_id)
        return view
    except (UnreachableError, ChainUnreachableError):
        return None
    except ApiError as exc:
        if exc.status != HTTPStatus.SERVICE_UNAVAILABLE:
            raise
        return None


def _open_view() -> AbstractContextManager[Live | None]:
    if not is_terminal():
        return nullcontext()
    from rich.console import Console
    from rich.live import Live

    return Live("", console=Console(stderr=True, markup=False, highlight=False), refresh_per_second=4)
