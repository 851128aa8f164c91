"""How fast a provider's whole log is audited, and in how much memory: by the same code as `sealroom audit run`, on one core and on two."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.figures import Row, at_least, at_most, seconds_of
from bench.many_receipts import MadeReceipt, anchor_log, make_receipts
from cli.auditing import Material, run_audit
from cli.mirrored import receipts_name, tile_name
from provider.receipts.keys import SigningKeys
from provider.receipts.log import entry_bytes
from provider.receipts.tiles import TILE_WIDTH, Tile, format_entries, list_tiles
from provider.receipts.tree import root_of
from provider.receipts.trust import TrustRoot, parse_trust
from tests.receipt_samples import CHAIN_ID

COUNT = 20_000
ANCHOR_EVERY = 50
MIN_PER_S = 2_000
MAX_PEAK_MB = 200
TRUST_FILE = "trust.json"


def rows(count: int = COUNT) -> list[Row]:
    """Measure audits of `count` receipts, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        make_log(Path(folder), count)
        one, two = (_measure(Path(folder), processes) for processes in (1, 2))
    speed, both = count / one["seconds"], count / two["seconds"]
    return [
        at_least("audit_per_s", speed, "1/s", MIN_PER_S, f"{count} receipts on one core"),
        at_least("audit_two_per_s", both, "1/s", 1.5 * speed, "in two processes"),
        at_most("audit_peak_mb", one["peak_mb"], "MB", MAX_PEAK_MB, "resident, of the whole process"),
    ]


def make_log(folder: Path, count: int) -> None:
    """Write a mirror folder of a log of `count` valid receipts, and the trust root that has it anchored."""
    keys = SigningKeys.generate(CHAIN_ID)
    leaves: list[bytes] = []
    for number, bundle in enumerate(_bundles(make_receipts(keys, count))):
        tile = Tile(None, number, len(bundle))
        _write(folder / tile_name(tile), format_entries([entry_bytes(made.envelope.pae) for made in bundle]))
        _write(folder / receipts_name(tile), b"".join(made.envelope.to_json() + b"\n" for made in bundle))
        leaves += [made.leaf for made in bundle]
    log = anchor_log(keys, leaves, sorted({*range(ANCHOR_EVERY, count, ANCHOR_EVERY), count}))
    for tile in list_tiles(0, count):
        if tile.level is not None:
            _write(folder / tile_name(tile), _hashes(leaves, tile))
    _write(folder / "checkpoint", log.notes[-1].encode())
    _write(folder / TRUST_FILE, log.trust.to_json())


def main() -> None:
    """Audit the folder named once, and print seconds and peak memory: what `rows` starts."""
    folder, processes = Path(sys.argv[1]), int(sys.argv[2])
    trust: TrustRoot = parse_trust((folder / TRUST_FILE).read_bytes())
    with tempfile.TemporaryDirectory() as kept:
        material = Material(folder, trust, Path(kept) / "state.sqlite", processes)
        seconds = seconds_of(lambda: _audit(material))
    print(json.dumps({"seconds": seconds, "peak_mb": _peak_mb()}))


def _peak_mb() -> float:
    """Return the most that this program had resident; what getrusage says counts the program that started it, too."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def _audit(material: Material) -> None:
    report = run_audit(material)
    if not report.is_clean:
        raise SystemExit(f"the log is honest, and the audit says {report.verdict}")


def _measure(folder: Path, processes: int) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.receipts_audit", str(folder), str(processes)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _bundles(receipts: Iterator[MadeReceipt]) -> Iterator[list[MadeReceipt]]:
    bundle: list[MadeReceipt] = []
    for made in receipts:
        bundle.append(made)
        if len(bundle) == TILE_WIDTH:
            yield bundle
            bundle = []
    if bundle:
        yield bundle


def _hashes(leaves: list[bytes], tile: Tile) -> bytes:
    span = TILE_WIDTH ** (tile.level or 0)
    first = tile.index * TILE_WIDTH
    return b"".join(
        root_of(leaves[place * span : (place + 1) * span]) for place in range(first, first + tile.width)
    )


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


if __name__ == "__main__":
    main()
