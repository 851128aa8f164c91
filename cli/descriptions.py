"""Asks providers for the public documents of their datasets: many at once, each for a short time and a bounded answer.

A provider's address stands on the chain because somebody wrote it there, and anything may answer at it. So it is asked by
plain GET, without login, following no redirect, and of what it says only bytes are used whose SHA-256 is the one on chain.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from http import HTTPStatus

import httpx
from pydantic import ValidationError

from cli.transport import is_loopback
from policies.canonical import sha256
from policies.documents import MAX_DOCUMENT_BYTES
from provider.description import MAX_BYTES
from provider.wire import ProviderView

PROVIDERS_AT_ONCE = 16
DOCUMENTS_AT_ONCE = 4
REQUEST_S = 5.0
PROVIDER_S = 20.0
LISTING_S = 60.0
MAX_ENDPOINT_CHARS = 500
MAX_GREETING_BYTES = 64 * 1024
MAX_PROVIDER_BYTES = 64 * 1024 * 1024
_ENDPOINT = re.compile(
    r"https?://(?:(?:[A-Za-z0-9-]{1,63}\.)*[A-Za-z0-9-]{1,63}|\[[0-9a-f:]{2,39}\])(?::([0-9]{1,5}))?(?:/[\w.~/-]*)?",
    re.ASCII,
)
_MAX_PORT = 65535


class Kind(StrEnum):
    """What a dataset has besides its data; the value is the end of the address that it is served at."""

    METADATA = "metadata"
    POLICY = "policy"


class Flaw(StrEnum):
    """Why a document can't be used."""

    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    DIFFERS = "differs"
    UNREADABLE = "unreadable"


MAX_DOCUMENT = {Kind.METADATA: MAX_BYTES, Kind.POLICY: MAX_DOCUMENT_BYTES}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A document of a dataset, and its 32-byte digest on chain."""

    asset_id: str
    kind: Kind
    digest: bytes


@dataclass(frozen=True, slots=True)
class Source:
    """A provider to ask: its account, where it answers (None: nobody knows), what is wanted of it."""

    provider: str
    endpoint: str | None
    wanted: tuple[Wanted, ...]


@dataclass(slots=True)
class Answers:
    """What a provider answered; `problem` is empty when it answered everything, with or without the document."""

    problem: str = ""
    runtimes: frozenset[str] = frozenset()
    documents: dict[Wanted, bytes | Flaw] = field(default_factory=dict)
    size_bytes: int = 0


class _SilentError(Exception):
    """A provider doesn't answer as one."""


def parse_endpoint(text: str) -> str | None:
    """Return where a provider says that it answers; None unless it is plainly http(s), a host, a port and a path."""
    found = _ENDPOINT.fullmatch(text) if len(text) <= MAX_ENDPOINT_CHARS else None
    return text.rstrip("/") if found and int(found[1] or 0) <= _MAX_PORT else None


def ask_providers(sources: Sequence[Source]) -> list[Answers]:
    """Return what each provider answers, in order; whoever doesn't answer costs a few seconds, and the others nothing."""
    return asyncio.run(_ask_all(sources))


async def _ask_all(sources: Sequence[Source]) -> list[Answers]:
    tls, end = httpx.create_ssl_context(), asyncio.get_running_loop().time() + LISTING_S
    found = [Answers() for _ in sources]
    asked = [partial(_ask, source, answers, tls, end) for source, answers in zip(sources, found, strict=True)]
    await _run_some_at_once(asked, PROVIDERS_AT_ONCE)
    return found


async def _ask(source: Source, answers: Answers, tls: ssl.SSLContext, end: float) -> None:
    if source.endpoint is None:
        answers.problem = "has no address on the chain at which it can be asked"
        return
    left = min(PROVIDER_S, end - asyncio.get_running_loop().time())
    client = httpx.AsyncClient(
        verify=tls,
        timeout=None,  # noqa: S113 - every request is within a time limit of ours, to its last byte
        trust_env=not is_loopback(source.endpoint),
        headers={"Accept-Encoding": "identity"},
    )
    try:
        async with asyncio.timeout(left), client:
            answers.runtimes = await _greet(client, source)
            fetched = [partial(_fetch, client, source, wanted, answers) for wanted in source.wanted]
            await _run_some_at_once(fetched, DOCUMENTS_AT_ONCE)
    except TimeoutError:
        answers.problem = "did not answer everything in time"
    except _SilentError as exc:
        answers.problem = str(exc)


async def _greet(client: httpx.AsyncClient, source: Source) -> frozenset[str]:
    """Return the runtimes that a provider says it has, once it has said that it is the one."""
    data = await _get(client, f"{source.endpoint}/v1/provider", MAX_GREETING_BYTES)
    try:
        view = ProviderView.model_validate_json(data or b"")
    except ValidationError as exc:
        raise _SilentError("what answers is not a provider") from exc
    if view.provider.lower() != source.provider.lower():
        raise _SilentError("what answers is another provider")
    return frozenset(view.runtimes)


async def _fetch(client: httpx.AsyncClient, source: Source, wanted: Wanted, answers: Answers) -> None:
    if answers.problem:
        return
    url = f"{source.endpoint}/v1/datasets/{wanted.asset_id}/{wanted.kind}"
    try:
        data = await _get(client, url, MAX_DOCUMENT[wanted.kind])
    except _SilentError as exc:
        answers.problem = str(exc)
        return
    answers.documents[wanted] = Flaw.REFUSED if data is None else _check(data, wanted)
    answers.size_bytes += len(data or b"")
    if answers.size_bytes > MAX_PROVIDER_BYTES:
        answers.problem = "answers more than is read of one provider"


def _check(data: bytes, wanted: Wanted) -> bytes | Flaw:
    if len(data) > MAX_DOCUMENT[wanted.kind]:
        return Flaw.UNREADABLE
    return data if sha256(data) == wanted.digest else Flaw.DIFFERS


async def _get(client: httpx.AsyncClient, url: str, max_bytes: int) -> bytes | None:
    """Return the body, cut off soon after `max_bytes`; None when the answer is a refusal, an error or a redirect."""
    try:
        async with asyncio.timeout(REQUEST_S), client.stream("GET", url) as response:
            return await _read(response, max_bytes) if response.status_code == HTTPStatus.OK else None
    except TimeoutError as exc:
        raise _SilentError(f"no answer within {REQUEST_S:g} s") from exc
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as exc:
        raise _SilentError(f"can't be reached: {type(exc).__name__}") from exc


async def _read(response: httpx.Response, max_bytes: int) -> bytes:
    data = bytearray()
    async for chunk in response.aiter_raw():
        data += chunk
        if len(data) > max_bytes:
            break
    return bytes(data)


async def _run_some_at_once(tasks: Sequence[Callable[[], Awaitable[None]]], most: int) -> None:
    places = asyncio.Semaphore(most)

    async def run(task: Callable[[], Awaitable[None]]) -> None:
        async with places:
            await task()

    await asyncio.gather(*(run(task) for task in tasks))
