"""What one line of the interface says, and what its handler gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from provider.auth import Guard
from provider.services import Services
from provider.wire import WireModel

JSON = "application/json"
NEVER = "no-store"
BRIEFLY = "public, max-age=3"
FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Call:
    """One request, parsed: its guard, path parameters, body (None when there is none) and time."""

    services: Services
    guard: Guard
    path: Mapping[str, str]
    body: Any
    now: int


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One line of the interface; `path` parameters are written `{name}`, `cache` is who may keep the answer for how long."""

    method: str
    path: str
    summary: str
    handler: Callable[[Call], WireModel | bytes | str]
    body: type[WireModel] | None = None
    answer: type[WireModel] | None = None
    media: str = JSON
    status: int = 200
    login: bool = False
    cache: str = NEVER
