"""How long a client waits for a node and for the chain: values only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """Times in seconds.

    `request_s` is for one HTTP request, `repeat_s` for one request with all its repetitions, `stuck_s` until a
    transaction that isn't mined is sent again with a higher fee, `mined_s` until it is given up.
    """

    request_s: float = 10.0
    repeat_s: float = 20.0
    stuck_s: float = 45.0
    mined_s: float = 600.0
