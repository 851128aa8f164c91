"""The log over HTTP: tiles, entries and receipts as C2SP tlog-tiles numbers them, up to the anchored checkpoint."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from provider.receipts.envelope import parse_receipt
from provider.receipts.log import entry_bytes
from provider.receipts.tiles import list_tiles, parse_entries
from provider.settings import ProviderPaths
from tests.log_house import LogHouse, open_log_house
from tests.log_samples import PlainTiles, SampleLog, make_log

SIZE = 530
IMMUTABLE = "public, max-age=31536000, immutable"


@pytest.fixture(scope="module")
def log() -> SampleLog:
    return make_log(SIZE + 1)


@pytest.fixture(scope="module")
def house(log: SampleLog, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LogHouse]:
    house = open_log_house(tmp_path_factory.mktemp("home"))
    house.grow(log, 17)
    house.grow(log, SIZE)
    yield house
    house.database.close()


@pytest.fixture
def client(house: LogHouse) -> FlaskClient:
    return house.app.test_client()


def test_the_checkpoint_is_text_that_is_cached_for_seconds(client: FlaskClient, log: SampleLog) -> None:
    answer = client.get("/v1/log/checkpoint")
    assert answer.text == log.checkpoint(SIZE)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Cache-Control"] == "public, max-age=3"


def test_every_tile_and_bundle_of_the_log_is_served_and_may_be_kept_for_ever(
    client: FlaskClient, log: SampleLog
) -> None:
    plain = PlainTiles(log.leaves)
    for tile in list_tiles(0, SIZE):
        answer = client.get(f"/v1/log/tile/{tile.path}")
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Cache-Control"] == IMMUTABLE
        if tile.level is not None:
            assert answer.data == plain.read_tile(tile)
            continue
        part = log.envelopes[tile.index * 256 : tile.index * 256 + tile.width]
        assert parse_entries(answer.data, tile.width) == [entry_bytes(item.pae) for item in part]
        answer = client.get(f"/v1/log/receipts/{tile.path.removeprefix('entries/')}")
        assert answer.headers["Content-Type"] == "application/jsonl"
        assert answer.headers["Cache-Control"] == IMMUTABLE
        assert parse_receipt(answer.data) == tuple(part)


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        ("tile/0/000.p/17", "tile/0/000"),
        ("tile/1/000.p/1", "tile/1/000.p/2"),
        ("tile/entries/002.p/3", "tile/entries/002.p/18"),
        ("receipts/001.p/255", "receipts/001"),
    ],
)
def test_a_narrower_tile_than_the_newest_is_served_too(client: FlaskClient, narrow: str, wide: str) -> None:
    answers = [client.get(f"/v1/log/{path}") for path in (narrow, wide)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[1].data.startswith(answers[0].data)
    assert len(answers[0].data) < len(answers[1].data)


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/002.p/19",
        "tile/0/002",
        "tile/0/003.p/1",
        "tile/1/000.p/3",
        "tile/2/000.p/1",
        "tile/entries/002.p/19",
        "receipts/002.p/19",
        "receipts/x001/000",
        "tile/0/000.p/256",
        "tile/0/0",
        "tile/7/000",
        "tile/entries",
        "tile/0/000/",
        "tile/..%2f..%2fcheckpoint",
        "receipts/entries/000",
        "receipts/..",
    ],
)
def test_what_is_beyond_the_anchored_log_or_no_tile_is_not_found_and_that_is_not_cached(
    client: FlaskClient, path: str
) -> None:
    answer = client.get(f"/v1/log/{path}")
    assert answer.status_code == 404
    assert answer.headers["Cache-Control"] == "no-store"


def test_before_the_first_anchor_nothing_of_the_log_is_served(tmp_path: Path) -> None:
    house = open_log_house(tmp_path)
    client = house.app.test_client()
    for path in ("checkpoint", "tile/0/000.p/1", "tile/entries/000.p/1", "receipts/000.p/1"):
        assert client.get(f"/v1/log/{path}").status_code == 404
    house.database.close()


def test_while_lost_files_are_made_anew_the_provider_says_so(house: LogHouse) -> None:
    client, folder = house.app.test_client(), ProviderPaths(house.home).log
    shutil.move(folder, folder.with_name("lost"))
    for path in ("tile/0/000", "tile/entries/000"):
        answer = client.get(f"/v1/log/{path}")
        assert (answer.status_code, (answer.json or {})["code"]) == (503, "log-incomplete")
    shutil.move(folder.with_name("lost"), folder)
    assert client.get("/v1/log/tile/0/000").status_code == 200
