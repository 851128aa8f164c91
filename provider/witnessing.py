"""Takes cosignatures of the log's checkpoints, hands them out under checkpoints and proofs, and says whether they suffice.

Taken is only what a witness that some policy here, or the operator, names has signed over a checkpoint of this log that is
anchored. Which cosignatures a job needs stands in its receipt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from policies.witnesses import WitnessKey, parse_witness_key
from provider.auth import Access, Guard
from provider.errors import BadSignatureError, ConflictError, DeniedError, LogIncompleteError, NotFoundError
from provider.receipts.cosignature import find_cosignatures, merge_cosignatures
from provider.receipts.envelope import parse_receipt
from provider.receipts.errors import MalformedError, VerificationError
from provider.receipts.facts import WitnessFacts
from provider.receipts.note import parse_checkpoint, parse_note
from provider.receipts.proof import format_proof, parse_proof
from provider.receipts.statement import Statement, parse_statement
from provider.receipts.tiles import TileReader, prove_inclusion
from provider.settings import Settings
from provider.store import Database
from provider.store.records import CheckpointRecord, LogEntryRecord
from provider.wire import CosignaturesView, CosignedCheckpoint


class WitnessDesk:
    """What witnesses bring, and what of it goes with a receipt."""

    def __init__(self, database: Database, tiles: TileReader, load_settings: Callable[[], Settings]) -> None:
        self._store = database.witnesses
        self._ledger = database.ledger
        self._load_settings = load_settings
        self._tiles = tiles

    def take(self, guard: Guard, body: CosignedCheckpoint) -> CosignaturesView:
        """Keep the cosignatures under a checkpoint; the same ones again, or later ones of the same witness, change nothing.

        Raises:
            MalformedError: it is not a checkpoint.
            NotFoundError, ConflictError: this log has no such checkpoint anchored.
            DeniedError: nobody named here has cosigned it.
            BadSignatureError: a cosignature is none.
        """
        guard.check(Access.CHECKPOINT_COSIGN)
        checkpoint = self._get_published(body.note)
        try:
            found = find_cosignatures(body.note, self._named())
        except VerificationError as exc:
            raise BadSignatureError(exc.detail) from exc
        if not found:
            raise DeniedError(
                "no policy here names a witness that has cosigned this",
                code="witness-unknown",
                remedy="the data's owner names witnesses in the policy, the operator in settings.yaml",
            )
        known = self._store.cosignatures(checkpoint.size)
        lines = {key.to_text(): line.to_line() for key, line in found.items()}
        new = {key: line for key, line in lines.items() if key not in known}
        self._store.add_cosignatures(checkpoint.size, new)
        return CosignaturesView(size=checkpoint.size, witnesses=sorted(known.keys() | new.keys()))

    def note_of(self, checkpoint: CheckpointRecord, demands: Sequence[WitnessFacts] = ()) -> str:
        """Return a checkpoint with the cosignatures known, those demanded before others."""
        lines, wanted = self._store.cosignatures(checkpoint.size), _keys_of(demands)
        return merge_cosignatures(
            checkpoint.note, [lines[key] for key in sorted(lines, key=lambda key: key not in wanted)]
        )

    def find_proof(self, entry: LogEntryRecord) -> str | None:
        """Return the proof of a receipt, under the first checkpoint with enough cosignatures; None while it has none.

        Until there is such a checkpoint, it is the first that was anchored, with the cosignatures so far.
        """
        if entry.proof is None or entry.checkpoint_size is None:
            return None
        demands = statement_of(entry).witnesses
        own = self._ledger.get_checkpoint(entry.checkpoint_size)
        chosen = self._find_witnessed(own, demands) or own
        hashes = parse_proof(entry.proof.encode()).hashes
        if chosen.size != own.size:
            hashes = self._prove(entry.index, chosen.size)
        return format_proof(entry.index, hashes, self.note_of(chosen, demands))

    def is_witnessed(self, entry: LogEntryRecord) -> bool:
        """Tell whether as many witnesses have cosigned a checkpoint over this receipt as its policies demand."""
        demands = statement_of(entry).witnesses
        if not demands:
            return True
        if entry.checkpoint_size is None:
            return False
        return self._find_witnessed(self._ledger.get_checkpoint(entry.checkpoint_size), demands) is not None

    def check_witnessed(self, entry: LogEntryRecord) -> None:
        """Let nothing leave before enough witnesses have cosigned.

        Raises:
            ConflictError: too few have.
        """
        if not self.is_witnessed(entry):
            raise ConflictError(
                "fewer witnesses have cosigned the log than the policy demands, and nothing leaves before",
                code="not-witnessed",
                remedy="wait until they have, or ask them to run `sealroom witness cosign`",
            )

    def _find_witnessed(
        self, own: CheckpointRecord, demands: Sequence[WitnessFacts]
    ) -> CheckpointRecord | None:
        """Return the first checkpoint from a receipt's own on that meets the demands.

        It has to be signed by the same key: a receipt's keys are judged at the anchor of the checkpoint in its proof.
        """
        cosigned = self._store.cosigned_by(_keys_of(demands), since=own.size)
        for size, keys in cosigned.items():
            if all(len(keys.intersection(demand.keys)) >= demand.threshold for demand in demands):
                checkpoint = self._ledger.get_checkpoint(size)
                return checkpoint if _log_key(checkpoint) == _log_key(own) else None
        return None

    def _prove(self, index: int, size: int) -> tuple[bytes, ...]:
        try:
            return tuple(prove_inclusion(self._tiles, index, size))
        except MalformedError as exc:
            raise LogIncompleteError(remedy="try again in a while") from exc

    def _get_published(self, note: str) -> CheckpointRecord:
        text = parse_note(note).text
        size = parse_checkpoint(text).size
        known = self._ledger.find_checkpoint_of(size)
        if known is None or known.tx_hash is None:
            raise NotFoundError(
                f"this log has no anchored checkpoint of size {size}", code="checkpoint-unknown"
            )
        if parse_note(known.note).text != text:
            raise ConflictError(f"this log's checkpoint of size {size} is another", code="checkpoint-differs")
        return known

    def _named(self) -> list[WitnessKey]:
        named = {*self._store.list_witnesses(), *self._load_settings().witnesses}
        return [parse_witness_key(key) for key in sorted(named)]


def statement_of(entry: LogEntryRecord) -> Statement:
    """Return what a receipt of this log says."""
    return parse_statement(parse_receipt(entry.envelope + b"\n")[0].payload)


def _keys_of(demands: Sequence[WitnessFacts]) -> frozenset[str]:
    return frozenset(key for demand in demands for key in demand.keys)


def _log_key(checkpoint: CheckpointRecord) -> bytes:
    return parse_note(checkpoint.note).signatures[0].keyid
