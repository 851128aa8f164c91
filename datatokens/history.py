"""Reads the whole history of one event, keeping what is old enough never to change: the next look reads only what is new.

What is kept ends `OVERLAP_BLOCKS` before the newest block, and counts only while the chain still has the block that it
ends with; a deeper reorganisation, or another chain, is read anew from the start.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from hexbytes import HexBytes
from web3.contract import Contract

from datatokens.errors import NodeRefusedError
from datatokens.gateway import Gateway

OVERLAP_BLOCKS = 64
_BYTES = ("blockHash", "transactionHash", "data")
_NUMBERS = ("blockNumber", "logIndex", "transactionIndex")


@dataclass(frozen=True, slots=True)
class Page:
    """Every log of one query up to block `last`, whose hash is `block_hash`; `logs` as the node gave them."""

    last: int
    block_hash: bytes
    logs: tuple[Mapping[str, Any], ...]


class LogBook(Protocol):
    """Keeps pages by key; may forget, and may not invent."""

    def find(self, key: str) -> Page | None:
        """Return the page of a key; None when there is none that can be read."""

    def save(self, key: str, page: Page) -> None:
        """Keep a page in place of the one before."""


class FileLogBook:
    """One file for each page, below one folder; every write is whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, key: str) -> Page | None:
        """Return the page of a key; a damaged file is none."""
        try:
            value = json.loads(self._path(key).read_bytes())
            logs = tuple(_from_plain(log) for log in value["logs"])
            return Page(int(value["last"]), bytes.fromhex(value["block_hash"]), logs)
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None

    def save(self, key: str, page: Page) -> None:
        """Keep a page."""
        self._folder.mkdir(parents=True, exist_ok=True)
        value = {
            "last": page.last,
            "block_hash": page.block_hash.hex(),
            "logs": [_to_plain(log) for log in page.logs],
        }
        handle, temporary = tempfile.mkstemp(dir=self._folder, prefix=".page-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(value, file)
        Path(temporary).replace(self._path(key))

    def _path(self, key: str) -> Path:
        return self._folder / f"{sha256(key.encode()).hexdigest()[:32]}.json"


class History:
    """The events of one deployment, from its first block on."""

    def __init__(self, gateway: Gateway, first: int, book: LogBook | None) -> None:
        self._gateway = gateway
        self._first = first
        self._book = book

    def all(
        self,
        contract: Contract,
        event: str,
        filters: Mapping[str, object],
        *,
        last: int | None = None,
        anew: bool = False,
    ) -> list[Any]:
        """Return the decoded events up to block `last` (the newest, when None), oldest first; `anew` past what is kept."""
        head = self._gateway.block().number if last is None else last
        if self._book is None or last is not None:
            return self._decoded(contract, event, self._read(contract, event, filters, self._first, head))
        key = f"{contract.address} {event} {sorted((name, str(value)) for name, value in filters.items())}"
        page = None if anew else self._find_page(self._book, key, head)
        kept = [] if page is None else list(page.logs)
        start = self._first if page is None else page.last + 1
        fresh = self._read(contract, event, filters, start, head)
        settled = head - OVERLAP_BLOCKS
        if settled >= start + OVERLAP_BLOCKS:
            old = [log for log in fresh if log["blockNumber"] <= settled]
            self._book.save(key, Page(settled, self._gateway.block(settled).hash, (*kept, *old)))
        return self._decoded(contract, event, [*kept, *fresh])

    def newest(self, contract: Contract, event: str, filters: Mapping[str, object]) -> Any | None:  # noqa: ANN401 - web3's decoded log
        """Return the newest of these events: what is recent is found without reading what is old."""
        head = self._gateway.block().number
        for logs in self._gateway.logs_back(contract, event, filters=filters, first=self._first, last=head):
            if logs:
                return self._gateway.decode(contract, event, logs[-1])
        return None

    def _read(
        self, contract: Contract, event: str, filters: Mapping[str, object], first: int, last: int
    ) -> Sequence[Any]:
        return self._gateway.raw_logs(contract, event, filters=filters, first=first, last=last)

    def _decoded(self, contract: Contract, event: str, logs: Sequence[Any]) -> list[Any]:
        return [self._gateway.decode(contract, event, log) for log in logs]

    def _find_page(self, book: LogBook, key: str, head: int) -> Page | None:
        page = book.find(key)
        if page is None or page.last > head:
            return None
        try:
            there = self._gateway.block(page.last).hash
        except NodeRefusedError:  # it doesn't have the block
            return None
        return page if there == page.block_hash else None


def _to_plain(log: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {name: bytes(log[name]).hex() for name in _BYTES}
    plain |= {name: int(log[name]) for name in _NUMBERS}
    return plain | {"address": str(log["address"]), "topics": [bytes(topic).hex() for topic in log["topics"]]}


def _from_plain(plain: Mapping[str, Any]) -> dict[str, Any]:
    log: dict[str, Any] = {name: HexBytes(plain[name]) for name in _BYTES}
    log |= {name: int(plain[name]) for name in _NUMBERS}
    return log | {"address": plain["address"], "topics": [HexBytes(topic) for topic in plain["topics"]]}
