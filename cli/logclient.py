"""A log at its address: its checkpoint, its tiles, and where cosignatures go. Nothing is believed here; whoever reads verifies."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import httpx

from cli.errors import ApiError, UnreachableError
from cli.transport import HttpClient, read_model
from provider.receipts.errors import MalformedError
from provider.receipts.note import MAX_NOTE_BYTES
from provider.receipts.tiles import TILE_WIDTH, Tile
from provider.receipts.tree import HASH_BYTES
from provider.wire import CosignaturesView, CosignedCheckpoint, ProviderView

LOG = "/v1/log"
MAX_TILE_BYTES = TILE_WIDTH * HASH_BYTES


class LogClient:
    """One provider's log over HTTP; it also is a `TileReader`."""

    def __init__(self, url: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        self._http = HttpClient(self.url, transport=transport)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def get_account(self) -> str:
        """Return the account that the provider says it is."""
        return read_model(self._http.send("GET", "/v1/provider"), ProviderView).provider

    def get_checkpoint(self) -> str:
        """Return the newest checkpoint, unverified.

        Raises:
            MalformedError: it is no text.
        """
        data = self._http.send("GET", f"{LOG}/checkpoint", max_bytes=MAX_NOTE_BYTES)
        try:
            return data.decode()
        except UnicodeDecodeError as exc:
            raise MalformedError("checkpoint", "is not UTF-8 text") from exc

    def read_tile(self, tile: Tile) -> bytes:
        """Return the hashes of a tile, also out of the whole one where a mirror has no part of it.

        Raises:
            ApiError, UnreachableError: it can't be had.
        """
        if tile.width < TILE_WIDTH:
            with suppress(ApiError, UnreachableError):
                return self._get_tile(tile)
        return self._get_tile(replace(tile, width=TILE_WIDTH))[: tile.width * HASH_BYTES]

    def hand_in(self, note: str) -> CosignaturesView:
        """Give the provider a cosigned checkpoint, and return who has cosigned it.

        Raises:
            ApiError: it doesn't take it, for example because no policy names this witness.
        """
        content = CosignedCheckpoint(note=note).model_dump_json().encode()
        headers = {"Content-Type": "application/json"}
        answer = self._http.send("POST", f"{LOG}/cosignatures", headers=headers, content=content)
        return read_model(answer, CosignaturesView)

    def _get_tile(self, tile: Tile) -> bytes:
        return self._http.send("GET", f"{LOG}/tile/{tile.path}", max_bytes=MAX_TILE_BYTES)
