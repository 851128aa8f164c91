"""The test vectors that every verifier must verify."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from vector_maker import (
    FACTS,
    KEYS,
    OTHER_KEYS,
    WITNESSES,
    Vector,
    demanding,
    signed,
    signed_with,
    trusting,
    verified,
    with_envelope,
    with_note,
)

from policies.canonical import canonical_json, digest_of
from provider.receipts.facts import LogFacts, ReceiptFacts
from provider.receipts.note import Checkpoint, sign_checkpoint
from provider.receipts.reviews import REVIEW_CANCELLED, REVIEW_LATE
from tests.receipt_samples import (
    ANCHOR_BLOCK,
    ANCHOR_TIME,
    ARTEFACTS,
    ORIGIN,
    Sample,
    demanding_review,
    make_sample,
    measured,
    open_log,
    overruling,
    private,
    refused,
    reviewed,
    sample_facts,
    sample_request,
    sign_request,
    stayed,
    trusted_key,
    two_datasets,
    withheld,
)
from tests.witness_samples import cosign

PARAMETERS = {
    "b": [True, False, None, -0.0, 1e-7, 0.000001, 1e21, 1.5e300, -2.5, 2**53 - 1],
    "a": {"é": "Köln ✓ \U0001d510", "e": '"\\/\b\f\n\r\t\u0001\u007f\u2028'},
}


def cases() -> Iterator[Vector]:
    """Yield every case."""
    yield from _outcomes()
    yield from _places()
    yield from _keys()
    yield from _witnesses()
    yield from _forms()


def _outcomes() -> Iterator[Vector]:
    yield verified("released", "Two files left; both are here.", signed(), artifacts=ARTEFACTS)
    yield verified("withheld", "The job ran, the gate let nothing out.", signed(withheld(FACTS)))
    yield verified("refused", "Policy said no: no order, no seal, no run.", signed(refused(FACTS)))
    failed = withheld(FACTS)
    failed = replace(failed, egress=replace(failed.egress, outcome="failed", checks=(), rule="timeout"))
    yield verified("failed", "The job ran into its time limit.", signed(failed))
    yield verified("two-datasets", "One job on two datasets, an order for each.", signed(two_datasets(FACTS)))
    both = signed(reviewed(FACTS, "release", "release"))
    yield verified(
        "reviewed", "Two reviewers let it out; the files are those they saw.", both, artifacts=ARTEFACTS
    )
    split = signed(reviewed(FACTS, "release", "withhold"))
    yield verified("review-withheld", "One of two reviewers withheld it.", split)
    overruled = overruling(FACTS)
    yield verified(
        "review-overruled", "A privacy test did not pass, and two reviewers let it out.", signed(overruled)
    )
    late = withheld(demanding_review(FACTS))
    late = replace(late, egress=replace(late.egress, checks=(), rule=REVIEW_LATE))
    yield verified("review-late", "Nobody knows who decided by the time it was withheld.", signed(late))
    unneeded = demanding_review(measured(FACTS), when="not-passed")
    yield verified("review-not-needed", "Every test passed, so that nobody had to look.", signed(unneeded))
    late = stayed(demanding_review(FACTS, when="not-passed"), REVIEW_LATE)
    yield verified(
        "review-late-test", "A privacy test did not pass, and nobody decided in time.", signed(late)
    )
    stopped = stayed(demanding_review(FACTS), REVIEW_CANCELLED, "cancelled")
    yield verified(
        "review-cancelled", "Cancelled while people looked; a privacy test did not pass.", signed(stopped)
    )
    kept = stayed(FACTS, "rows-verbatim")
    yield verified("test-withheld", "A privacy test did not pass, and nobody may overrule it.", signed(kept))
    yield verified("log-open", "The consumer reads the log, which counts whole.", signed(open_log(FACTS)))
    yield verified("private", "Trained with differential privacy, its cost stated.", signed(private(FACTS)))
    yield verified(
        "parameters", "Numbers and texts that canonical JSON is about.", signed(_with_parameters())
    )


def _with_parameters() -> ReceiptFacts:
    digest = digest_of(canonical_json(PARAMETERS))
    request = sample_request(parameters=digest)
    job_id, signature = sign_request(request)
    job = replace(FACTS.job, id=job_id, request=request, request_signature=signature)
    return replace(
        FACTS, job=job, inputs=replace(FACTS.inputs, parameters=PARAMETERS, parameters_digest=digest)
    )


def _places() -> Iterator[Vector]:
    yield verified("log-of-one", "The only entry: no hashes.", signed(_at(0), size=1))
    yield verified("last-of-odd", "The last entry of an odd size has a shorter path.", signed(_at(6), size=7))
    yield verified("deep", "An entry of a thousand: ten hashes.", signed(_at(777), size=1000))


def _at(index: int) -> ReceiptFacts:
    return replace(FACTS, log=LogFacts(ORIGIN, index))


def _keys() -> Iterator[Vector]:
    old, new = (
        trusted_key(KEYS, valid_until=ANCHOR_TIME + 1),
        trusted_key(OTHER_KEYS, valid_from=ANCHOR_TIME + 1),
    )
    yield verified(
        "rotated", "The keys were replaced a second after the anchor.", trusting(signed(), keys=(old, new))
    )
    later = trusted_key(KEYS, valid_until=ANCHOR_TIME + 60, revoked_at=ANCHOR_TIME + 90)
    yield verified(
        "revoked-later",
        "The keys were revoked from a date after the anchor.",
        trusting(signed(), keys=(later,)),
    )
    broken = trusted_key(OTHER_KEYS, p256=b"\x04" + b"\x01" * 64)
    yield verified(
        "broken-key-published",
        "Another published P-256 key is no point of the curve; it doesn't spoil the receipts of good keys.",
        trusting(signed(), keys=(broken, trusted_key(KEYS))),
    )
    yield verified(
        "closed-later",
        "The log was closed a second after the anchor.",
        trusting(signed(), closed=ANCHOR_TIME + 1),
    )
    first_block = trusted_key(KEYS, valid_from=ANCHOR_TIME, valid_from_block=ANCHOR_BLOCK)
    yield verified(
        "valid-from-then",
        "The keys came into force in the anchor's own block.",
        trusting(signed(), keys=(first_block,)),
    )


def _witnesses() -> Iterator[Vector]:
    met = with_note(signed(demanding(FACTS)), lambda note: cosign(note, *WITNESSES[:2]))
    yield verified("witnessed", "Two of three witnesses cosigned, as a policy demands.", met)
    yield verified(
        "witnesses-not-needed",
        "Nothing left, so that nobody had to cosign.",
        signed(demanding(withheld(FACTS))),
    )


def _forms() -> Iterator[Vector]:
    plain = signed()
    yield verified(
        "url-safe-base64", "The envelope uses the URL-safe alphabet.", plain, receipt=_url_safe(plain.receipt)
    )
    stranger = make_sample(sample_facts(OTHER_KEYS), keys=OTHER_KEYS).envelope.signatures
    yield verified(
        "countersigned",
        "Signatures by keys that the trust root doesn't know are ignored.",
        with_envelope(plain, signatures=(*stranger, *plain.envelope.signatures)),
    )
    checkpoint = Checkpoint("witness.example/w1", plain.trust.anchors[0].size, plain.trust.anchors[0].root)
    line = sign_checkpoint(checkpoint, OTHER_KEYS).splitlines(keepends=True)[-1].encode()
    yield verified(
        "cosigned", "Another key's line under the checkpoint is ignored.", plain, proof=plain.proof + line
    )
    yield verified(
        "unknown-fields",
        "Unknown fields in the envelope and the statement are ignored.",
        _with_unknown_fields(),
    )
    yield verified(
        "spaced-statement",
        "A statement needs no canonical form: the signatures are over its bytes.",
        signed(payload=json.dumps(json.loads(plain.envelope.payload), indent=1).encode()),
    )


def _url_safe(receipt: bytes) -> bytes:
    document = json.loads(receipt)
    for holder, key in ((document, "payload"), *((item, "sig") for item in document["signatures"])):
        holder[key] = holder[key].replace("+", "-").replace("/", "_")
    return json.dumps(document).encode() + b"\n"


def _with_unknown_fields() -> Sample:
    sample = signed_with("predicate.egress.overrule", {"verdict": "WITHHELD"})
    return replace(sample, receipt=sample.receipt.replace(b"{", b'{"future":[1,{"a":null}],', 1))
