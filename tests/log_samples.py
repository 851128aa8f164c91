"""Logs for tests: envelopes in order, their tiles by the definition, and the folder that a mirror makes of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from cli.mirrored import receipts_name, tile_name
from provider.receipts.envelope import PAYLOAD_TYPE, Envelope, EnvelopeSignature
from provider.receipts.keys import SigningKeys
from provider.receipts.log import entry_bytes
from provider.receipts.note import Checkpoint, sign_checkpoint
from provider.receipts.tiles import Tile, format_entries, list_tiles
from provider.receipts.tree import leaf_hash, root_of
from tests.receipt_samples import CHAIN_ID, ORIGIN

KEYS = SigningKeys.generate(CHAIN_ID)


@dataclass(frozen=True, slots=True)
class PlainTiles:
    """Tiles made from the leaves, by the definition."""

    leaves: list[bytes]

    def read_tile(self, tile: Tile) -> bytes:
        span = 1 << (8 * (tile.level or 0))
        starts = range(tile.index * 256 * span, (tile.index * 256 + tile.width) * span, span)
        return b"".join(root_of(self.leaves[start : start + span]) for start in starts)


@dataclass(frozen=True, slots=True)
class SampleLog:
    """A log of envelopes; what they hold is nobody's statement."""

    envelopes: list[Envelope]

    @property
    def digests(self) -> list[bytes]:
        return [hashlib.sha256(envelope.pae).digest() for envelope in self.envelopes]

    @property
    def leaves(self) -> list[bytes]:
        return [leaf_hash(entry_bytes(envelope.pae)) for envelope in self.envelopes]

    def checkpoint(self, size: int, keys: SigningKeys = KEYS) -> str:
        return sign_checkpoint(Checkpoint(ORIGIN, size, root_of(self.leaves[:size])), keys)

    def lay_out(self, folder: Path, size: int) -> None:
        """Write the folder that a mirror at that size is."""
        tiles = PlainTiles(self.leaves)
        for tile in list_tiles(0, size):
            part = self.envelopes[tile.index * 256 : tile.index * 256 + tile.width]
            if tile.level is not None:
                write(folder / tile_name(tile), tiles.read_tile(tile))
            else:
                write(folder / tile_name(tile), format_entries([entry_bytes(item.pae) for item in part]))
                write(folder / receipts_name(tile), b"".join(item.to_json() + b"\n" for item in part))
        write(folder / "checkpoint", self.checkpoint(size).encode())


def make_log(size: int, *, seed: str = "statement", padding: int = 0) -> SampleLog:
    """Return a log of that many envelopes, small ones without padding; another seed gives another log."""
    signature = EnvelopeSignature("p256:0", b"a signature")
    payloads = (f'{{"{seed}":{number}}}{" " * padding}'.encode() for number in range(size))
    return SampleLog([Envelope(payload, PAYLOAD_TYPE, (signature,)) for payload in payloads])


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
