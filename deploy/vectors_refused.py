"""The test vectors that fail before the statement is read: files, signatures, checkpoint, path, anchor, keys."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace

from vector_maker import (
    FACTS,
    KEYS,
    OTHER_KEYS,
    Vector,
    refused_at,
    signed,
    trusting,
    with_envelope,
    with_text,
)

from provider.receipts.envelope import MAX_SIGNATURES, Envelope
from provider.receipts.note import Checkpoint, sign_checkpoint
from provider.receipts.proof import format_proof, parse_proof
from tests.receipt_samples import (
    ANCHOR_BLOCK,
    ANCHOR_TIME,
    ORIGIN,
    Sample,
    trusted_key,
    withheld,
)

SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
PLAIN = signed()
OTHER = signed(withheld(FACTS))


def cases() -> Iterator[Vector]:
    """Yield them, in the order of the checklist."""
    yield from _trust_roots()
    yield from _receipts()
    yield from _proofs()
    yield from _signatures()
    yield from _checkpoints()
    yield from _inclusion()
    yield from _anchors()
    yield from _keys()


def _trust_roots() -> Iterator[Vector]:
    make, good = refused_at("read trust root", "malformed"), PLAIN.trust.to_json()
    yield make(
        "trust-version",
        "A version that isn't known.",
        PLAIN,
        trust=with_text(good, '"version": 1', '"version": 2'),
    )
    other = "sealroom/31337/0x00000000000000000000000000000000000000b1"
    yield make(
        "trust-origin", "The origin is another provider's.", PLAIN, trust=with_text(good, ORIGIN, other)
    )
    twice = with_text(good, '"keys": [', '"keys": [],\n  "keys": [')
    yield make("trust-duplicate-key", "A key stands twice.", PLAIN, trust=twice)
    bare = with_text(good, '"validUntil": null', '"validFor": null')
    yield make("trust-field-missing", "A key set doesn't say until when.", PLAIN, trust=bare)


def _receipts() -> Iterator[Vector]:
    make, good = refused_at("read receipt", "malformed"), PLAIN.receipt
    payload = json.loads(good)["payload"]
    yield make("receipt-empty", "No line.", PLAIN, receipt=b"")
    yield make("receipt-cut", "The last line feed is missing.", PLAIN, receipt=good[:-1])
    yield make("receipt-two-envelopes", "Two lines; a proof is for one.", PLAIN, receipt=good * 2)
    yield make("receipt-padded", "White space before the object.", PLAIN, receipt=b" " + good)
    yield make(
        "receipt-duplicate-key", "A key stands twice.", PLAIN, receipt=_front(good, '"payloadType":"x",')
    )
    yield make("receipt-float", "A number with a fraction.", PLAIN, receipt=_front(good, '"x":1.0,'))
    yield make("receipt-large-number", "2^53.", PLAIN, receipt=_front(good, f'"x":{2**53},'))
    yield make("receipt-nan", "NaN is not JSON.", PLAIN, receipt=_front(good, '"x":NaN,'))
    yield make(
        "receipt-surrogate", "Half of a surrogate pair.", PLAIN, receipt=_front(good, '"x":"\\ud800",')
    )
    yield make("receipt-deep", "Five levels of nesting.", PLAIN, receipt=_front(good, '"x":[[[[]]]],'))
    yield make(
        "receipt-not-utf-8",
        "A byte that is not UTF-8.",
        PLAIN,
        receipt=good.replace(b"p256:", b"p\xff56:", 1),
    )
    unpadded = with_text(good, '"payload":"', '"payload":"AA')
    yield make("receipt-base64-length", "Two characters too many, without padding.", PLAIN, receipt=unpadded)
    mixed = with_text(good, payload, "-_+/" + payload)
    yield make("receipt-base64-mixed", "Both alphabets in one envelope.", PLAIN, receipt=mixed)
    spare = _with_spare_bits(good)
    yield make(
        "receipt-base64-spare-bits", "A second text for the same signature bytes.", PLAIN, receipt=spare
    )
    first, second = PLAIN.envelope.signatures
    yield make(
        "receipt-keyid-twice",
        "One key id, two signatures.",
        with_envelope(PLAIN, signatures=(first, second, first)),
    )
    many = tuple(replace(first, keyid=f"k{number}") for number in range(MAX_SIGNATURES - 1))
    yield make(
        "receipt-signatures",
        "One signature too many.",
        with_envelope(PLAIN, signatures=(first, second, *many)),
    )


def _front(receipt: bytes, text: str) -> bytes:
    return with_text(receipt, "{", "{" + text)


def _with_spare_bits(receipt: bytes) -> bytes:
    """Return the receipt with the last bits before the padding of its 65-byte signature set, which no decoder reads."""
    text = base64.b64encode(PLAIN.envelope.signatures[1].sig).decode()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    body = text.rstrip("=")
    other = body[:-1] + alphabet[alphabet.index(body[-1]) + 1] + text[len(body) :]
    return with_text(receipt, text, other)


def _proofs() -> Iterator[Vector]:
    make, good = refused_at("read proof", "malformed"), PLAIN.proof
    head, note = good.split(b"\n\n", 1)
    first_hash = head.split(b"\n")[2].decode()
    yield make("proof-header", "Another version.", PLAIN, proof=with_text(good, "@v1", "@v2"))
    yield make(
        "proof-extra",
        "The line that isn't authenticated.",
        PLAIN,
        proof=with_text(good, "index", "extra AAAA\nindex"),
    )
    yield make("proof-index", "A leading zero.", PLAIN, proof=with_text(good, "index 3", "index 03"))
    short = base64.b64encode(bytes(31)).decode()
    yield make("proof-hash-length", "31 bytes.", PLAIN, proof=with_text(good, first_hash, short))
    yield make("proof-no-checkpoint", "It ends before the empty line.", PLAIN, proof=head + b"\n")
    yield make("proof-carriage-return", "Lines end with CR LF.", PLAIN, proof=good.replace(b"\n", b"\r\n"))
    yield make("proof-empty", "Nothing but the checkpoint.", PLAIN, proof=note)


def _signatures() -> Iterator[Vector]:
    p256, signer = PLAIN.envelope.signatures
    unknown = refused_at("know the keys", "unknown-key")
    yield unknown(
        "keys-unknown", "The trust root has other keys.", trusting(PLAIN, keys=(trusted_key(OTHER_KEYS),))
    )
    yield unknown("keys-none", "The trust root has no keys.", trusting(PLAIN, keys=()))
    yield unknown("p256-alone", "No secp256k1 signature.", with_envelope(PLAIN, signatures=(p256,)))
    yield unknown("secp256k1-alone", "No P-256 signature.", with_envelope(PLAIN, signatures=(signer,)))
    other_p256, other_signer = OTHER.envelope.signatures
    bad = refused_at("p-256 signature", "bad-signature")
    yield bad(
        "p256-of-another",
        "It is over another statement.",
        with_envelope(PLAIN, signatures=(other_p256, signer)),
    )
    trailing = replace(p256, sig=p256.sig + b"\x00")
    yield bad("p256-trailing", "A byte after the DER.", with_envelope(PLAIN, signatures=(trailing, signer)))
    payload = Envelope(PLAIN.envelope.payload + b" ", PLAIN.envelope.payload_type, PLAIN.envelope.signatures)
    yield bad(
        "payload-changed", "A space after the statement.", with_envelope(PLAIN, payload=payload.payload)
    )
    bad = refused_at("secp256k1 signature", "bad-signature")
    yield bad(
        "secp256k1-of-another",
        "It is over another statement.",
        with_envelope(PLAIN, signatures=(p256, other_signer)),
    )
    for name, about, sig in _second_forms(signer.sig):
        yield bad(name, about, with_envelope(PLAIN, signatures=(p256, replace(signer, sig=sig))))


def _second_forms(sig: bytes) -> Iterator[tuple[str, str, bytes]]:
    r, s, v = sig[:32], int.from_bytes(sig[32:64]), sig[64]
    yield (
        "secp256k1-high-s",
        "The mirrored signature: n - s, and the other v.",
        r + (SECP256K1_ORDER - s).to_bytes(32) + bytes([55 - v]),
    )
    yield "secp256k1-v", "v is 0 or 1.", sig[:64] + bytes([v - 27])
    yield "secp256k1-no-v", "64 bytes.", sig[:64]


def _checkpoints() -> Iterator[Vector]:
    unknown = refused_at("checkpoint signature", "unknown-key")
    anchor = PLAIN.trust.anchors[0]
    checkpoint = Checkpoint(ORIGIN, anchor.size, anchor.root)
    strange = sign_checkpoint(checkpoint, OTHER_KEYS)
    yield unknown("checkpoint-of-stranger", "Another key signed, under the log's name.", _noted(strange))
    renamed = sign_checkpoint(checkpoint, KEYS).replace(f"— {ORIGIN}", "— sealroom/another")
    yield unknown("checkpoint-key-name", "The key's name isn't the origin.", _noted(renamed))
    elsewhere = _signed_note(f"sealroom/1/{ORIGIN.rsplit('/', 1)[1]}\n{anchor.size}\n{_b64(anchor.root)}\n")
    yield unknown(
        "checkpoint-of-another-log",
        "The log's key signed, but the text names another log.",
        _noted(elsewhere),
    )
    bad = refused_at("checkpoint signature", "bad-signature")
    yield bad(
        "checkpoint-size",
        "Another size than was signed.",
        replace(PLAIN, proof=with_text(PLAIN.proof, "\n7\n", "\n8\n")),
    )
    malformed = refused_at("checkpoint signature", "malformed")
    extended = _signed_note(f"{checkpoint.to_text()}extension\n")
    yield malformed("checkpoint-extension", "A fourth line, signed.", _noted(extended))
    padded = _signed_note(f"{ORIGIN}\n0{anchor.size}\n{_b64(anchor.root)}\n")
    yield malformed("checkpoint-leading-zero", "The size has a leading zero, signed.", _noted(padded))
    twice = replace(PLAIN, proof=PLAIN.proof + PLAIN.proof[PLAIN.proof.rindex(b"\xe2\x80\x94") :])
    yield malformed("checkpoint-signed-twice", "The log's line stands twice.", twice)
    unsigned = replace(PLAIN, proof=PLAIN.proof[: PLAIN.proof.rindex(b"\xe2\x80\x94")])
    yield malformed("checkpoint-unsigned", "No signature line.", unsigned)


def _noted(note: str) -> Sample:
    proof = parse_proof(PLAIN.proof)
    return replace(PLAIN, proof=format_proof(proof.index, proof.hashes, note).encode())


def _signed_note(text: str) -> str:
    """Sign any text with the log's key, under the log's name."""
    signature_line = sign_checkpoint(Checkpoint(ORIGIN, 1, bytes(32)), KEYS).rsplit("\n", 2)[1]
    keyid = base64.b64decode(signature_line.rsplit(" ", 1)[1])[:4]
    return f"{text}\n— {ORIGIN} {_b64(keyid + KEYS.sign_ed25519(text.encode()))}\n"


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _inclusion() -> Iterator[Vector]:
    make, proof = refused_at("entry included", "not-included"), parse_proof(PLAIN.proof)
    both = trusting(PLAIN, anchors=(*PLAIN.trust.anchors, *OTHER.trust.anchors))
    yield make("proof-of-another", "The proof of another receipt.", replace(both, proof=OTHER.proof))
    yield make("proof-short", "A hash is missing.", _path(proof.index, proof.hashes[:-1]))
    yield make("proof-long", "A hash too many.", _path(proof.index, (*proof.hashes, bytes(32))))
    yield make(
        "proof-swapped",
        "Two hashes exchanged.",
        _path(proof.index, (*proof.hashes[1::-1], *proof.hashes[2:])),
    )
    yield make("proof-other-index", "The neighbour's index.", _path(proof.index - 1, proof.hashes))
    yield make("proof-past-the-end", "An index that the tree doesn't have.", _path(7, proof.hashes))
    message = Envelope(PLAIN.envelope.payload, "text/plain", ()).pae
    p256, signer = PLAIN.envelope.signatures
    signatures = (
        replace(p256, sig=KEYS.sign_p256(message)),
        replace(signer, sig=KEYS.sign_secp256k1(message)),
    )
    retyped = with_envelope(PLAIN, payload_type="text/plain", signatures=signatures)
    yield make("payload-type", "Another payload type, signed, isn't what was logged.", retyped)


def _path(index: int, hashes: tuple[bytes, ...]) -> Sample:
    note = parse_proof(PLAIN.proof).note
    return replace(PLAIN, proof=format_proof(index, hashes, note).encode())


def _anchors() -> Iterator[Vector]:
    make = refused_at("root anchored", "root-not-anchored")
    (anchor,) = PLAIN.trust.anchors
    yield make("anchor-none", "No root was anchored.", trusting(PLAIN, anchors=()))
    closed = trusting(PLAIN, closed=ANCHOR_TIME)
    yield make("anchor-of-closed-log", "The log was closed in the anchor's own second.", closed)
    other_root = replace(anchor, root=bytes(32))
    yield make("anchor-other-root", "Another root of this size.", trusting(PLAIN, anchors=(other_root,)))
    yield make(
        "anchor-other-size",
        "This root, for another size.",
        trusting(PLAIN, anchors=(replace(anchor, size=8),)),
    )


def _keys() -> Iterator[Vector]:
    make = refused_at("keys valid then", "key-not-valid-then")
    ended = trusted_key(KEYS, valid_until=ANCHOR_TIME)
    yield make("key-ended-then", "Replaced in the anchor's own second.", trusting(PLAIN, keys=(ended,)))
    yield make(
        "key-late-block",
        "Published a block later.",
        trusting(PLAIN, keys=(trusted_key(KEYS, valid_from_block=ANCHOR_BLOCK + 1),)),
    )
    yield make(
        "key-late-time",
        "Published a second later.",
        trusting(PLAIN, keys=(trusted_key(KEYS, valid_from=ANCHOR_TIME + 1),)),
    )
    yield make(
        "key-revoked",
        "Revoked without a date.",
        trusting(PLAIN, keys=(trusted_key(KEYS, revoked_at=ANCHOR_TIME + 90),)),
    )
    before = trusted_key(KEYS, valid_until=ANCHOR_TIME - 1, revoked_at=ANCHOR_TIME + 90)
    yield make(
        "key-revoked-before", "Revoked from a date before the anchor.", trusting(PLAIN, keys=(before,))
    )
    yield make(
        "key-revoked-again-published",
        "Revoked, then published again.",
        trusting(PLAIN, keys=(before, trusted_key(KEYS))),
    )
    public = OTHER_KEYS.public()
    split = trusted_key(KEYS, signer=public.signer, ed25519=public.ed25519)
    late = trusted_key(OTHER_KEYS, p256=KEYS.public().p256, valid_from=ANCHOR_TIME + 1)
    mixed = replace(late, signer=KEYS.public().signer, ed25519=KEYS.public().ed25519)
    yield make(
        "key-one-of-three",
        "The P-256 key was in force, the other two were not.",
        trusting(PLAIN, keys=(split, mixed)),
    )
