"""How long, how much and how often a provider is asked, whatever it answers."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from cli.descriptions import DOCUMENTS_AT_ONCE, MAX_DOCUMENT, Flaw, Kind, Source, Wanted, ask_providers
from policies.canonical import sha256
from tests.web_servers import serve_app

PROVIDER = "0x" + "44" * 20
GREETING = {
    "chain_id": 1,
    "registry": "0x" + "11" * 20,
    "escrow": "0x" + "22" * 20,
    "providers": "0x" + "33" * 20,
    "provider": PROVIDER,
    "origin": "x",
    "runtimes": ["runc"],
    "software": "x",
}
NEVER = threading.Event()


@dataclass(slots=True)
class Clerk:
    """Greets as the provider, and answers for each document with its path; remembers who asked for what, and how."""

    reply: Callable[[str], Iterator[bytes]] = lambda path: iter([path.encode()])
    greeting: dict[str, Any] = field(default_factory=lambda: GREETING)
    asked: list[dict[str, Any]] = field(default_factory=list)
    inside: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
        self.asked.append(environ)
        start("200 OK", [])
        path = environ["PATH_INFO"]
        with self._count():
            yield from (
                iter([json.dumps(self.greeting).encode()]) if path == "/v1/provider" else self.reply(path)
            )

    @contextmanager
    def _count(self) -> Iterator[None]:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        yield
        with self.lock:
            self.inside -= 1


def wanted(number: int) -> Wanted:
    asset_id = f"{number:064x}"
    return Wanted(asset_id, Kind.METADATA, sha256(f"/v1/datasets/{asset_id}/metadata".encode()))


def test_what_has_the_digest_is_taken_and_nothing_of_ours_is_sent() -> None:
    clerk, documents = Clerk(), tuple(wanted(number) for number in range(3))
    with serve_app(clerk) as url:
        (answers,) = ask_providers([Source(PROVIDER, url, documents)])
    assert (answers.problem, answers.runtimes) == ("", frozenset({"runc"}))
    assert {one: sha256(data) for one, data in answers.documents.items() if isinstance(data, bytes)} == {
        one: one.digest for one in documents
    }
    for environ in clerk.asked:
        assert (environ["REQUEST_METHOD"], environ["QUERY_STRING"]) == ("GET", "")
        assert "HTTP_AUTHORIZATION" not in environ


def test_a_few_documents_are_asked_for_at_once_and_each_once() -> None:
    def slowly(path: str) -> Iterator[bytes]:
        NEVER.wait(0.02)
        yield path.encode()

    clerk = Clerk(slowly)
    with serve_app(clerk) as url:
        (answers,) = ask_providers([Source(PROVIDER, url, tuple(wanted(number) for number in range(20)))])
    assert len(answers.documents) == 20
    assert set(Counter(environ["PATH_INFO"] for environ in clerk.asked).values()) == {1}
    assert 1 < clerk.most <= DOCUMENTS_AT_ONCE


def test_a_provider_that_takes_its_time_over_each_keeps_what_it_gave_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cli.descriptions.PROVIDER_S", 2.0)

    def last_never(path: str) -> Iterator[bytes]:
        while path.endswith(f"{9:064x}/metadata") and not NEVER.wait(0.05):
            yield b" "
        yield path.encode()

    slow, quick = Clerk(last_never), Clerk()
    with serve_app(slow) as url, serve_app(quick) as other:
        sources = [
            Source(PROVIDER, url, tuple(wanted(n) for n in range(10))),
            Source(PROVIDER, other, (wanted(0),)),
        ]
        late, early = ask_providers(sources)
    assert late.problem == "did not answer everything in time"
    assert wanted(9) not in late.documents
    assert wanted(0) in late.documents
    assert (early.problem, len(early.documents)) == ("", 1)


def test_a_listing_ends_however_many_dawdle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.descriptions.LISTING_S", 0.3)
    monkeypatch.setattr("cli.descriptions.PROVIDERS_AT_ONCE", 1)

    def never(_path: str) -> Iterator[bytes]:
        while not NEVER.wait(0.05):
            yield b" "

    with serve_app(Clerk(never)) as url:
        found = ask_providers([Source(PROVIDER, url, (wanted(0),))] * 5)
    assert {answers.problem for answers in found} == {"did not answer everything in time"}


def test_a_document_that_is_too_large_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MAX_DOCUMENT, Kind.METADATA, 1000)
    sent: list[int] = []

    def endless(_path: str) -> Iterator[bytes]:
        while True:
            sent.append(1)
            yield b"x" * 65536

    with serve_app(Clerk(endless)) as url:
        (answers,) = ask_providers([Source(PROVIDER, url, (wanted(0),))])
    assert (answers.problem, answers.documents) == ("", {wanted(0): Flaw.UNREADABLE})
    assert len(sent) < 1000


def test_a_provider_that_answers_without_end_is_not_asked_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.descriptions.MAX_PROVIDER_BYTES", 500)
    clerk = Clerk()
    with serve_app(clerk) as url:
        (answers,) = ask_providers([Source(PROVIDER, url, tuple(wanted(number) for number in range(50)))])
    assert answers.problem == "answers more than is read of one provider"
    assert len(clerk.asked) < 20


def test_other_bytes_are_a_difference_and_another_status_a_refusal() -> None:
    other = Wanted("ab" * 32, Kind.POLICY, b"\x00" * 32)

    def refuse(environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
        if environ["PATH_INFO"] == "/v1/provider":
            yield from Clerk()(environ, start)
            return
        start("500 Oh", [])
        yield b""

    with serve_app(Clerk()) as url, serve_app(refuse) as shut:
        told, refused = ask_providers([Source(PROVIDER, url, (other,)), Source(PROVIDER, shut, (other,))])
    assert told.documents == {other: Flaw.DIFFERS}
    assert refused.documents == {other: Flaw.REFUSED}


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://127.0.0.1:0",
        "http://127.0.0.1:1",
        "http://[::1]:1",
        "http://no-such-host.invalid",
        "http://" + "a" * 70,
        "x",
    ],
)
def test_an_address_that_leads_nowhere_is_a_problem_and_no_error(endpoint: str) -> None:
    (answers,) = ask_providers([Source(PROVIDER, endpoint, (wanted(0),))])
    assert answers.problem.startswith("can't be reached")
