"""A provider's database of an earlier version is taken over with all that it knows."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from provider.jobs.states import State
from provider.store import Database, open_database
from provider.store.records import OrderRecord
from provider.wire import JobRequest
from tests.log_samples import SampleLog, make_log
from tests.provider.test_wire import FIELDS

ASSET = FIELDS["datasets"][0]
ORDER = OrderRecord("0a" * 32, 7, "0x" + "33" * 20, "5", "0x" + "44" * 20, "0x" + "55" * 32, 2)
COLUMNS = {
    "consumer": ORDER.consumer,
    "asset_id": ASSET,
    "request": JobRequest(**FIELDS).model_dump_json(),
    "signature": "0x",
    "parameters": "{}",
    "submitted": 1,
    "state": "queued",
    "code": "order-accepted",
    "message": "",
    "attempt": 0,
}


def make_old(path: Path, revision: str) -> Database:
    """Return a database whose schema is that of `revision`."""
    database, config = open_database(path), Config()
    config.set_main_option("script_location", "provider:migrations")
    with database._writer.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    return database


def test_jobs_with_one_dataset_and_one_order_are_kept_when_jobs_may_have_several(tmp_path: Path) -> None:
    database = make_old(tmp_path / "old.db", "0003")
    order = json.dumps({name: getattr(ORDER, name) for name in OrderRecord.__dataclass_fields__})
    names = ", ".join([*COLUMNS, "job_id", '"order"'])
    marks = ", ".join("?" * (len(COLUMNS) + 2))
    with sqlite3.connect(tmp_path / "old.db") as raw:
        insert = f"INSERT INTO jobs ({names}) VALUES ({marks})"  # noqa: S608 - the columns above
        raw.execute(insert, (*COLUMNS.values(), "01" * 32, order))
        raw.execute(insert, (*COLUMNS.values(), "02" * 32, None))
    raw.close()
    database.migrate()
    paid, unpaid = database.jobs.list_by(assets=frozenset({ASSET}))
    assert (paid.state, paid.request.datasets, paid.orders) == (State.QUEUED, [ASSET], (ORDER,))
    assert (unpaid.job_id, unpaid.orders) == ("02" * 32, ())
    assert database.jobs.list_by(assets=frozenset({"ff" * 32})) == []
    database.close()


RECEIPTS = 520
ENTRY = 'INSERT INTO log_entries ("index", job_id, leaf_hash, envelope) VALUES (?, ?, ?, ?)'


def make_old_log(path: Path, log: SampleLog) -> Database:
    """Return a database with the log of a version that kept leaf hashes."""
    database = make_old(path, "0005")
    columns = {name: value for name, value in COLUMNS.items() if name != "asset_id"}
    names, marks = ", ".join([*columns, "job_id"]), ", ".join("?" * (len(columns) + 1))
    with sqlite3.connect(path) as raw:
        for index, (envelope, leaf) in enumerate(zip(log.envelopes, log.leaves, strict=True)):
            job_id = f"{index:064x}"
            raw.execute(f"INSERT INTO jobs ({names}) VALUES ({marks})", (*columns.values(), job_id))  # noqa: S608 - the columns above
            raw.execute(ENTRY, (index, job_id, leaf, envelope.to_json()))
    raw.close()
    return database


def test_receipts_whose_leaf_hash_was_kept_have_their_digest_after(tmp_path: Path) -> None:
    log = make_log(RECEIPTS)
    database = make_old_log(tmp_path / "old.db", log)
    database.migrate()
    assert database.ledger.digests(0, RECEIPTS) == log.digests
    entry = database.ledger.find_entry(f"{7:064x}")
    assert entry is not None
    assert (entry.index, entry.envelope) == (7, log.envelopes[7].to_json())
    database.close()


def test_a_receipt_that_does_not_have_its_leaf_hash_stops_the_migration_and_nothing_changes(
    tmp_path: Path,
) -> None:
    log = make_log(3)
    log.envelopes[1] = log.envelopes[0]
    database = make_old_log(tmp_path / "old.db", log)
    with sqlite3.connect(tmp_path / "old.db") as raw:
        raw.execute('UPDATE log_entries SET leaf_hash = ? WHERE "index" = 1', (b"\x00" * 32,))
        before = raw.execute("SELECT * FROM log_entries").fetchall()
    with pytest.raises(ValueError, match="receipt 1 is not the one in the log"):
        database.migrate()
    assert raw.execute("SELECT * FROM log_entries").fetchall() == before
    raw.close()
    database.close()
