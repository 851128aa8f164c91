"""The log's files follow the database, and nothing is signed where the two or an earlier signature disagree."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from provider.jobs import logkeeping
from provider.jobs.logkeeping import LogDisagreesError, LogKeeper
from provider.logfiles import LogFiles, LogWriter
from provider.receipts.tiles import Tile
from provider.receipts.tree import inclusion_proof, root_of
from provider.store import Database, open_database
from provider.store.tables import LogEntryRow
from tests.log_house import publish, record
from tests.log_samples import SampleLog, make_log

SIZE = 300
LATER = 320
OTHER = b"\x5a" * 32


@pytest.fixture(scope="module")
def log() -> SampleLog:
    return make_log(LATER)


@pytest.fixture
def database(tmp_path: Path, log: SampleLog) -> Iterator[Database]:
    """A provider that has signed a checkpoint of some receipts, and has a few more."""
    database = open_database(tmp_path / "provider.db")
    database.migrate()
    record(database, log, LATER)
    publish(database, log, SIZE)
    yield database
    database.close()


@pytest.fixture
def keeper(database: Database, tmp_path: Path) -> LogKeeper:
    return LogKeeper(database.ledger, tmp_path / "log")


def change_receipt(database: Database, index: int) -> None:
    with database.ledger._write() as session:
        session.execute(update(LogEntryRow).where(LogEntryRow.index == index).values(digest=OTHER))


def append(folder: Path, digests: list[bytes]) -> None:
    with LogWriter(folder) as files:
        files.append(digests)


def test_files_follow_the_database_and_give_its_root_and_proofs(
    keeper: LogKeeper, log: SampleLog, tmp_path: Path
) -> None:
    assert keeper.update(LATER) == root_of(log.leaves)
    assert keeper.update(SIZE) == root_of(log.leaves[:SIZE])
    assert keeper.prove([0, 299, 319], LATER) == {
        index: inclusion_proof(log.leaves, index, LATER) for index in (0, 299, 319)
    }
    assert LogFiles(tmp_path / "log").read_tile(Tile(0, 1, 64)) == b"".join(log.leaves[256:])


def test_without_new_receipts_files_are_brought_to_what_was_signed(keeper: LogKeeper, tmp_path: Path) -> None:
    keeper.update()
    with LogWriter(tmp_path / "log") as files:
        assert files.size == SIZE


@pytest.mark.parametrize("kept", [0, 7, 256, 299, 310])
def test_files_that_are_lost_or_shorter_are_made_from_the_database_in_batches(
    keeper: LogKeeper, log: SampleLog, tmp_path: Path, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logkeeping, "AT_ONCE", 64)
    append(tmp_path / "log", log.digests[:kept])
    assert keeper.update(LATER) == root_of(log.leaves)


def test_files_longer_than_the_database_are_an_error_and_stay_as_they_are(
    keeper: LogKeeper, database: Database, tmp_path: Path
) -> None:
    keeper.update(LATER)
    with database.ledger._write() as session:
        session.execute(delete(LogEntryRow).where(LogEntryRow.index >= LATER - 5))
    with pytest.raises(LogDisagreesError, match="the files have 320 receipts, the database 315"):
        keeper.update(315)
    with LogWriter(tmp_path / "log") as files:
        assert files.size == LATER


def test_a_receipt_not_signed_yet_that_changed_in_the_database_is_an_error(
    keeper: LogKeeper, database: Database
) -> None:
    keeper.update(LATER)
    change_receipt(database, SIZE + 3)
    with pytest.raises(LogDisagreesError, match="from 300 on"):
        keeper.update(LATER)


@pytest.mark.parametrize("index", [0, SIZE - 1])
def test_a_signed_receipt_that_changed_in_the_files_is_an_error(
    keeper: LogKeeper, log: SampleLog, tmp_path: Path, index: int
) -> None:
    append(tmp_path / "log", [*log.digests[:index], OTHER, *log.digests[index + 1 : SIZE]])
    for _ in range(2):
        with pytest.raises(LogDisagreesError, match="they are not the 300 receipts whose root was signed"):
            keeper.update(LATER)


def test_a_signed_receipt_that_changed_in_the_database_is_an_error_when_the_files_are_lost(
    keeper: LogKeeper, database: Database, tmp_path: Path
) -> None:
    keeper.update(LATER)
    change_receipt(database, 5)
    shutil.rmtree(tmp_path / "log")
    with pytest.raises(LogDisagreesError, match="whose root was signed"):
        keeper.prove([5], SIZE)


def test_a_receipt_that_the_database_lacks_is_an_error(
    keeper: LogKeeper, database: Database, tmp_path: Path
) -> None:
    with database.ledger._write() as session:
        session.execute(delete(LogEntryRow).where(LogEntryRow.index == SIZE + 2))
    with pytest.raises(LogDisagreesError, match="lacks a receipt"):
        keeper.update(LATER)
    with LogWriter(tmp_path / "log") as files:
        assert files.size == 0
