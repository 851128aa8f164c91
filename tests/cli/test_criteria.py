"""Which datasets are found, and what is said of a policy: pure, so told in tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cli.criteria import Criteria, matches
from cli.descriptions import parse_endpoint
from cli.discovery import Entry, Provider
from cli.policywords import explanation_page, may_order
from datatokens.allowlist import build_root
from datatokens.model import DATASET_KIND, Asset, AssetTerms, Token
from policies.canonical import canonical_json
from provider.description import parse_description
from provider.receipts.errors import MalformedError
from tests.policy_samples import CONSUMER, OWNER, PROVIDER, STRANGER, make_policy

TERMS = AssetTerms(
    kind=DATASET_KIND,
    commitment=b"\xc0" * 32,
    metadata_digest=b"\xd0" * 32,
    policy_digest=b"\xe0" * 32,
    uri="",
    price_wei=2_500_000,
    payment_token=OWNER,
    provider=PROVIDER,
    provider_share_bps=0,
    max_deadline_s=3600,
)
ASSET = Asset(1, "1" * 64, OWNER, TERMS, OWNER, retired=False)
DOCUMENT: dict[str, Any] = {
    "@type": "sc:Dataset",
    "name": "Wards",
    "description": "Beds of the North",
    "distribution": [
        {"name": name, "contentSize": f"{size} B", "encodingFormat": "text/csv", "sha256": "0" * 64}
        for name, size in (("file-0001.csv", 600), ("file-0002.csv", 400))
    ],
    "recordSet": [
        {"name": f"table-{name}", "description": "3 rows", "field": [{"name": name, "dataType": "sc:Text"}]}
        for name in ("age", "ward")
    ],
}
KNOWN = Entry(
    ASSET,
    Token(OWNER, "SIX", 6),
    Provider(PROVIDER, "http://127.0.0.1", runtimes=frozenset({"runc", "runsc"})),
    parse_description(canonical_json(DOCUMENT)),
    make_policy(),
)
SILENT = replace(
    KNOWN,
    token=Token(OWNER, "", 0),
    provider=Provider(PROVIDER, "http://127.0.0.1", "can't be reached"),
    description=None,
    policy=None,
)
TABLE: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"words": ("WARDS",)}, True),
    ({"words": ("north", "beds")}, True),
    ({"words": ("north", "south")}, False),
    ({"columns": ("age",)}, True),
    ({"columns": ("age", "ward")}, True),
    ({"columns": ("Age",)}, False),
    ({"columns": ("age", "sex")}, False),
    ({"min_size_bytes": 1000}, True),
    ({"min_size_bytes": 1001}, False),
    ({"max_size_bytes": 1000}, True),
    ({"max_size_bytes": 999}, False),
    ({"max_size_bytes": 0}, False),
    ({"purpose": "DUO:0000006"}, True),
    ({"purpose": "DUO:0000007"}, True),
    ({"purpose": "DUO:0000042"}, False),
    ({"runtime": "runsc"}, True),
    ({"runtime": "runc"}, True),
    ({"max_price": 2_500_000 * 10**12}, True),
    ({"max_price": 2_500_000 * 10**12 - 1}, False),
    ({"max_price": 0}, False),
    ({"words": ("wards",), "columns": ("age",), "purpose": "DUO:0000006", "runtime": "runc"}, True),
    ({"words": ("wards",), "columns": ("age",), "purpose": "DUO:0000042", "runtime": "runc"}, False),
]


@pytest.mark.parametrize(("asked", "found"), TABLE, ids=str)
def test_a_dataset_is_found_when_it_is_all_that_was_asked(asked: dict[str, Any], *, found: bool) -> None:
    assert matches(Criteria(**asked), KNOWN) is found


@pytest.mark.parametrize("asked", [asked for asked, _ in TABLE[1:]], ids=str)
def test_what_is_not_known_is_neither_found_nor_passed_over(asked: dict[str, Any]) -> None:
    assert matches(Criteria(**asked), SILENT) is None


def test_one_no_outweighs_what_is_not_known() -> None:
    half = replace(KNOWN, description=None)
    assert matches(Criteria(words=("wards",), purpose="DUO:0000042"), half) is False
    assert matches(Criteria(words=("wards",), purpose="DUO:0000006"), half) is None


@pytest.mark.parametrize(
    ("demanded", "offered", "asked", "found"),
    [
        ("any", {"runc"}, "runc", True),
        ("any", {"runc"}, "runsc", False),
        ("any", {"runsc"}, "runsc", True),
        ("any", set(), "runc", False),
        ("gvisor", {"runc", "runsc"}, "runsc", True),
        ("gvisor", {"runc", "runsc"}, "runc", False),
        ("gvisor", {"runc"}, "runsc", False),
    ],
)
def test_a_runtime_is_there_when_the_provider_has_it_and_the_policy_lets_jobs_run_on_it(
    demanded: str, offered: set[str], asked: str, *, found: bool
) -> None:
    entry = replace(
        KNOWN,
        policy=make_policy(runtime=demanded),
        provider=replace(KNOWN.provider, runtimes=frozenset(offered)),
    )
    assert matches(Criteria(runtime=asked), entry) is found


def test_what_costs_nothing_costs_nothing_in_every_token() -> None:
    free = replace(SILENT, asset=replace(ASSET, terms=replace(TERMS, price_wei=0)))
    assert matches(Criteria(max_price=0), free) is True


@pytest.mark.parametrize(
    ("token", "price"),
    [
        (Token(OWNER, "SIX", 6), "2.5 SIX"),
        (Token(OWNER, "ONE", 0), "2500000 ONE"),
        (Token(OWNER, "", 0), f"2500000 of token {OWNER}"),
        (Token(OWNER, "BIG", 255), f"0.{'0' * 248}25 BIG"),
    ],
)
def test_a_price_is_written_as_its_token_is_counted(token: Token, price: str) -> None:
    assert replace(KNOWN, token=token).price == price


@pytest.mark.parametrize(
    ("consumers", "on_chain", "allowed"),
    [
        ("anyone", None, True),
        ([CONSUMER, OWNER], None, True),
        ([OWNER], None, False),
        ([], None, False),
        ("anyone", [CONSUMER, OWNER], None),
        ([CONSUMER, OWNER], [OWNER, CONSUMER], True),
        ([CONSUMER, OWNER], [OWNER, STRANGER], None),
        ([OWNER], [CONSUMER], False),
    ],
)
def test_whether_an_account_may_order_follows_from_policy_and_allow_list(
    consumers: object, on_chain: list[str] | None, *, allowed: bool | None
) -> None:
    asset = replace(ASSET, consumers_root=build_root(on_chain) if on_chain else None)
    assert may_order(make_policy(consumers=consumers), asset, CONSUMER.upper().replace("0X", "0x")) is allowed
    assert may_order(None, asset, CONSUMER) is None
    assert may_order(None, replace(asset, retired=True), CONSUMER) is False


def test_a_policy_is_told_in_words_with_what_is_enforced_and_what_is_a_promise() -> None:
    page = explanation_page(make_policy(purposes=["DUO:0000006", "DUO:0000046"], runtime="gvisor"))
    headings = [line.split(":")[0] for line in page.splitlines() if not line.startswith(" ")]
    assert headings == ["projects", "people", "data", "settings", "outputs"]
    assert "health, medical or biomedical research (enforced)" in page
    assert "non-commercial use only (a promise that the scientist signs)" in page
    assert "gVisor or nothing" in page
    assert "weights of 1 MiB at most; 3 metrics at most, of 4 digits" in page
    assert "100000 at most, all together" in page


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "x" * 101},
        {"name": 5},
        {"description": "x" * 4001},
        {"distribution": {}},
        {"distribution": [{**DOCUMENT["distribution"][0], "contentSize": "-1 B"}]},
        {"distribution": [{**DOCUMENT["distribution"][0], "contentSize": "\u0661 B"}]},
        {"distribution": [{**DOCUMENT["distribution"][0], "name": "x" * 201}]},
        {"recordSet": [{"name": "table", "description": "", "field": [{"name": None}]}]},
    ],
    ids=str,
)
def test_another_shape_is_no_description(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        parse_description(canonical_json(DOCUMENT | change))


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"[" * 10_000, b'{"name": "a", "name": "b"}'])
def test_garbage_is_no_description(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_description(data)


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("http://127.0.0.1:8830", "http://127.0.0.1:8830"),
        ("https://data.hospital.example/sealroom/", "https://data.hospital.example/sealroom"),
        ("http://[::1]:8830", "http://[::1]:8830"),
        ("http://a:65535", "http://a:65535"),
        ("http://a:65536", None),
        ("http://a:", None),
        ("http://", None),
        ("", None),
        ("file:///etc/passwd", None),
        ("ftp://a", None),
        ("//a", None),
        ("http://user:secret@a", None),
        ("http://a?x=", None),
        ("http://a#", None),
        ("http://a/?delete=", None),
        ("http://a b", None),
        ("http://a\n", None),
        ("http://a\r\nX: y", None),
        ("http://\u0430", None),
        ("http://a/\u0430", None),
        ("http://" + "a" * 64, None),
        ("http://a.." + "b", None),
        ("http://a/" + "b" * 500, None),
    ],
)
def test_an_address_on_the_chain_is_asked_only_when_it_is_plainly_one(
    text: str, endpoint: str | None
) -> None:
    assert parse_endpoint(text) == endpoint
