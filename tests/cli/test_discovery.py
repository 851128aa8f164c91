"""Datasets are found on the chain and described by their providers, however many, silent or hostile these are."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import mlcroissant  # type: ignore[import-untyped]  # ships no types
import pytest

from cli.context import new_session
from cli.errors import ExitCode
from cli.home import Home
from cli.main import run
from cli.settings import ClientSettings, load_settings, save_settings
from datatokens.accounts import import_keystore
from datatokens.allowlist import build_root
from datatokens.client import ChainClient
from datatokens.ethkeys import LocalAccount
from datatokens.history import OVERLAP_BLOCKS
from datatokens.localchain import LocalChain, request
from policies.canonical import canonical_json, sha256
from provider.description import parse_description
from provider.receipts.keys import SigningKeys
from tests.chain_fixtures import COIN, PRICE, People, register_dataset
from tests.provider_fixtures import CSV, POLICY, Lab, open_lab
from tests.rpc_proxy import Call, refusal, serve_proxy
from tests.web_servers import Application, serve_app

GVISOR_POLICY = POLICY.replace("DUO:0000006", "DUO:0000042") + "runtime: gvisor\n"


@dataclass(slots=True)
class Town:
    """One chain with two providers, the clinic's pinned in the home folder, and the command that people type."""

    chain: ChainClient
    people: People
    clinic: Lab
    ward: Lab
    home: Path
    rpc_url: str
    capsys: pytest.CaptureFixture[str]
    streets: dict[str, ExitStack] = field(default_factory=dict)

    def open(self, lab: Lab) -> None:
        """Serve a provider, and say so on the chain."""
        self.serve(lab.client.application, self.account_of(lab))

    def serve(self, application: Application, account: LocalAccount) -> str:
        self.streets.pop(account.address, ExitStack()).close()
        stack = ExitStack()
        url = stack.enter_context(serve_app(application))
        self.streets[account.address] = stack
        self.publish(account, url)
        return url

    def publish(self, account: LocalAccount, endpoint: str) -> None:
        keys = SigningKeys.generate(self.chain.chain_id).public()
        self.chain.publish_keys(
            p256=keys.p256, signer=keys.signer, ed25519=keys.ed25519, endpoint=endpoint, sender=account
        )

    def settle(self, rpc_url: str) -> None:
        """Connect the home folder to a node, and to the clinic's provider where the chain says that it is."""
        clinic = self.people.provider.address
        url = self.chain.list_keys(clinic)[-1].endpoint
        save_settings(Home(self.home), ClientSettings(rpc_url=rpc_url, provider_url=url, provider=clinic))

    def close(self, lab: Lab) -> None:
        self.streets.pop(lab.services.identity.address).close()

    def account_of(self, lab: Lab) -> LocalAccount:
        return self.people.provider if lab is self.clinic else self.people.stranger

    def run(self, *words: str, expect: ExitCode = ExitCode.OK) -> Any:
        return json.loads(self.say(*words, "--json", expect=expect))

    def say(self, *words: str, expect: ExitCode = ExitCode.OK) -> str:
        session = new_session({"SEALROOM_PASSWORD": "correct horse"})
        code = run(["--home", str(self.home), "dataset", *words], session)
        out, err = self.capsys.readouterr()
        assert code is expect, out + err
        return out

    def search(self, *words: str) -> list[str]:
        return [found["asset_id"] for found in self.run("search", *words)["datasets"]]


@pytest.fixture
def town(
    chain: ChainClient,
    people: People,
    anvil: LocalChain,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Town]:
    clinic = open_lab(tmp_path / "clinic", chain, people, people.provider.address)
    ward = open_lab(tmp_path / "ward", chain, people, people.stranger.address)
    found = Town(chain, people, clinic, ward, tmp_path / "home", anvil.rpc_url, capsys)
    chain.deployment.save(found.home / "chain" / "deployment.json")
    import_keystore(
        found.home / "keys", "ada", "correct horse", bytes(people.scientist.key), kdf_iterations=2
    )
    found.open(found.clinic)
    found.settle(anvil.rpc_url)
    yield found
    for stack in found.streets.values():
        stack.close()


def test_datasets_of_every_provider_are_listed_by_their_names_and_shown(town: Town) -> None:
    town.open(town.ward)
    near, far = town.clinic.add_dataset(name="Near"), town.ward.add_dataset(name="Far")
    rows = town.run("list")["datasets"]
    assert [(row["asset_id"], row["name"], row["flaws"]) for row in rows] == [
        (near.asset_id, "Near", {}),
        (far.asset_id, "Far", {}),
    ]
    assert [row["price"] for row in rows] == ["5 tSEAL", "5 tSEAL"]
    assert town.run("list", "--provider", far.terms.provider)["datasets"] == rows[1:]
    shown = town.run("show", far.asset_id)
    assert shown.items() >= rows[1].items()
    assert shown["policy"] == POLICY
    assert (shown["may_order"], shown["size_bytes"], shown["files"]) == (True, len(CSV), 1)
    page = town.say("show", far.asset_id)
    assert "DUO:0000006  health, medical or biomedical research (enforced)" in page
    assert "outcome" in page


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated")  # the validator's own dependency
def test_what_is_shown_of_a_description_is_what_the_reference_reader_reads_in_it(town: Town) -> None:
    asset = town.clinic.add_dataset(name="Wards", description="Beds and outcomes.")
    document = town.run("show", asset.asset_id)["metadata"]
    assert sha256(canonical_json(document)) == asset.terms.metadata_digest
    theirs, ours = mlcroissant.Dataset(jsonld=document).metadata, parse_description(canonical_json(document))
    assert list(theirs.ctx.issues.errors) == []
    assert (ours.name, ours.description) == (theirs.name, theirs.description)
    assert ours.column_names == {one.name for table in theirs.record_sets for one in table.fields}
    assert [(file.name, file.content_size) for file in ours.files] == [
        (file.name, file.content_size) for file in theirs.distribution
    ]


def test_a_provider_that_does_not_answer_is_said_to_be_silent_and_the_others_are_listed(town: Town) -> None:
    town.open(town.ward)
    near, far = town.clinic.add_dataset(), town.ward.add_dataset()
    town.close(town.ward)
    document = town.run("list")
    assert [(row["asset_id"], row["name"], row["flaws"]) for row in document["datasets"]] == [
        (near.asset_id, "Wards", {}),
        (far.asset_id, None, {"metadata": "unreachable"}),
    ]
    answering, silent = document["providers"]
    assert (answering["answers"], silent["answers"]) == (True, False)
    assert (silent["provider"], silent["problem"]) == (far.terms.provider, "can't be reached: ConnectError")
    page = town.say("list")
    assert "description can't be reached" in page
    assert silent["endpoint"] in page
    found = town.run("search", "--purpose", "DUO:0000006")
    assert [row["asset_id"] for row in found["datasets"]] == [near.asset_id]
    assert [row["asset_id"] for row in found["unjudged"]] == [far.asset_id]
    assert far.asset_id in town.say("search", "--purpose", "DUO:0000006")
    shown = town.run("show", far.asset_id, expect=ExitCode.UNREACHABLE)
    assert (shown["price_wei"], shown["policy"], shown["may_order"]) == (str(PRICE), None, None)
    town.close(town.clinic)
    assert len(town.run("list", expect=ExitCode.UNREACHABLE)["datasets"]) == 2


def greeting(town: Town, lab: Lab) -> bytes:
    answer = town.clinic.client.get("/v1/provider").json or {}
    return json.dumps(answer | {"provider": lab.services.identity.address, "runtimes": ["runsc"]}).encode()


def answering(
    *replies: tuple[str, Callable[[], Any]], status: str = "200 OK", headers: Any = ()
) -> Application:
    """Return an application that sends the reply of the first ending that fits the path, else 404."""

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        found = [reply for ending, reply in replies if environ["PATH_INFO"].endswith(ending)]
        start(status if found else "404 Not Found", list(headers))
        return found[0]() if found else [b""]

    return application


def test_a_description_that_is_not_the_one_on_chain_is_shown_as_such_and_not_used(town: Town) -> None:
    asset = town.ward.add_dataset(name="Honest")
    forged = town.ward.client.get(f"/v1/datasets/{asset.asset_id}/metadata").data.replace(
        b"Honest", b"Forged"
    )
    hello = greeting(town, town.ward)
    replies = (("/provider", lambda: [hello]), ("/metadata", lambda: [forged]), ("/policy", lambda: [b"{}"]))
    town.serve(answering(*replies), town.people.stranger)
    (row,) = town.run("list")["datasets"]
    assert (row["name"], row["flaws"]) == (None, {"metadata": "differs"})
    assert "description differs from the chain" in town.say("list")
    shown = town.run("show", asset.asset_id, expect=ExitCode.VERIFICATION)
    assert (shown["name"], shown["policy"], shown["metadata"]) == (None, None, None)
    assert shown["flaws"] == {"metadata": "differs", "policy": "differs"}
    assert town.search("Forged") == town.search("Honest") == []


def endless() -> Iterator[bytes]:
    while True:
        yield b"x" * 65536


HOSTILE: dict[str, Any] = {
    "an answer without end": (answering(("", endless)), "not a provider"),
    "no json": (answering(("", lambda: [b"<html>"])), "not a provider"),
    "another json": (answering(("", lambda: [b'{"provider": "0x00"}'])), "not a provider"),
    "a refusal": (answering(), "not a provider"),
    "bytes that claim to be compressed": (
        answering(("", lambda: [b"x"]), headers=[("Content-Encoding", "gzip")]),
        "not a provider",
    ),
    "headers without end": (
        answering(("", lambda: [b""]), headers=[(f"X-{n}", "x" * 1000) for n in range(200)]),
        "can't be reached",
    ),
}


def test_whatever_answers_in_a_providers_place_harms_only_itself(town: Town) -> None:
    near, far = town.clinic.add_dataset(), town.ward.add_dataset()
    for name, (application, problem) in HOSTILE.items():
        town.serve(application, town.people.stranger)
        document = town.run("list")
        rows = [(row["asset_id"], row["name"]) for row in document["datasets"]]
        assert rows == [(near.asset_id, "Wards"), (far.asset_id, None)], name
        assert problem in document["providers"][1]["problem"], name


def test_a_provider_that_dawdles_is_waited_for_once_and_briefly(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.descriptions.REQUEST_S", 2.0)
    asked: list[str] = []
    never = threading.Event()

    def dawdle(environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
        asked.append(environ["PATH_INFO"])
        start("200 OK", [])
        for _ in range(100):
            yield b" "
            never.wait(0.05)

    near = town.clinic.add_dataset()
    for _ in range(3):
        town.ward.add_dataset()
    town.serve(dawdle, town.people.stranger)
    document = town.run("list")
    assert [row["name"] for row in document["datasets"]] == ["Wards", None, None, None]
    assert document["datasets"][0]["asset_id"] == near.asset_id
    assert document["providers"][1]["problem"] == "no answer within 2 s"
    assert asked == ["/v1/provider"]


def test_nobody_is_led_elsewhere(town: Town) -> None:
    town.ward.add_dataset()
    visits: list[str] = []

    def elsewhere(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        visits.append(environ["PATH_INFO"])
        start("200 OK", [])
        return [greeting(town, town.ward)]

    with serve_app(elsewhere) as url:
        moved = answering(
            ("", lambda: [b""]), status="302 Found", headers=[("Location", f"{url}/v1/provider")]
        )
        town.serve(moved, town.people.stranger)
        assert (
            town.run("list", expect=ExitCode.UNREACHABLE)["providers"][0]["problem"]
            == "what answers is not a provider"
        )
    assert visits == []


def test_another_provider_at_the_address_is_not_taken_for_it(town: Town) -> None:
    town.ward.add_dataset()
    town.serve(town.clinic.client.application, town.people.stranger)
    document = town.run("list", expect=ExitCode.UNREACHABLE)
    assert document["providers"][0]["problem"] == "what answers is another provider"


def test_the_address_of_the_newest_valid_keys_is_asked(town: Town) -> None:
    asset = town.ward.add_dataset()
    assert "no address" in town.run("list", expect=ExitCode.UNREACHABLE)["providers"][0]["problem"]
    town.publish(town.people.stranger, "http://127.0.0.1:9")
    town.open(town.ward)
    assert town.run("list")["datasets"][0]["name"] == "Wards"
    town.chain.revoke_keys(1, town.chain.head().time, sender=town.people.stranger)
    (row,) = town.run("list", expect=ExitCode.UNREACHABLE)["datasets"]
    assert (row["asset_id"], row["name"]) == (asset.asset_id, None)
    for endpoint in (
        "file:///etc/passwd",
        "http://a@127.0.0.1/",
        "http://" + "a" * 64,
        "",
        "\x1b[31mhttp://x",
    ):
        town.publish(town.people.stranger, endpoint)
        assert "no address" in town.run("list", expect=ExitCode.UNREACHABLE)["providers"][0]["problem"]


def test_a_provider_with_more_keys_than_a_node_reads_is_not_in_the_way_of_others(town: Town) -> None:
    town.clinic.add_dataset()
    town.ward.add_dataset()
    with serve_proxy(town.rpc_url) as proxy:
        wanted = town.people.stranger.address.lower().removeprefix("0x")
        keys = town.chain._providers.encode_abi("getKeys", args=[town.people.stranger.address])[:10]

        def refuse(call: Call) -> Any:
            data = str(call["params"][0].get("data", "")) if call["method"] == "eth_call" else ""
            return refusal("out of gas")(call) if data.startswith(keys) and wanted in data else None

        proxy.intercept = refuse
        town.settle(proxy.url)
        assert [row["name"] for row in town.run("list")["datasets"]] == ["Wards", None]


def test_a_second_look_reads_only_the_newest_blocks_of_the_chain(town: Town, anvil: LocalChain) -> None:
    asset = town.clinic.add_dataset()
    request(anvil.rpc_url, "anvil_mine", hex(200))
    widths: list[int] = []

    def note(call: Call) -> None:
        if call["method"] == "eth_getLogs":
            query = call["params"][0]
            widths.append(int(query["toBlock"], 16) - int(query["fromBlock"], 16) + 1)

    with serve_proxy(town.rpc_url) as proxy:
        proxy.intercept = note
        town.settle(proxy.url)
        for words in (["list"], ["list"], ["search", "wards"]):
            assert [row["asset_id"] for row in town.run(*words)["datasets"]] == [asset.asset_id]
    assert widths[0] > 200
    assert widths[1:] == [OVERLAP_BLOCKS] * 2


CODES = "\x1b[2J\x9b31m\u202e\x07\r\n\u2066x"


def test_no_code_that_a_stranger_wrote_reaches_the_terminal(town: Town) -> None:
    town.clinic.add_dataset(name=f"Wards{CODES}", description=CODES)
    asset = town.clinic.add_dataset(policy=f"# \u202e\n{POLICY}")
    for words in (
        ["list"],
        ["search", "wards"],
        ["show", asset.asset_id],
        ["list", "--json"],
        ["show", asset.asset_id, "--json"],
    ):
        text = town.say(*words)
        assert "Wards" in text
        assert all(letter.isprintable() for letter in text.replace("\n", "")), words
    assert town.run("list")["datasets"][0]["name"] == f"Wards{CODES}"


def test_each_option_narrows_the_search(town: Town) -> None:
    town.open(town.ward)
    data = town.ward.home / "data" / "large.csv"
    data.write_text("age,weight\n" + "44,80\n" * 1000)
    cheap = town.clinic.add_dataset(name="Wards of the north", price_wei=COIN // 2).asset_id
    large = town.ward.add_dataset(name="Weights", path="large.csv", policy=GVISOR_POLICY).asset_id
    assert town.search("NORTH", "wards", "--max-price", "0.5", "--max-size", str(len(CSV))) == [cheap]
    assert town.search("--column", "age", "--column", "weight", "--min-size", "1000") == [large]
    assert town.search("--column", "age", "--purpose", "DUO:0000006") == [cheap, large]
    assert town.search("--purpose", "DUO:0000042") == [large]
    for lab, runtimes in ((town.clinic, ["runc"]), (town.ward, ["runc", "runsc"])):
        lab.database.access.set_fact("runtimes", json.dumps(runtimes), now=lab.now)
    assert town.search("--runtime", "gvisor") == [large]
    assert town.search("--runtime", "runc", "--provider", town.people.stranger.address) == []
    town.run("search", "--purpose", "DUO:0000046", expect=ExitCode.USAGE)


def test_retired_datasets_and_those_of_others_are_hidden_where_it_is_asked(town: Town) -> None:
    kept, retired = town.clinic.add_dataset(), town.clinic.add_dataset()
    town.chain.retire(retired.token_id, sender=town.people.owner)
    ids = [kept.asset_id, retired.asset_id]
    for words in (["list"], ["search"]):
        assert [row["asset_id"] for row in town.run(*words)["datasets"]] == ids[:1]
        assert [(row["asset_id"], row["retired"]) for row in town.run(*words, "--all")["datasets"]] == [
            (kept.asset_id, False),
            (retired.asset_id, True),
        ]
    assert town.run("list", "--mine")["datasets"] == []
    own = register_dataset(town.chain, replace(town.people, owner=town.people.scientist))
    assert [row["asset_id"] for row in town.run("list", "--mine")["datasets"]] == [own.asset_id]


def test_a_price_in_a_token_that_does_not_say_how_it_is_counted_is_told_in_its_units(town: Town) -> None:
    escrow = town.chain.deployment.escrow
    asset = town.clinic.add_dataset(payment_token=escrow)
    (row,) = town.run("list")["datasets"]
    assert (row["token_symbol"], row["token_decimals"]) == (None, None)
    assert row["price"] == f"{PRICE} of token {escrow}"
    found = town.run("search", "--max-price", "100")
    assert found["datasets"] == []
    assert [one["asset_id"] for one in found["unjudged"]] == [asset.asset_id]


def test_a_dataset_that_names_one_of_our_contracts_as_its_token_hides_no_other(town: Town) -> None:
    deployment = town.chain.deployment
    kept = town.clinic.add_dataset()
    for token in (deployment.providers, deployment.escrow, deployment.registry):
        register_dataset(town.chain, town.people, payment_token=token)
    rows = town.run("list")["datasets"]
    assert [row["asset_id"] for row in rows][:1] == [kept.asset_id]
    assert [row["token_symbol"] for row in rows] == ["tSEAL", None, None, None]


def test_a_home_that_is_connected_anew_keeps_its_limits_on_fees(town: Town) -> None:
    home = Home(town.home)
    before = load_settings(home).model_copy(update={"max_tip_gwei": 2, "max_fee_gwei": 30})
    save_settings(home, before)
    words = ["provider", "connect", "--url", before.provider_url, "--rpc-url", before.rpc_url]
    words += ["--provider", before.provider or "", "--deployment", str(home.deployment_file)]
    session = new_session({"SEALROOM_PASSWORD": "correct horse"})
    assert run(["--home", str(town.home), *words], session) is ExitCode.OK
    assert load_settings(home) == before


def test_whether_one_may_order_is_told_where_it_can_be_known(town: Town) -> None:
    asset = town.clinic.add_dataset(policy=POLICY.replace("anyone", f"['{town.people.scientist.address}']"))
    assert town.run("show", asset.asset_id)["may_order"] is True
    root = build_root([town.people.scientist.address, town.people.stranger.address])
    town.chain.set_consumers(asset.token_id, root, sender=town.people.owner)
    assert town.run("show", asset.asset_id)["may_order"] is None
    assert "not known; ask the owner" in town.say("show", asset.asset_id)
