"""Witnesses at work: a real provider's application over a real log, honest or with two histories."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from cli.context import Session
from cli.errors import ExitCode, InputError, SplitViewError, UnprovenError
from cli.home import Home
from cli.logclient import LogClient
from cli.main import run
from cli.output import Output
from cli.witnessing import Cosigned, WitnessBook, cosign_again
from policies.witnesses import parse_witness_key
from provider.jobs.logkeeping import LogKeeper
from provider.receipts.cosignature import find_cosignatures
from provider.receipts.errors import ReceiptError
from provider.receipts.keys import SigningKeys
from provider.receipts.note import Checkpoint
from provider.receipts.proof import format_proof
from provider.receipts.splitview import verify_split_view
from provider.receipts.tiles import Tile
from provider.receipts.tree import inclusion_proof, root_of
from provider.receipts.trust import Anchor, TrustRoot
from provider.receipts.witnesskeys import create_witness_key
from provider.settings import ProviderPaths
from tests.log_house import LogHouse, open_log_house, record
from tests.log_samples import KEYS, PlainTiles, SampleLog, make_log
from tests.provider.receipts.test_receipt_mutation import flips
from tests.receipt_samples import ANCHOR_BLOCK, ANCHOR_TIME, CHAIN_ID, ESCROW, ORIGIN, PROVIDER, trusted_key
from tests.web_servers import Application, serve_app

FORK = 2
HONEST = make_log(12)
OTHER = SampleLog([*HONEST.envelopes[:FORK], *make_log(12, seed="other").envelopes[FORK:]])
TRUST = TrustRoot(1, CHAIN_ID, ESCROW, PROVIDER, ORIGIN, (trusted_key(KEYS),), ())
PUBLIC = (KEYS.public().ed25519,)
PASSWORD = "correct horse"
NAME = "ethics.example.org/w1"


@dataclass(slots=True)
class Watcher:
    """A witness at its home folder, and providers that come and go."""

    root: Path
    trust: Path
    capture: pytest.CaptureFixture[str]
    servers: ExitStack

    def run(self, *words: str) -> tuple[ExitCode, dict[str, Any]]:
        """Run a command and return its exit code and its document."""
        session = Session(
            environ={"SEALROOM_PASSWORD": PASSWORD},
            output=Output(),
            interactive=False,
            home_path=self.root / "home",
        )
        code = run(["witness", *words, "--json"], session)
        out, err = self.capture.readouterr()
        assert "Traceback" not in err
        return code, json.loads(out) if out else {}

    def cosign(self, url: str) -> tuple[ExitCode, dict[str, Any]]:
        return self.run("cosign", url, "--trust", str(self.trust))

    def compare(self, note: str | bytes, url: str) -> tuple[ExitCode, dict[str, Any]]:
        shown = self.root / "shown"
        shown.write_bytes(note.encode() if isinstance(note, str) else note)
        return self.run("compare", str(shown), url, "--trust", str(self.trust))

    def serve(self, application: Application) -> str:
        return self.servers.enter_context(serve_app(application))

    def seen(self) -> list[int]:
        _, document = self.run("show")
        return [log["size"] for log in document["logs"]]

    def evidence(self) -> list[Path]:
        return sorted((self.root / "home" / "witness" / "evidence").glob("*"))


@pytest.fixture
def watcher(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Watcher]:
    trust = tmp_path / "provider-keys.json"
    trust.write_bytes(TRUST.to_json())
    with ExitStack() as servers:
        home = Home(tmp_path / "home")
        create_witness_key(home.witness_key, NAME, PASSWORD, scrypt_log2_n=4)
        yield Watcher(tmp_path, trust, capsys, servers)


@dataclass(slots=True)
class Houses:
    """Real providers of one account, each with a history of its own."""

    root: Path
    empty: Path
    opened: list[LogHouse]

    def open(self, log: SampleLog, *sizes: int, witness: str | None = None) -> LogHouse:
        home = self.root / f"house-{len(self.opened)}"
        paths = ProviderPaths(home)
        paths.database.parent.mkdir(parents=True)
        shutil.copyfile(self.empty, paths.database)
        house = open_log_house(home)
        self.opened.append(house)
        for size in sizes:
            house.grow(log, size)
        if witness is not None:
            house.database.witnesses.name_witnesses([witness])
        return house


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the database of a provider that has nothing yet; making one takes longer than a test."""
    home = tmp_path_factory.mktemp("empty")
    open_log_house(home).database.close()
    return ProviderPaths(home).database


@pytest.fixture
def houses(tmp_path: Path, empty: Path) -> Iterator[Houses]:
    found = Houses(tmp_path, empty, [])
    yield found
    for house in found.opened:
        house.database.close()


def key_of(watcher: Watcher) -> str:
    return str(watcher.run("show")[1]["key"])


def test_a_witness_has_one_key_that_is_made_once_and_shown_without_a_password(watcher: Watcher) -> None:
    (watcher.root / "home" / "witness" / "key.json").unlink()
    code, made = watcher.run("init", NAME)
    key = parse_witness_key(key_of(watcher))
    assert (code, made) == (ExitCode.OK, {"name": NAME, "key": key.to_text()})
    assert key.name == NAME
    assert watcher.run("init", "another") == (
        ExitCode.USAGE,
        {
            "error": {
                "code": "signing-keys-exist",
                "message": "there is a key.json already: load it, or move it away first",
                "remedy": "",
            }
        },
    )
    assert parse_witness_key(key_of(watcher)) == key
    assert ((watcher.root / "home" / "witness" / "key.json").stat().st_mode & 0o777) == 0o600


@pytest.mark.parametrize("name", ["two words", "a+b", ""])
def test_a_name_that_no_note_could_carry_is_refused(tmp_path: Path, name: str) -> None:
    session = Session({"SEALROOM_PASSWORD": PASSWORD}, Output(), interactive=False, home_path=tmp_path)
    assert run(["witness", "init", name], session) is ExitCode.USAGE
    assert not (tmp_path / "witness").exists()


def test_a_log_that_grows_is_cosigned_again_and_again(watcher: Watcher, houses: Houses) -> None:
    house = houses.open(HONEST, 3, witness=key_of(watcher))
    url = watcher.serve(house.app)
    for size, grown in ((3, False), (3, False), (7, True), (12, True)):
        if grown:
            house.grow(HONEST, size)
        code, document = watcher.cosign(url)
        assert (code, document["size"], document["witnesses"]) == (ExitCode.OK, size, [key_of(watcher)])
        note = house.app.test_client().get("/v1/log/checkpoint").text
        assert list(find_cosignatures(note, [parse_witness_key(key_of(watcher))])) == [
            parse_witness_key(key_of(watcher))
        ]
        assert watcher.seen() == [size]
    assert watcher.evidence() == []


def test_witnesses_that_look_at_different_times_cosign_the_same_checkpoints(
    watcher: Watcher, houses: Houses
) -> None:
    house = houses.open(HONEST, 3, witness=key_of(watcher))
    url = watcher.serve(house.app)
    watcher.cosign(url)
    for size in (4, 7, 12):
        house.grow(HONEST, size)
    assert watcher.cosign(url)[1]["size"] == 12
    assert all(house.database.witnesses.cosignatures(size) for size in (3, 4, 7, 12))


def test_the_last_checkpoint_of_rotated_keys_is_cosigned_in_its_turn(
    watcher: Watcher, houses: Houses
) -> None:
    house = houses.open(HONEST, 3, witness=key_of(watcher))
    url, newer = watcher.serve(house.app), SigningKeys.generate(CHAIN_ID)
    watcher.cosign(url)
    house.grow(HONEST, 7)
    root_9 = root_of(HONEST.leaves[:9])
    record(house.database, HONEST, 9)
    LogKeeper(house.database.ledger, ProviderPaths(house.home).log).update(9)
    house.database.ledger.add_checkpoint(9, root_9, HONEST.checkpoint(9, newer))
    house.database.ledger.mark_anchored(9, tx_hash="0x" + "ef" * 32, block=2, proofs={})
    ended = trusted_key(KEYS, valid_until=ANCHOR_TIME + 5)
    begun = trusted_key(newer, valid_from=ANCHOR_TIME + 5)
    anchors = tuple(
        Anchor(size, root_of(HONEST.leaves[:size]), ANCHOR_BLOCK, b"b" * 32, at, "0x" + "ee" * 32)
        for size, at in ((3, ANCHOR_TIME), (7, ANCHOR_TIME + 4), (9, ANCHOR_TIME + 6))
    )
    watcher.trust.write_bytes(replace(TRUST, keys=(ended, begun), anchors=anchors).to_json())
    assert watcher.cosign(url)[1]["size"] == 9
    assert all(house.database.witnesses.cosignatures(size) for size in (3, 7, 9))


def test_without_a_key_the_remedy_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session = Session({"SEALROOM_PASSWORD": PASSWORD}, Output(), interactive=False, home_path=tmp_path)
    for words in (["show"], ["cosign", "http://127.0.0.1:1"]):
        assert run(["witness", *words], session) is ExitCode.USAGE
        assert "sealroom witness init" in capsys.readouterr().err


def test_what_was_seen_is_on_the_disk_before_a_cosignature_leaves(watcher: Watcher, houses: Houses) -> None:
    house = houses.open(HONEST, 5)
    file = watcher.root / "home" / "witness" / "logs" / f"{ORIGIN.replace('/', '-')}.checkpoint"
    found: list[str] = []

    def record(environ: dict[str, Any], start: Any) -> Any:
        if environ["REQUEST_METHOD"] == "POST":
            found.append(file.read_text())
        return house.app(environ, start)

    code, document = watcher.cosign(watcher.serve(record))
    assert (code, document["error"]["code"]) == (ExitCode.DENIED, "witness-unknown")
    assert found == [HONEST.checkpoint(5)]


# Two histories


@pytest.mark.parametrize(("first", "second"), [(5, 9), (5, 5), (4, 7), (9, 5)])
def test_a_provider_that_shows_another_history_is_found_out_and_a_third_party_is_convinced(
    watcher: Watcher, houses: Houses, first: int, second: int
) -> None:
    honest, other = houses.open(HONEST, first, witness=key_of(watcher)), houses.open(OTHER, second, 12)
    assert watcher.cosign(watcher.serve(honest.app))[0] is ExitCode.OK
    shown = watcher.serve(facing(other, OTHER.checkpoint(second)))
    code, document = watcher.cosign(shown)
    if second < first:  # the larger tree is the honest one: its tiles are needed to show it
        code, document = watcher.compare(OTHER.checkpoint(second), watcher.serve(honest.app))
    assert (code, document["error"]["code"]) == (ExitCode.VERIFICATION, "split-view")
    (evidence,) = watcher.evidence()
    assert str(evidence) in document["error"]["message"]
    assert watcher.seen() == [first]
    assert other.database.witnesses.cosignatures(second) == {}
    third_party = Session(environ={}, output=Output(), interactive=False, home_path=watcher.root / "nobody")
    command = ["witness", "check-evidence", str(evidence), "--trust", str(watcher.trust), "--json"]
    assert run(command, third_party) is ExitCode.OK
    told = json.loads(watcher.capture.readouterr().out)
    assert [item["size"] for item in told["checkpoints"]] == sorted((first, second))
    assert not (watcher.root / "nobody").exists()


def facing(house: LogHouse, note: str) -> Application:
    """Return the provider, who shows a checkpoint of its choice as the newest."""

    def application(environ: dict[str, Any], start: Any) -> Any:
        if not environ["PATH_INFO"].startswith("/v1/log/checkpoint"):
            return house.app(environ, start)
        newest = environ["PATH_INFO"] == "/v1/log/checkpoint"
        start("200 OK" if newest else "404 Not Found", [("Content-Type", "text/plain")])
        return [note.encode()]

    return application


def test_a_scientist_who_was_shown_another_history_finds_out_with_a_witness(
    watcher: Watcher, houses: Houses
) -> None:
    """The provider shows the witness one history and the scientist, in a receipt's proof, another."""
    honest, other = houses.open(HONEST, 9, witness=key_of(watcher)), houses.open(OTHER, 7)
    url = watcher.serve(honest.app)
    assert watcher.cosign(url)[0] is ExitCode.OK
    hashes = inclusion_proof(OTHER.leaves, 6, 7)
    note = other.app.test_client().get("/v1/log/checkpoint").text
    code, document = watcher.compare(format_proof(6, hashes, note), url)
    assert (code, document["error"]["code"]) == (ExitCode.VERIFICATION, "split-view")
    verify_split_view(watcher.evidence()[0].read_bytes(), ORIGIN, PUBLIC)
    code, document = watcher.compare(
        format_proof(6, inclusion_proof(HONEST.leaves, 6, 7), HONEST.checkpoint(7)), url
    )
    assert (code, document) == (
        ExitCode.OK,
        {"origin": ORIGIN, "consistent": True, "seen": 9, "shown": 7},
    )


def test_no_changed_byte_of_the_evidence_convinces_a_third_party(watcher: Watcher, houses: Houses) -> None:
    honest, other = houses.open(HONEST, 3, witness=key_of(watcher)), houses.open(OTHER, 6)
    watcher.cosign(watcher.serve(honest.app))
    watcher.cosign(watcher.serve(other.app))
    data = watcher.evidence()[0].read_bytes()
    for change in list(flips(data))[:: 9 * 7]:
        with pytest.raises(ReceiptError):
            verify_split_view(change, ORIGIN, PUBLIC)
    watcher.evidence()[0].write_bytes(data[:-1])
    code, document = watcher.run("check-evidence", str(watcher.evidence()[0]), "--trust", str(watcher.trust))
    assert (code, document["error"]["code"]) == (ExitCode.VERIFICATION, "malformed")


# What shows nothing


def without_tiles(note: str, house: LogHouse) -> Application:
    def application(environ: dict[str, Any], start: Any) -> Any:
        if "/tile/" in environ["PATH_INFO"]:
            start("404 Not Found", [("Content-Type", "text/plain")])
            return [b"no"]
        return facing(house, note)(environ, start)

    return application


@pytest.mark.parametrize(
    ("log", "size", "code"),
    [
        pytest.param(HONEST, 9, "consistency-unproven", id="it only grew"),
        pytest.param(OTHER, 9, "consistency-unproven", id="it has two histories"),
        pytest.param(HONEST, 4, "consistency-unproven", id="it became smaller"),
    ],
)
def test_a_provider_that_refuses_its_tiles_is_not_cosigned_and_not_accused(
    watcher: Watcher, houses: Houses, log: SampleLog, size: int, code: str
) -> None:
    house = houses.open(HONEST, 5, witness=key_of(watcher))
    watcher.cosign(watcher.serve(house.app))
    result, document = watcher.cosign(watcher.serve(without_tiles(log.checkpoint(size), house)))
    assert (result, document["error"]["code"]) == (ExitCode.VERIFICATION, code)
    assert (watcher.seen(), watcher.evidence()) == ([5], [])


def test_tiles_of_another_tree_show_nothing(watcher: Watcher, houses: Houses) -> None:
    house = houses.open(HONEST, 5, 12, witness=key_of(watcher))
    watcher.cosign(watcher.serve(facing(house, HONEST.checkpoint(5))))
    code, document = watcher.cosign(watcher.serve(facing(house, OTHER.checkpoint(9))))
    assert (code, document["error"]["code"]) == (ExitCode.VERIFICATION, "consistency-unproven")
    assert watcher.evidence() == []


def test_an_older_checkpoint_is_not_cosigned_after_a_newer_one(watcher: Watcher, houses: Houses) -> None:
    house = houses.open(HONEST, 4, 9, witness=key_of(watcher))
    watcher.cosign(watcher.serve(house.app))
    code, document = watcher.cosign(watcher.serve(facing(house, HONEST.checkpoint(4))))
    assert (code, document["error"]["code"]) == (ExitCode.VERIFICATION, "checkpoint-older")
    assert (watcher.seen(), house.database.witnesses.cosignatures(4)) == ([9], {})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param({"revoked_at": 5}, "key-not-valid-then", id="revoked"),
        pytest.param({"valid_until": 5}, "key-not-valid-then", id="ended"),
        pytest.param({"ed25519": b"k" * 32}, "unknown-key", id="another key"),
    ],
)
def test_a_key_that_is_not_in_force_signs_nothing_that_is_cosigned(
    watcher: Watcher, houses: Houses, change: dict[str, Any], code: str
) -> None:
    house = houses.open(HONEST, 5, witness=key_of(watcher))
    trust = replace(TRUST, keys=(replace(TRUST.keys[0], **change),))
    watcher.trust.write_bytes(trust.to_json())
    result, document = watcher.cosign(watcher.serve(house.app))
    assert (result, document["error"]["code"]) == (ExitCode.VERIFICATION, code)
    assert watcher.seen() == []


@pytest.mark.parametrize(
    "note", ["", "garbage", "\n\n\n", "x" * 300_000, "sealroom\n1\nAAAA\n\n— a AAAAAAAA\n"]
)
def test_what_is_no_checkpoint_is_never_cosigned(watcher: Watcher, houses: Houses, note: str) -> None:
    code, document = watcher.cosign(watcher.serve(facing(houses.open(HONEST, 5), note)))
    assert code in {ExitCode.VERIFICATION, ExitCode.UNREACHABLE}
    assert document["error"]["code"] in {"malformed", "unknown-key", "log-unreachable"}
    assert watcher.seen() == []


def test_a_damaged_memory_is_no_reason_to_sign(watcher: Watcher, houses: Houses) -> None:
    house = houses.open(HONEST, 5, witness=key_of(watcher))
    url = watcher.serve(house.app)
    watcher.cosign(url)
    file = next((watcher.root / "home" / "witness" / "logs").glob("*.checkpoint"))
    for damaged, code in ((file.read_bytes()[:-9], ExitCode.VERIFICATION), (b"\xff", ExitCode.USAGE)):
        file.write_bytes(damaged)
        assert watcher.cosign(url)[0] is code
        assert file.read_bytes() == damaged


def test_nothing_is_compared_before_something_was_seen(watcher: Watcher, houses: Houses) -> None:
    url = watcher.serve(houses.open(HONEST, 5).app)
    code, document = watcher.compare(HONEST.checkpoint(3), url)
    assert (code, document["error"]["code"]) == (ExitCode.USAGE, "nothing-seen")


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("cosign", "http://127.0.0.1:1"), id="no word on whom to trust"),
        pytest.param(("cosign", PROVIDER), id="no word on whom to trust, and an account"),
        pytest.param(("check-evidence", "no such file"), id="no file"),
        pytest.param(("cosign", "http://[", "--trust", "TRUST"), id="no address"),
        pytest.param(("cosign", "0x" + "11" * 20, "--trust", "TRUST"), id="another provider"),
        pytest.param(("cosign", PROVIDER, "--trust", "TRUST"), id="nobody says where it answers"),
        pytest.param(("cosign", "--trust", "TRUST"), id="no provider"),
        pytest.param(("cosign", "http://127.0.0.1:1", "--trust", "TRUST"), id="nobody answers"),
    ],
)
def test_what_is_missing_is_said_with_a_remedy(watcher: Watcher, words: tuple[str, ...]) -> None:
    code, document = watcher.run(*(str(watcher.trust) if word == "TRUST" else word for word in words))
    assert code in {ExitCode.USAGE, ExitCode.UNREACHABLE, ExitCode.VERIFICATION}
    assert document["error"]["message"]


def test_two_that_witness_with_one_home_folder_take_turns(tmp_path: Path) -> None:
    book = WitnessBook(Home(tmp_path), ORIGIN)
    with book.hold():
        (lock,) = (tmp_path / "witness" / "logs").glob("*.lock")
        with lock.open("a") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


# Going on


def test_a_witness_that_goes_on_says_what_passes_and_stops_at_two_histories() -> None:
    one, two = (Cosigned(Checkpoint(ORIGIN, size, b"r" * 32), ("w",)) for size in (1, 2))
    turns: list[Cosigned | Exception] = [
        one,
        one,
        UnprovenError("no tiles"),
        InputError("away"),
        two,
        SplitViewError(ORIGIN, (1, 2), "file"),
    ]
    said: list[str] = []
    rests: list[float] = []

    def look() -> Cosigned:
        turn = turns.pop(0)
        if isinstance(turn, Exception):
            raise turn
        return turn

    found: list[Cosigned] = []
    with pytest.raises(SplitViewError):
        found.extend(cosign_again(look, every_s=60, say=said.append, rest=rests.append))
    assert said == ["not cosigned: no tiles", "not cosigned: away"]
    assert rests == [60] * 5
    assert turns == []


def test_a_mirror_that_has_whole_tiles_only_is_read_too(watcher: Watcher) -> None:
    leaves = PlainTiles(HONEST.leaves * 22)

    def mirror(environ: dict[str, Any], start: Any) -> Any:
        whole = environ["PATH_INFO"] == "/v1/log/tile/0/000"
        start("200 OK" if whole else "404 Not Found", [("Content-Type", "application/octet-stream")])
        return [leaves.read_tile(Tile(0, 0, 256)) if whole else b""]

    client = LogClient(watcher.serve(mirror))
    assert client.read_tile(Tile(0, 0, 17)) == leaves.read_tile(Tile(0, 0, 17))
    client.close()
