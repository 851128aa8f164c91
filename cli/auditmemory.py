"""What an audit remembers of the runs before, and whether it still holds: the same log, the same anchors, the same keys.

A log that no longer begins with what was seen of it is found out here, as is one that showed somebody else another history.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from cli.auditstate import STATE_VERSION, AuditState
from cli.errors import InputError
from provider.audit.findings import Code, Finding
from provider.receipts.errors import EvidenceRefusedError, ReceiptError
from provider.receipts.note import parse_checkpoint, parse_note
from provider.receipts.proventiles import ProvenTiles
from provider.receipts.records import to_json
from provider.receipts.rules import verify_log_checkpoint
from provider.receipts.splitview import compare_checkpoints
from provider.receipts.tiles import prefix_root
from provider.receipts.trust import Anchor, TrustedKey, TrustRoot

if TYPE_CHECKING:
    from provider.receipts.tiles import TileReader


class Memory:
    """What one state says of the runs before, held against the trust root of this one."""

    def __init__(self, state: AuditState, trust: TrustRoot, *, with_chain: bool, is_asked: bool) -> None:
        """Remember; `is_asked` says that the provider itself shows the log now."""
        self._is_asked = is_asked
        self._state = state
        self._trust = trust
        self._terms = {
            "origin": trust.origin,
            "chain_id": trust.chain_id,
            "escrow": trust.escrow.lower(),
            "with_chain": with_chain,
        }

    @property
    def is_old(self) -> bool:
        """Whether a run before kept something."""
        return self._state.find_fact("kept") is not None

    def keep_terms(self) -> None:
        """Keep what this run is about."""
        self._state.set_fact("version", STATE_VERSION)
        self._state.set_fact("terms", self._terms)

    def keep(self, note: str, root: bytes) -> None:
        """Keep the log's signed checkpoint, the root over the entries that were judged, and by what they were."""
        size = self._state.get_position().size
        if size:
            judged_by = {"keys": self._keys(), "anchors": self._anchors_digest(size)}
            self._state.set_fact("kept", {"note": note, "root": root.hex()} | judged_by)

    def list_lasting(self, past: Sequence[Finding]) -> list[Finding]:
        """Return what no later audit may forget: that this log has shown another history."""
        terms = self._state.find_fact("terms")
        if terms is None or terms["origin"] != self._trust.origin:
            return []
        known = [*past, *self._state.list_findings()]
        return [f for f in known if f.index is None and f.code in (Code.SPLIT_VIEW, Code.HISTORY_REWRITTEN)]

    def look_back(self, note: str, size: int, tiles: TileReader) -> tuple[list[Finding], bool]:
        """Return what the log has become since the last run, and whether what was kept of that run can be built on."""
        terms, kept = self._state.find_fact("terms"), self._state.find_fact("kept")
        if terms not in (None, self._terms):
            return [_discarded("the last audit was of another log or deployment, or of other checks")], False
        if kept is None:
            return [], True
        judged = self._state.get_position().size
        found = self._find_other_log(kept, judged, note, size=size, tiles=tiles) or self._find_other_judges(
            kept, judged
        )
        return found, not found

    def _find_other_log(
        self, kept: dict[str, Any], judged: int, note: str, *, size: int, tiles: TileReader
    ) -> list[Finding]:
        """Return what shows that the log doesn't begin with what was seen of it."""
        if size < judged:
            text = f"the log showed {judged} entries before, and shows {size} now"
            return [Finding(Code.LOG_TRUNCATED, text, size, evidence={"seen": kept["note"]})]
        with suppress(ReceiptError):  # what isn't signed by the log's keys is no evidence for others
            found = self._compare(kept["note"], note, tiles)
            if found:
                return found
        try:
            proven = ProvenTiles(tiles, size, parse_checkpoint(parse_note(note).text).root)
            root = prefix_root(proven, judged, size).hex()
        except ReceiptError:  # who keeps the copy answers for its tiles; entries are judged by themselves
            return [_discarded("the copy's tiles are not those of its checkpoint")]
        if root == kept["root"]:
            return []
        text = f"the first {judged} entries are not those that were seen before"
        return [Finding(Code.HISTORY_REWRITTEN, text, evidence={"root then": kept["root"], "root now": root})]

    def _find_other_judges(self, kept: dict[str, Any], judged: int) -> list[Finding]:
        """Return what shows that entries would now be judged otherwise than they were."""
        if kept["anchors"] != self._anchors_digest(judged):
            return [_discarded("the chain has other anchors than at the last audit")]
        if not self._keys_hold(kept["keys"], judged):
            return [
                _discarded(
                    "other keys hold for what was audited: some were added, ended or revoked back into it"
                )
            ]
        return []

    def compare_seen(self, seen: Sequence[str], note: str, tiles: TileReader) -> list[Finding]:
        """Compare checkpoints that were shown before, or to others, with the one of this log.

        Raises:
            InputError: one isn't signed by a key of this log, and so shows nothing.
        """
        found: list[Finding] = []
        for other in seen:
            try:
                verify_log_checkpoint(other, self._trust)
            except ReceiptError as exc:
                raise InputError(f"a checkpoint given with --seen shows nothing: {exc}") from exc
            with suppress(
                EvidenceRefusedError
            ):  # this log's own isn't signed by its keys, as is found elsewhere
                found += self._compare(other, note, tiles)
        return found

    def _compare(self, other: str, note: str, tiles: TileReader) -> list[Finding]:
        keys = [key.ed25519 for key in self._trust.keys]
        seen, size = (parse_checkpoint(parse_note(item).text).size for item in (other, note))
        if seen > size:
            compare_checkpoints(other, other, self._trust.origin, keys, tiles)
            code = Code.LOG_TRUNCATED if self._is_asked else Code.COPY_BEHIND
            text = f"the log signed a checkpoint of {seen} entries, and {size} are shown"
            return [Finding(code, text, size, evidence={"seen": other})]
        evidence = compare_checkpoints(other, note, self._trust.origin, keys, tiles)
        if evidence is None:
            return []
        text = "the log signed two checkpoints that can't both be true: it shows more than one history"
        return [Finding(Code.SPLIT_VIEW, text, evidence={"split view": evidence.decode()})]

    def _anchors(self, size: int) -> list[Anchor]:
        return [anchor for anchor in self._trust.anchors if anchor.size <= size]

    def _anchors_digest(self, size: int) -> str:
        digest = sha256()
        for anchor in self._anchors(size):
            digest.update(anchor.size.to_bytes(8) + anchor.root + anchor.block_hash)
        return digest.hexdigest()

    def _keys(self) -> list[Any]:
        return [to_json(key) for key in self._trust.keys]

    def _keys_hold(self, kept: list[Any], size: int) -> bool:
        """Tell whether each key set that was known is judged at the anchors of then as it was, and none was left out."""
        known = {_name(to_json(key)): key for key in self._trust.keys}
        anchors = self._anchors(size)
        names = {_name(old) for old in kept}
        added = [key for name, key in known.items() if name not in names]
        if any(key.valid_from_block <= anchor.block for key in added for anchor in anchors[-1:]):
            return False
        return all(_is_judged_alike(known.get(_name(old)), old, anchors) for old in kept)


def _name(key: dict[str, Any]) -> tuple[object, ...]:
    """Return what of a published key set never changes."""
    return (key["p256"], key["signer"], key["ed25519"], key["validFrom"], key["validFromBlock"])


def _is_judged_alike(key: TrustedKey | None, old: dict[str, Any], anchors: list[Anchor]) -> bool:
    if key is None:
        return False
    if (key.valid_until, key.revoked_at) == (old["validUntil"], old["revokedAt"]):
        return True
    return key.valid_until is not None and all(anchor.time < key.valid_until for anchor in anchors)


def _discarded(why: str) -> Finding:
    return Finding(Code.STATE_DISCARDED, f"everything was audited anew: {why}")
