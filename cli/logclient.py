"""A provider's log for a witness: what anybody reads of it, and where cosignatures go. Believes nothing; whoever reads verifies."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from cli.errors import UnreachableError
from cli.remotelog import PREFIX, RemoteLog
from cli.transport import HttpClient, read_model
from provider.receipts.tiles import TILE_WIDTH, Tile
from provider.receipts.tree import HASH_BYTES
from provider.wire import CosignaturesView, CosignedCheckpoint, ProviderView


class LogClient:
    """The log of the provider at one address; it also is a `TileReader`."""

    def __init__(self, url: str) -> None:
        """Open nothing yet.

        Raises:
            InputError: not a plain http(s) address.
        """
        self._log = RemoteLog(url.rstrip("/") + PREFIX)
        self._http = HttpClient(url.rstrip("/"))

    def close(self) -> None:
        """Close the connections."""
        self._log.close()
        self._http.close()

    def get_account(self) -> str:
        """Return the account that the provider says it is."""
        return read_model(self._http.send("GET", "/v1/provider"), ProviderView).provider

    def checkpoint(self) -> str:
        """Return the newest checkpoint, unverified; fails as `RemoteLog` does."""
        return self._log.checkpoint()

    def find_checkpoint_after(self, size: int) -> str | None:
        """Return the next checkpoint after one of `size`, unverified, if it is served; fails as `RemoteLog` does."""
        return self._log.find_checkpoint_after(size)

    def read_tile(self, tile: Tile) -> bytes:
        """Return the hashes of a tile, also out of the whole one where no part of it is kept; fails as `RemoteLog` does."""
        if tile.width < TILE_WIDTH:
            with suppress(UnreachableError):
                return self._log.read_tile(tile)
        return self._log.read_tile(replace(tile, width=TILE_WIDTH))[: tile.width * HASH_BYTES]

    def hand_in(self, note: str) -> CosignaturesView:
        """Give the provider a cosigned checkpoint, and return who has cosigned it.

        Raises:
            ApiError: it doesn't take it, for example because no policy names this witness.
            UnreachableError: it doesn't answer.
        """
        content = CosignedCheckpoint(note=note).model_dump_json().encode()
        headers = {"Content-Type": "application/json"}
        answer = self._http.send("POST", f"{PREFIX}/cosignatures", headers=headers, content=content)
        return read_model(answer, CosignaturesView)
