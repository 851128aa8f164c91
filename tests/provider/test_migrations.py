"""A provider's database of an earlier version is taken over with all that it knows."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config

from provider.jobs.states import State
from provider.store import Database, open_database
from provider.store.records import OrderRecord
from provider.wire import JobRequest
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
