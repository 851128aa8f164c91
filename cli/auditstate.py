"""What an audit remembers from one run to the next, in one SQLite file: how far it came, and what it met on the way.

A run writes in transactions that each end at an entry, so that a kill loses the newest few alone, and keeps others out until
it ends. What stands here is the auditor's own: whoever can write to it can hide findings.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from cli.errors import InputError
from policies.mechanisms import Mechanism
from provider.audit.auditor import Position
from provider.audit.entries import EntryFacts
from provider.audit.findings import Code, Finding
from provider.audit.orders import ReceiptedJob
from provider.audit.privacy import Ledger
from provider.audit.report import DayCount, Spending

STATE_FILE = "audit.sqlite"
STATE_VERSION = 2
MAX_LISTED = 100
"""How many findings of one code are listed; all are counted."""
DAY_S = 86_400
BUSY_S = 0.5
"""How long another audit that has the state is waited for: it keeps it until it ends."""
_MECHANISMS: TypeAdapter[tuple[Mechanism, ...]] = TypeAdapter(tuple[Mechanism, ...])
_PRAGMAS = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS jobs (job_id TEXT PRIMARY KEY, entry INTEGER NOT NULL, consumer TEXT NOT NULL,
    owed INTEGER NOT NULL, may_be_owed INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS used_orders (place TEXT PRIMARY KEY, entry INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledgers (asset_id TEXT PRIMARY KEY, spent TEXT NOT NULL, cap TEXT, delta TEXT NOT NULL,
    mechanisms TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS findings (id INTEGER PRIMARY KEY, code TEXT NOT NULL, entry INTEGER, job_id TEXT,
    text TEXT NOT NULL, evidence TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS days (day INTEGER NOT NULL, outcome TEXT NOT NULL, jobs INTEGER NOT NULL,
    PRIMARY KEY (day, outcome)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spending (asset_id TEXT NOT NULL, day INTEGER NOT NULL, spent TEXT NOT NULL, cap TEXT,
    PRIMARY KEY (asset_id, day)) WITHOUT ROWID;
"""


class AuditState:
    """One open state file; also the book of the auditor that fills it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.db = connection

    def close(self) -> None:
        """Close the file; what was not committed is not kept."""
        self.db.close()

    def begin(self) -> None:
        """Begin a transaction."""
        self.db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Keep what was written since `begin`."""
        self.db.commit()

    def rollback(self) -> None:
        """Forget what was written since `begin`."""
        self.db.rollback()

    def clear(self) -> None:
        """Forget everything."""
        for table in ("facts", "jobs", "used_orders", "ledgers", "findings", "days", "spending"):
            self.db.execute(f"DELETE FROM {table}")  # noqa: S608 - names of ours

    def find_fact(self, name: str) -> Any | None:  # noqa: ANN401 - any JSON value
        """Return what was kept under a name."""
        row = self.db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def set_fact(self, name: str, value: object) -> None:
        """Keep a JSON value under a name."""
        self.db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, json.dumps(value)))

    def get_position(self) -> Position:
        """Return how far the runs before came."""
        kept = self.find_fact("position")
        if kept is None:
            return Position()
        peaks = tuple(bytes.fromhex(peak) for peak in kept["peaks"])
        return Position(kept["size"], peaks, kept["decided"], kept["rewritten"])

    def set_position(self, position: Position) -> None:
        """Keep how far this run came."""
        peaks = [peak.hex() for peak in position.peaks]
        kept = {"size": position.size, "peaks": peaks, "decided": position.decided}
        self.set_fact("position", kept | {"rewritten": position.rewritten})

    # What the auditor's book has to do.

    def add_job(self, job_id: str, job: ReceiptedJob) -> int | None:
        """Keep a job's receipt; return the index of an earlier one."""
        row = (job_id, job.index, job.consumer, job.is_owed, job.may_be_owed)
        if self.db.execute("INSERT OR IGNORE INTO jobs VALUES (?, ?, ?, ?, ?)", row).rowcount:
            return None
        return int(self.db.execute("SELECT entry FROM jobs WHERE job_id = ?", (job_id,)).fetchone()[0])

    def add_order(self, place: str, index: int) -> int | None:
        """Keep which entry an order pays for; return the index of an earlier one."""
        if self.db.execute("INSERT OR IGNORE INTO used_orders VALUES (?, ?)", (place, index)).rowcount:
            return None
        return int(self.db.execute("SELECT entry FROM used_orders WHERE place = ?", (place,)).fetchone()[0])

    def find_ledger(self, asset_id: str) -> Ledger | None:
        """Return a dataset's privacy ledger."""
        query = "SELECT spent, cap, delta, mechanisms FROM ledgers WHERE asset_id = ?"
        row = self.db.execute(query, (asset_id,)).fetchone()
        if row is None:
            return None
        spent, cap, delta, mechanisms = row
        used = _MECHANISMS.validate_json(mechanisms)
        return Ledger(Decimal(spent), None if cap is None else Decimal(cap), delta, used)

    def set_ledger(self, asset_id: str, ledger: Ledger) -> None:
        """Keep a dataset's privacy ledger."""
        cap = None if ledger.cap is None else str(ledger.cap)
        used = _MECHANISMS.dump_json(ledger.mechanisms).decode()
        row = (asset_id, str(ledger.spent), cap, ledger.delta, used)
        self.db.execute("INSERT OR REPLACE INTO ledgers VALUES (?, ?, ?, ?, ?)", row)

    # What a report is made from.

    def find_job(self, job_id: str) -> ReceiptedJob | None:
        """Return where a job's receipt stands."""
        row = self.db.execute(
            "SELECT entry, consumer, owed, may_be_owed FROM jobs WHERE job_id = ?", (job_id,)
        ).fetchone()
        return None if row is None else ReceiptedJob(row[0], row[1], bool(row[2]), bool(row[3]))

    def has_consumer(self, consumer: str) -> bool:
        """Tell whether an account had a receipt of any job."""
        found = self.db.execute(
            "SELECT 1 FROM jobs WHERE consumer = ? COLLATE NOCASE LIMIT 1", (consumer,)
        ).fetchone()
        return found is not None

    def add_findings(self, findings: list[Finding]) -> None:
        """Keep findings."""
        rows = [(f.code.value, f.index, f.job_id, f.text, json.dumps(f.evidence)) for f in findings]
        self.db.executemany(
            "INSERT INTO findings (code, entry, job_id, text, evidence) VALUES (?, ?, ?, ?, ?)", rows
        )

    def count_findings(self) -> dict[Code, int]:
        """Return how many findings there are of each code."""
        rows = self.db.execute("SELECT code, COUNT(*) FROM findings GROUP BY code")
        return {Code(code): count for code, count in rows}

    def list_findings(self) -> list[Finding]:
        """Return the first `MAX_LISTED` findings of each code."""
        found = []
        for code in self.count_findings():
            rows = self.db.execute(
                "SELECT text, entry, job_id, evidence FROM findings WHERE code = ? ORDER BY entry, id LIMIT ?",
                (code.value, MAX_LISTED),
            )
            found += [Finding(code, text, entry, job, json.loads(said)) for text, entry, job, said in rows]
        return found

    def count_jobs(self, facts: EntryFacts) -> None:
        """Count a job under the day it ended on, and keep what its datasets' ledgers then stood at."""
        day, privacy = facts.ended // DAY_S, facts.privacy
        self.db.execute(
            "INSERT INTO days VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET jobs = jobs + 1",
            (day, facts.outcome),
        )
        if privacy.ledger_after is not None:
            rows = [(item.asset_id, day, privacy.ledger_after, privacy.ledger_cap) for item in facts.datasets]
            self.db.executemany("INSERT OR REPLACE INTO spending VALUES (?, ?, ?, ?)", rows)

    def list_days(self) -> tuple[DayCount, ...]:
        """Return how jobs ended, oldest day first."""
        rows = self.db.execute("SELECT day, outcome, jobs FROM days ORDER BY day, outcome")
        return tuple(DayCount(*row) for row in rows)

    def list_spending(self) -> tuple[Spending, ...]:
        """Return what each dataset's ledger stood at, by dataset and day."""
        rows = self.db.execute("SELECT asset_id, day, spent, cap FROM spending ORDER BY asset_id, day")
        return tuple(Spending(*row) for row in rows)


def open_state(path: Path) -> AuditState:
    """Open a state file, or make it; see `usable` for what can be wrong with it.

    Raises:
        InputError: it is of another version.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
    connection.executescript(f"{_PRAGMAS}{_TABLES}")
    state = AuditState(connection)
    if state.find_fact("version") not in {None, STATE_VERSION}:
        connection.close()
        raise InputError(
            f"the audit's state {path} is of another version",
            remedy="remove it, or name another with --state",
        )
    return state


@contextmanager
def usable(path: Path) -> Iterator[None]:
    """Tell in words what the database says of a state that can't be read or written, or that another audit has open.

    Raises:
        InputError: it is no state, or not ours now.
    """
    try:
        yield
    except sqlite3.Error as exc:
        raise InputError(
            f"the audit's state {path} can't be used: {exc}",
            remedy="wait for the other audit, or name another state with --state",
        ) from exc
