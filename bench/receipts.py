"""`make bench-receipts`: what it takes to verify a receipt, to audit a log and to keep one. Prints a table, writes it as JSON."""

from __future__ import annotations

from bench.parts import RESULTS, run_parts

PARTS = ("bench.receipts_verify", "bench.receipts_log", "bench.receipts_audit")

if __name__ == "__main__":
    run_parts("bench-receipts", "Measure receipts.", PARTS, RESULTS / "receipts.json")
