"""The test vectors whose signatures and place in the log are true, and that fail for what they say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from vector_maker import (
    FACTS,
    WITNESSES,
    Vector,
    demanding,
    refused_at,
    signed,
    signed_with,
    with_note,
)

from policies.egress import ENDING_BITS, GATE_CHECKS
from provider.receipts.facts import ReceiptFacts
from provider.receipts.note import parse_note
from provider.receipts.proof import parse_proof
from provider.receipts.records import to_json
from provider.receipts.reviews import REVIEW_LATE
from provider.receipts.statement import build_statement
from tests.receipt_samples import (
    ANCHOR_BLOCK,
    ANCHOR_TIME,
    ARTEFACTS,
    CONSUMER,
    LOG_BYTES,
    METRICS,
    REVIEWERS,
    SALT,
    WEIGHTS,
    demanding_review,
    digest,
    measured,
    open_log,
    overruling,
    private,
    reviewed,
    sample_request,
    sign_request,
    stayed,
    two_datasets,
    withheld,
)
from tests.witness_samples import cosign, make_witness


def _decision(facts: ReceiptFacts, number: int) -> dict[str, Any]:
    """Return a decision as it stands in a receipt."""
    document: dict[str, Any] = to_json(facts)["egress"]["review"]["decisions"][number]
    return document


def _demand(facts: ReceiptFacts) -> dict[str, Any]:
    """Return a demand as it stands in a receipt."""
    document: dict[str, Any] = to_json(facts)["policy"]["reviews"][0]
    return document


PLAIN = signed()
OTHER = signed(withheld(FACTS))


def cases() -> Iterator[Vector]:
    """Yield them, in the order of the checklist."""
    yield from _statements()
    yield from _contradictions()
    yield from _open_logs()
    yield from _withheld()
    yield from _places()
    yield from _requests()
    yield from _reviews()
    yield from _privacy()
    yield from _witnesses()
    yield from _artefacts()


def _statements() -> Iterator[Vector]:
    good = build_statement(FACTS)
    malformed = refused_at("read statement", "malformed")
    twice = good.replace(b'{"_type"', b'{"_type":"","_type"', 1)
    yield malformed("statement-duplicate-key", "A key stands twice.", signed(payload=twice))
    yield malformed("statement-no-json", "Not JSON.", signed(payload=b"job done"))
    deep = good[:-1] + b',"x":' + b"[" * 24 + b"]" * 24 + b"}"
    yield malformed("statement-deep", "25 levels of nesting.", signed(payload=deep))
    make = refused_at("read statement", "statement-refused")
    yield make("statement-list", "A list.", signed(payload=b"[]"))
    for name, about, path, value in STATEMENTS:
        yield make(f"statement-{name}", about, signed_with(path, value))


STATEMENTS: tuple[tuple[str, str, str, Any], ...] = (
    ("type", "Another statement type.", "_type", "https://in-toto.io/Statement/v0.1"),
    ("predicate-type", "Another predicate.", "predicateType", "https://slsa.dev/provenance/v1"),
    (
        "two-digests",
        "A digest beside sha256.",
        "subject.0.digest",
        {"sha256": "0" * 64, "keccak256": "0" * 64},
    ),
    ("subject-digest", "A subject that no output has.", "subject.0.digest", {"sha256": "0" * 64}),
    ("field-missing", "No egress.", "predicate.egress", None),
    ("number-form", "An amount as a number.", "predicate.job.orders.0.amountWei", 5),
    ("leading-zero", "An amount with a leading zero.", "predicate.job.orders.0.amountWei", "05"),
    ("upper-case-digest", "A digest in capitals.", "predicate.inputs.algorithm", "sha256:" + "A" * 64),
    ("boolean-form", "1 for true.", "predicate.sandbox.probe.passed", 1),
    ("fraction", "A time with a fraction.", "predicate.run.started", 1799999920.5),
    ("negative-index", "An index below 0.", "predicate.log.index", -1),
)


def _contradictions() -> Iterator[Vector]:
    make = refused_at("read statement", "statement-refused")
    for name, about, path, value in CONTRADICTIONS:
        yield make(f"contradiction-{name}", about, signed_with(path, value))
    one_order = signed_with("predicate.job.orders.0.tokenId", "2", two_datasets(FACTS))
    yield make("contradiction-orders", "Orders that aren't those of the datasets.", one_order)
    whole = demanding_review(measured(FACTS), when="not-passed")
    checks = to_json(whole)["egress"]["checks"]
    for name, about, others in (
        ("check-missing", "RELEASED without one of the gate's checks.", checks[1:]),
        ("check-twice", "RELEASED with a check twice.", [checks[0], *checks]),
        ("test-missing", "RELEASED without a privacy test, which may have failed.", checks[:-1]),
        ("tests-none", "RELEASED without any privacy test, with rows held back.", checks[: len(GATE_CHECKS)]),
        ("checks-order", "RELEASED with checks in another order.", checks[::-1]),
    ):
        yield make(f"contradiction-{name}", about, signed_with("predicate.egress.checks", others, whole))
    yield make(
        "contradiction-gate", "RELEASED by an unknown gate.", signed_with("predicate.egress.gate", "none/1")
    )
    bits = "predicate.privacy.informationBits"
    yield make("contradiction-ending-bits", "Fewer bits than an ending says.", signed_with(bits, "5"))
    told = signed_with(bits, "13", overruling(FACTS))
    yield make("contradiction-test-bits", "The overruled tests are not counted.", told)
    quiet = signed_with(bits, "13", whole)
    yield make("contradiction-review-bits", "People could have overruled tests, which isn't counted.", quiet)
    unnamed = signed_with("predicate.outputs.0.name", "", withheld(FACTS))
    yield make("contradiction-unnamed", "A file without a name.", unnamed)
    unheld = signed_with(_DEMAND, to_json(whole)["policy"]["reviews"], FACTS)
    yield make("contradiction-untested", "A review that privacy tests decide on, and none was made.", unheld)


def _open_logs() -> Iterator[Vector]:
    make, opened = refused_at("read statement", "statement-refused"), open_log(withheld(FACTS))
    least = ENDING_BITS + 8 * LOG_BYTES
    few = signed_with("predicate.privacy.informationBits", str(least - 1), opened)
    yield make("contradiction-log-bits", "The log left, and not all of its bits are counted.", few)
    unlimited = signed_with("predicate.sandbox.limits", {"time_s": 60}, opened)
    yield make("contradiction-log-limit", "The log left, and nobody knows how long it may be.", unlimited)
    number = signed_with("predicate.sandbox.limits.log_bytes", LOG_BYTES, opened)
    yield make("contradiction-log-limit-form", "The log's limit is no text.", number)
    demands = to_json(demanding_review(FACTS).policy)["reviews"]
    reviewed_log = signed_with(_DEMAND, demands, opened)
    yield make("contradiction-log-review", "The log is open beside a review.", reviewed_log)
    held = to_json(measured(FACTS).inputs)["holdBack"]
    tested_log = signed_with("predicate.inputs.holdBack", held, opened)
    yield make("contradiction-log-tests", "The log is open beside privacy tests.", tested_log)
    unbounded = replace(FACTS, privacy=replace(private(FACTS).privacy, ledger_cap=None))
    budgeted = signed_with(f"{_PRIVACY}.ledgerCap", "8", open_log(unbounded))
    yield make("contradiction-log-budget", "The log is open beside a privacy budget.", budgeted)


def _withheld() -> Iterator[Vector]:
    make, checks = refused_at("read statement", "statement-refused"), "predicate.egress.checks"
    finite, other, passed = (
        {"name": name, "ok": ok, "detail": ""}
        for name, ok in (("weights-finite", False), ("metrics-range", False), ("weights-finite", True))
    )
    for name, about, listed in (
        ("other", "WITHHELD by one rule, and another check said no.", [other]),
        ("second", "WITHHELD, and which other check failed is told.", [finite, other]),
        ("passed", "WITHHELD, and a check that passed is told.", [passed]),
    ):
        yield make(f"withheld-{name}", about, signed_with(checks, listed, withheld(FACTS)))
    late = stayed(demanding_review(FACTS), REVIEW_LATE)
    gate = signed_with(f"{checks}.0.name", "weights-finite", late)
    yield make("withheld-late-gate", "A review was late of what the gate doesn't let people see.", gate)
    failing = to_json(late.egress)["checks"][0]
    two = signed_with(checks, [failing, failing | {"name": "low-bits"}], late)
    yield make("withheld-late-second", "A review was late, and two tests that failed are told.", two)
    unasked = signed_with(_DEMAND, [], late)
    yield make("withheld-late-unasked", "A review was late that nobody demands.", unasked)
    ended = signed_with("predicate.egress.outcome", "cancelled", late)
    yield make("withheld-late-cancelled", "A review was late, and the job was cancelled.", ended)


_PRIVACY = "predicate.privacy"
_DEMAND, _REVIEW = "predicate.policy.reviews", "predicate.egress.review"
CONTRADICTIONS: tuple[tuple[str, str, str, Any], ...] = (
    ("verdict", "WITHHELD, although the outcome is released.", "predicate.egress.verdict", "WITHHELD"),
    ("outcome", "RELEASED, although it failed.", "predicate.egress.outcome", "failed"),
    ("unknown-verdict", "A verdict that isn't one.", "predicate.egress.verdict", "APPROVED"),
    ("check", "RELEASED although a check said no.", "predicate.egress.checks.0.ok", False),
    ("rule", "RELEASED although a rule said no.", "predicate.egress.rule", "weights-finite"),
    ("nothing-left", "RELEASED and nothing left.", "predicate.outputs", []),
    ("digest-missing", "A released file without its digest.", "predicate.outputs.0.releasedDigest", None),
    ("undeclared", "A file that nobody declared left.", "predicate.outputs.0.name", "undeclared"),
    ("twice", "Two released files with one name.", "predicate.outputs.0.name", "metrics.json"),
    ("no-seal", "It ran without a seal.", "predicate.sandbox", None),
    ("no-probe", "It ran and the probe didn't.", "predicate.sandbox.probe", None),
    ("probe-failed", "It ran although the probe failed.", "predicate.sandbox.probe.passed", False),
    ("time", "It finished before it started.", "predicate.run.finished", 0),
    ("logs", "Nobody knows who reads the log.", "predicate.run.logs", "everyone"),
    ("denied", "It ran although policy denied it.", "predicate.policy.decision", "deny"),
    ("rule-denied", "It ran although a rule denied it.", "predicate.policy.rules.0.verdict", "deny"),
    ("no-rules", "It ran and no rule was about its dataset.", "predicate.policy.rules", []),
    ("strange-rule", "A rule about another dataset.", "predicate.policy.rules.0.assetId", "b2" * 32),
    ("no-dataset", "No dataset.", "predicate.inputs.datasets", []),
    ("no-policy", "No policy for the dataset.", "predicate.policy.digests", []),
    ("two-origins", "Two names of the log.", "predicate.log.origin", "sealroom/1/other"),
)


def _places() -> Iterator[Vector]:
    make = refused_at("statement is of this log", "statement-refused")
    yield make(
        "place-index",
        "It stands elsewhere in the log.",
        signed(payload=build_statement(replace(FACTS, log=replace(FACTS.log, index=4)))),
    )
    yield make(
        "place-provider", "Another provider.", signed_with("predicate.provider.address", "0x" + "11" * 20)
    )
    yield make(
        "place-keyid",
        "It names a key that didn't sign.",
        signed_with("predicate.provider.keyids.0", "p256:" + "00" * 32),
    )
    yield make(
        "place-not-before",
        "Made after a block that came after the anchor.",
        signed_with("predicate.notBefore.number", ANCHOR_BLOCK + 1),
    )
    yield make("place-chain", "An order on another chain.", signed_with("predicate.job.orders.0.chainId", 1))
    elsewhere = replace(
        FACTS,
        log=replace(FACTS.log, origin="sealroom/1/x"),
        provider=replace(FACTS.provider, origin="sealroom/1/x"),
    )
    yield make("place-origin", "Another log's name.", signed(elsewhere))


def _requests() -> Iterator[Vector]:
    make = refused_at("request signed by the consumer", "statement-refused")
    request = sample_request(purpose="DUO:0000004")
    yield make(
        "request-purpose",
        "Another purpose than was signed.",
        signed(replace(FACTS, job=replace(FACTS.job, request=request))),
    )
    _, signature = sign_request(sample_request(nonce="aa" * 32))
    yield make(
        "request-signature",
        "The signature is over another request.",
        signed(replace(FACTS, job=replace(FACTS.job, request_signature=signature))),
    )
    yield make(
        "request-consumer",
        "Another consumer.",
        signed(replace(FACTS, job=replace(FACTS.job, consumer="0x" + "12" * 20))),
    )
    yield make(
        "request-nonce",
        "Another nonce than was signed.",
        signed(replace(FACTS, job=replace(FACTS.job, nonce="aa" * 32))),
    )
    yield make("request-empty", "No request.", signed(replace(FACTS, job=replace(FACTS.job, request={}))))
    key = sample_request(result_key="?")
    yield make(
        "request-result-key",
        "The result key isn't base64.",
        signed(replace(FACTS, job=replace(FACTS.job, request=key))),
    )
    inputs = replace(FACTS.inputs, algorithm=FACTS.inputs.parameters_digest)
    yield make("request-algorithm", "Another algorithm ran.", signed(replace(FACTS, inputs=inputs)))
    inputs = replace(FACTS.inputs, parameters={"epochs": 4})
    yield make(
        "request-parameters", "Other parameters than their digest.", signed(replace(FACTS, inputs=inputs))
    )


_UNCOUNTED = {"kind": "gaussian", "noiseMultiplier": "1", "samplingRate": None, "steps": None, "count": None}
UNACCOUNTED: tuple[tuple[str, str, str, Any], ...] = (
    ("epsilon", "Privacy was spent, and how much isn't said.", f"{_PRIVACY}.epsilon", None),
    ("ledger", "Privacy was spent, and the ledger isn't stated.", f"{_PRIVACY}.ledgerBefore", None),
    ("mechanisms", "Privacy was spent by nothing.", f"{_PRIVACY}.mechanisms", []),
    ("nothing", "Nothing was spent, and an epsilon is stated.", f"{_PRIVACY}.mechanism", "none"),
    ("kind", "A mechanism that nobody knows.", f"{_PRIVACY}.mechanisms.0.kind", "magic"),
    ("steps", "Steps that were never counted.", f"{_PRIVACY}.mechanisms.0.steps", None),
    ("no-step", "No step at all.", f"{_PRIVACY}.mechanisms.0.steps", 0),
    ("count", "The parameter of another kind.", f"{_PRIVACY}.mechanisms.0.count", 1),
    ("no-count", "A release of which nobody says how often.", f"{_PRIVACY}.mechanisms", [_UNCOUNTED]),
    ("no-noise", "Noise of nothing.", f"{_PRIVACY}.mechanisms.0.noiseMultiplier", "0.0"),
)


def _privacy() -> Iterator[Vector]:
    make, facts = refused_at("read statement", "statement-refused"), private(FACTS)
    for name, about, path, value in UNACCOUNTED:
        yield make(f"unaccounted-{name}", about, signed_with(path, value, facts))
    ledgers = signed_with(_PRIVACY, to_json(facts.privacy), two_datasets(FACTS))
    yield make("unaccounted-datasets", "One ledger for two datasets.", ledgers)
    cap = signed_with(f"{_PRIVACY}.ledgerCap", "8", FACTS)
    yield make("unaccounted-cap", "Nothing was spent, and a cap is stated.", cap)


REVIEWED = reviewed(FACTS, "release", "release")
DISPUTED = reviewed(FACTS, "release", "withhold")
UNREVIEWED: tuple[tuple[str, str, str, Any], ...] = (
    ("missing", "RELEASED without any decision.", _REVIEW, None),
    ("one-of-two", "One decision, and two are needed.", f"{_REVIEW}.decisions", [_decision(REVIEWED, 0)]),
    ("twice", "One reviewer twice.", f"{_REVIEW}.decisions", [_decision(REVIEWED, 0)] * 2),
    ("overruled", "RELEASED although one withheld.", f"{_REVIEW}.decisions.1.decision", "withhold"),
    ("unknown-word", "A decision that is none.", f"{_REVIEW}.decisions.1.decision", "abstain"),
    ("stranger", "Somebody whom no demand names.", f"{_REVIEW}.decisions.1.reviewer", "0x" + "11" * 20),
    ("consumer", "The consumer is a reviewer.", f"{_DEMAND}.0.reviewers.0", CONSUMER.lower()),
    ("no-salt", "Released, and nobody can see what was looked at.", f"{_REVIEW}.salt", None),
    ("needed-none", "A demand for nobody.", f"{_DEMAND}.0.needed", 0),
    ("needed-more", "More than there are reviewers.", f"{_DEMAND}.0.reviewers", [REVIEWERS[0].lower()]),
    ("when", "A demand at an unknown time.", f"{_DEMAND}.0.when", "sometimes"),
    ("demands", "More demands than datasets.", _DEMAND, [_demand(REVIEWED)] * 2),
)


def _reviews() -> Iterator[Vector]:
    make = refused_at("read statement", "statement-refused")
    for name, about, path, value in UNREVIEWED:
        yield make(f"unreviewed-{name}", about, signed_with(path, value, REVIEWED))
    unasked = signed_with("predicate.egress.review", None, overruling(FACTS))
    yield make("unreviewed-test", "A privacy test did not pass, and nobody was asked.", unasked)
    failing = {"name": "weights-finite", "ok": False, "detail": ""}
    gate = signed_with("predicate.egress.checks.7", failing, overruling(FACTS))
    yield make("unreviewed-gate", "Reviewers overruled a check that nobody may.", gate)
    opened = signed_with(f"{_REVIEW}.salt", SALT, DISPUTED)
    yield make("unreviewed-opened", "What was withheld can be guessed.", opened)
    agreed = signed_with(f"{_REVIEW}.decisions.1.decision", "release", DISPUTED)
    yield make("unreviewed-ignored", "Withheld by review, and both let it out.", agreed)
    make = refused_at("reviews", "statement-refused")
    seen = {path: signed_with(f"{_REVIEW}.{path}", value, REVIEWED) for path, value in MISSIGNED.items()}
    yield make("review-signature", "Another's signature.", seen["decisions.1.signature"])
    yield make("review-nonce", "Another nonce than was signed.", seen["decisions.1.nonce"])
    yield make("review-reason", "Another reason than was signed.", seen["decisions.1.reason"])
    yield make("review-looked-at", "They looked at something else.", seen["lookedAt"])
    yield make("review-salt", "Other files left than they looked at.", seen["salt"])
    decision = signed_with(f"{_REVIEW}.decisions.0.decision", "withhold", DISPUTED)
    yield make("review-decision", "Another decision than was signed.", decision)


MISSIGNED: dict[str, Any] = {
    "decisions.1.signature": _decision(REVIEWED, 0)["signature"],
    "decisions.1.nonce": "0e" * 32,
    "decisions.1.reason": digest("another reason"),
    "lookedAt": digest("other files"),
    "salt": "5b" * 32,
}


def _witnesses() -> Iterator[Vector]:
    make, demanded = refused_at("witnesses", "not-witnessed"), signed(demanding(FACTS))
    first, second, _ = WITNESSES
    yield make("witnesses-none", "Nobody cosigned.", demanded)
    yield make(
        "witnesses-one",
        "One of the two that are demanded.",
        with_note(demanded, lambda note: cosign(note, first)),
    )
    twice = with_note(demanded, lambda note: cosign(cosign(note, first), first, timestamp=ANCHOR_TIME + 1))
    yield make("witnesses-one-twice", "One witness twice.", twice)
    stranger = make_witness("witness.example/w4")
    strange = with_note(demanded, lambda note: cosign(note, first, stranger))
    yield make("witnesses-stranger", "One of the two is a witness that nobody named.", strange)
    bad = refused_at("witnesses", "bad-signature")
    other = parse_note(parse_proof(OTHER.proof).note).text
    wrong = second.cosign(other, ANCHOR_TIME).to_line()
    yield bad(
        "witnesses-bad",
        "A cosignature of another checkpoint.",
        with_note(demanded, lambda note: cosign(note, first) + wrong),
    )
    yield make(
        "witnesses-of-log",
        "Nothing was released, but the log left.",
        signed(demanding(open_log(withheld(FACTS)))),
    )
    for name, about, value in DEMANDS:
        refused = refused_at("read statement", "statement-refused")
        yield refused(f"demand-{name}", about, signed_with("predicate.policy.witnesses", value))


KEY_TEXTS = [witness.public().to_text() for witness in WITNESSES]
DEMANDS: tuple[tuple[str, str, Any], ...] = (
    ("of-none", "A threshold of 0.", [{"threshold": 0, "keys": KEY_TEXTS}]),
    ("out-of-reach", "More than there are keys.", [{"threshold": 4, "keys": KEY_TEXTS}]),
    ("key-twice", "One key twice.", [{"threshold": 1, "keys": [KEY_TEXTS[0], KEY_TEXTS[0]]}]),
    (
        "key-id",
        "A key id that isn't the key's.",
        [{"threshold": 1, "keys": [KEY_TEXTS[0].replace("/w1", "/w9")]}],
    ),
    ("too-many", "More demands than datasets.", [{"threshold": 1, "keys": KEY_TEXTS}] * 2),
)


def _artefacts() -> Iterator[Vector]:
    make = refused_at("artefact digests", "artefact-digest-differs")
    yield make(
        "artefact-changed",
        "A byte more.",
        PLAIN,
        artifacts=ARTEFACTS | {"model.safetensors": WEIGHTS + b"\n"},
    )
    yield make(
        "artefacts-swapped",
        "Each has the other's name.",
        PLAIN,
        artifacts={"model.safetensors": METRICS, "metrics.json": WEIGHTS},
    )
    yield make(
        "artefact-withheld",
        "A file, and nothing was released.",
        OTHER,
        artifacts={"model.safetensors": WEIGHTS},
    )
    yield make(
        "artefact-unknown",
        "A file of another name that isn't about it.",
        PLAIN,
        artifacts={"notes.txt": b"hello\n"},
    )
