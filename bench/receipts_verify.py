"""Verifying one receipt: in a warm process, by the command, and beside securesystemslib.

- `verify_ms`: `verify_receipt` from the files' bytes to the verdict, with two artefact digests; every time another receipt of a
  log of 1,000; the trust root is read before. Median over rounds of the time for one.
- `verify_command_s`: `sealroom receipt verify` from its start to its end, artefacts included. Median.
- `ratio_to_securesystemslib`: the same envelopes on both sides, in turns, by the same P-256 key, from the line of JSON on. Ours:
  `parse_envelope` and the P-256 signature over the PAE. Theirs: `json.loads`, `Envelope.from_dict` and `verify` with threshold 1.
  Ours reads strictly besides: one form of base64, no key twice, limits. Ratio of medians, stated without a target.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from securesystemslib import dsse
from securesystemslib.signer._key import SSlibKey

from bench.figures import Row, at_most, seconds_of, take_turns
from bench.many_receipts import AnchoredLog, MadeReceipt, anchor_log, make_receipts
from provider.receipts.envelope import format_receipt, parse_envelope
from provider.receipts.keys import SigningKeys
from provider.receipts.signatures import is_p256_signature
from provider.receipts.verify import verify_receipt
from tests.receipt_samples import ARTEFACTS, CHAIN_ID, make_sample

VERIFY_TARGET_MS = 2.0
COMMAND_TARGET_S = 0.6
COMMAND_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured: receipts in the log, receipts in a round, rounds, and starts of the command."""

    log: int = 1000
    receipts: int = 200
    rounds: int = 9
    commands: int = 9


class UnexpectedVerdictError(Exception):
    """What was to be measured didn't verify."""


def rows() -> list[Row]:
    """Measure the rows that this module is about."""
    return measure(Scale())


def measure(scale: Scale) -> list[Row]:
    """Measure them on that scale."""
    keys = SigningKeys.generate(CHAIN_ID)
    made = list(make_receipts(keys, scale.log))
    log = anchor_log(keys, [item.leaf for item in made], [scale.log])
    return [
        _measure_verifying(made, log, scale),
        _measure_command(keys, scale),
        _measure_ratio(made, keys, scale),
    ]


def _measure_verifying(made: Sequence[MadeReceipt], log: AnchoredLog, scale: Scale) -> Row:
    released = [item for item in made if item.facts.egress.outcome == "released"][: scale.receipts]
    files = [(format_receipt(item.envelope), log.make_proof(item.facts.log.index)) for item in released]
    artifacts = make_sample().artifacts

    def verify_all() -> None:
        for receipt, proof in files:
            verify_receipt(receipt, proof, log.trust, artifacts)

    verify_all()
    seconds = [seconds_of(verify_all) / len(files) for _ in range(scale.rounds)]
    words = f"{min(seconds) * 1000:.2f} to {max(seconds) * 1000:.2f} ms, {len(files)} receipts a round"
    return at_most("verify_ms", statistics.median(seconds) * 1000, "ms", VERIFY_TARGET_MS, words)


def _measure_command(keys: SigningKeys, scale: Scale) -> Row:
    with tempfile.TemporaryDirectory(prefix="bench-receipts-") as name:
        command = _lay_out(Path(name), keys)
        _run(command)
        seconds = [seconds_of(lambda: _run(command)) for _ in range(scale.commands)]
    words = f"{min(seconds):.2f} to {max(seconds):.2f} s"
    return at_most("verify_command_s", statistics.median(seconds), "s", COMMAND_TARGET_S, words)


def _lay_out(folder: Path, keys: SigningKeys) -> list[str]:
    """Write a receipt with all that goes with it, and return the command that verifies it."""
    sample = make_sample(keys=keys)
    files = {
        "receipt.jsonl": sample.receipt,
        "receipt.tlog-proof": sample.proof,
        "trust.json": sample.trust.to_json(),
    }
    for name, data in (files | ARTEFACTS).items():
        (folder / name).write_bytes(data)
    artifacts = [word for name in ARTEFACTS for word in ("--artifact", str(folder / name))]
    command = [
        str(Path(sys.executable).parent / "sealroom"),
        "receipt",
        "verify",
        str(folder / "receipt.jsonl"),
    ]
    return [*command, *artifacts, "--trust", str(folder / "trust.json")]


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S)
    if done.returncode or "VERIFIED" not in done.stdout:
        raise UnexpectedVerdictError(f"{' '.join(command)}: {done.stdout}{done.stderr}")


def _measure_ratio(made: Sequence[MadeReceipt], keys: SigningKeys, scale: Scale) -> Row:
    lines = [item.envelope.to_json() for item in made[: scale.receipts]]
    keyid, point = keys.keyids[0], keys.public().p256
    outside = SSlibKey.from_crypto(keys.p256.public_key(), keyid=keyid)

    def ours(_number: int) -> float:
        return seconds_of(lambda: _verify_ours(lines, keyid, point))

    def theirs(_number: int) -> float:
        return seconds_of(lambda: _verify_theirs(lines, outside))

    ours(0)
    theirs(0)
    return take_turns(scale.rounds, ours, theirs).row("ratio_to_securesystemslib", None)


def _verify_ours(lines: Sequence[bytes], keyid: str, point: bytes) -> None:
    for line in lines:
        envelope = parse_envelope(line)
        if not is_p256_signature(point, envelope.find_signature(keyid) or b"", envelope.pae):
            raise UnexpectedVerdictError("an envelope is not signed")


def _verify_theirs(lines: Sequence[bytes], key: SSlibKey) -> None:
    for line in lines:
        dsse.Envelope.from_dict(json.loads(line)).verify([key], threshold=1)
