"""What travels when somebody who thinks of sending a job asks how the provider stands; see `provider.outlookdesk`."""

from __future__ import annotations

from provider.wire import Digest, WireModel


class ImageView(WireModel):
    """GET /v1/images/{digest}; `present` is null while no worker has told."""

    image: Digest
    present: bool | None


class QueueView(WireModel):
    """GET /v1/queue: jobs that are paid and wait for a runner, and those that have one."""

    queued: int
    running: int
