"""What a provider tells anybody who thinks of sending a job: whether its engine has an image, and how many jobs are before it.

Told as the worker saw it last, seconds ago. What the worker has never told is unknown, not absent. Which images there are is
told to nobody: one asks by digest.
"""

from __future__ import annotations

import json

from provider.auth import Access, Guard
from provider.errors import BadRequestError
from provider.jobs.states import State
from provider.jobs.telling import IMAGES_FACT
from provider.outlook import ImageView, QueueView
from provider.store import Database

DIGEST_PREFIX, DIGEST_CHARS = "sha256:", 71


class Outlook:
    """Answers before anything is signed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get_image(self, guard: Guard, digest: str) -> ImageView:
        """Say whether the engine has an image.

        Raises:
            BadRequestError: it is no digest.
        """
        guard.check(Access.PROVIDER_READ)
        if len(digest) != DIGEST_CHARS or not digest.startswith(DIGEST_PREFIX):
            raise BadRequestError("expected an image's digest, sha256:<64 hex digits>")
        fact = self._database.access.find_fact(IMAGES_FACT)
        present = digest in json.loads(fact[0]) if fact is not None else None
        return ImageView(image=digest, present=present)

    def get_queue(self, guard: Guard) -> QueueView:
        """Say how many jobs are before a new one."""
        guard.check(Access.PROVIDER_READ)
        jobs = self._database.jobs
        return QueueView(
            queued=jobs.count(State.QUEUED), running=jobs.count(State.RUNNING) + jobs.count(State.CHECKING)
        )
