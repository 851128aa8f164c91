"""A log as anybody reads it, over C2SP tlog-tiles: plain GETs below one address, each answer bounded in bytes and in time.

Follows no redirect and asks for nothing compressed. What is answered is believed by nobody here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import Self

import httpx

from cli.descriptions import parse_endpoint
from cli.errors import InputError, UnreachableError
from cli.mirrored import CHECKPOINT, receipts_name, tile_name
from cli.transport import is_loopback
from provider.receipts.envelope import MAX_ENVELOPE_BYTES
from provider.receipts.errors import MalformedError
from provider.receipts.note import MAX_NOTE_BYTES
from provider.receipts.tiles import TILE_WIDTH, Tile, parse_entries
from provider.receipts.tree import HASH_BYTES

PREFIX = "/v1/log"
"""Where a provider has its log, below its own address."""
CHECKPOINTS = "checkpoints"
REMEDY = "see whether the provider runs; the same command goes on where it was"
SILENCE_S = 30.0
ANSWER_S = 600.0
MAX_ENTRIES_BYTES = 64 * 1024
MAX_RECEIPTS_BYTES = TILE_WIDTH * (MAX_ENVELOPE_BYTES + 1)


class NoSuchFileError(UnreachableError):
    """There is an answer, and it is that there is no such thing."""

    code = "log-file-missing"


class RemoteLog:
    """The log at one address; also a `TileReader`. May be used by several threads."""

    def __init__(self, url: str) -> None:
        """Open nothing yet.

        Raises:
            InputError: not a plain http(s) address.
        """
        address = parse_endpoint(url)
        if address is None:
            raise InputError(
                f"{url[:80]!r} is no address of a log",
                code="url-invalid",
                remedy="give http(s)://HOST:PORT, or an account: 0x and 40 hex digits",
            )
        self.url = address
        self._http = httpx.Client(
            timeout=SILENCE_S,
            trust_env=not is_loopback(address),
            headers={"Accept-Encoding": "identity"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def checkpoint(self) -> str:
        """Return the signed checkpoint, unverified.

        Raises:
            MalformedError: it is no text.
            UnreachableError: the log doesn't answer with one; so do all methods here fail.
        """
        return self._get_note(CHECKPOINT)

    def find_checkpoint_after(self, size: int) -> str | None:
        """Return the next signed checkpoint after one of `size`, unverified; None when there is none, as in any copy."""
        try:
            return self._get_note(f"{CHECKPOINTS}/{size}")
        except NoSuchFileError:
            return None

    def read_tile(self, tile: Tile) -> bytes:
        """Return the bytes of a tile of hashes, unverified."""
        return self._get(tile_name(tile), tile.width * HASH_BYTES)

    def entries(self, bundle: Tile) -> list[bytes]:
        """Return the entries of a bundle, unverified.

        Raises:
            MalformedError: they are not as many entries of receipts.
        """
        return parse_entries(self._get(tile_name(bundle), MAX_ENTRIES_BYTES), bundle.width)

    def receipts(self, bundle: Tile) -> Iterator[bytes]:
        """Yield the receipts of a bundle line by line, without the line's end, however many there are.

        Raises:
            MalformedError: a line is longer than an envelope may be, or has no end.
        """
        rest = bytearray()
        for chunk in self._stream(receipts_name(bundle), MAX_RECEIPTS_BYTES):
            rest += chunk
            if b"\n" in chunk:
                *lines, rest = rest.split(b"\n")
                yield from map(bytes, lines)
            if len(rest) > MAX_ENVELOPE_BYTES:
                break
        if rest:
            raise MalformedError(
                "receipts", f"expected lines of at most {MAX_ENVELOPE_BYTES} bytes, each with an end"
            )

    def _get_note(self, name: str) -> str:
        try:
            return self._get(name, MAX_NOTE_BYTES).decode()
        except UnicodeDecodeError as exc:
            raise MalformedError(CHECKPOINT, "is not UTF-8 text") from exc

    def _get(self, name: str, max_bytes: int) -> bytes:
        return b"".join(self._stream(name, max_bytes))

    def _stream(self, name: str, max_bytes: int) -> Iterator[bytes]:
        end = time.monotonic() + ANSWER_S
        try:
            with self._http.stream("GET", f"{self.url}/{name}") as response:
                if response.status_code == HTTPStatus.NOT_FOUND:
                    raise NoSuchFileError(f"the log at {self.url} has no {name}", remedy=REMEDY)
                if response.status_code != HTTPStatus.OK:
                    raise self._failure(f"answers with status {response.status_code} for {name}")
                for chunk in response.iter_raw():
                    max_bytes -= len(chunk)
                    if max_bytes < 0 or time.monotonic() > end:
                        raise self._failure(f"answers more than is read of {name}, or too slowly")
                    yield chunk
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as exc:
            raise self._failure(f"can't be reached: {type(exc).__name__}") from exc

    def _failure(self, problem: str) -> UnreachableError:
        return UnreachableError(f"the log at {self.url} {problem}", code="log-unreachable", remedy=REMEDY)
