"""Our verification gives the results that others published; where it says no to what they call valid, the test says why."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from policies.witnesses import parse_witness_key
from provider.receipts.cosignature import cosigned_message
from provider.receipts.envelope import parse_envelope
from provider.receipts.errors import MalformedError, ProofInvalidError
from provider.receipts.note import parse_checkpoint, parse_note
from provider.receipts.signatures import (
    SECP256K1_HALF_ORDER,
    address_of,
    find_recovered_address,
    is_ed25519_signature,
    is_p256_signature,
    note_keyid,
)
from provider.receipts.tree import HASH_BYTES, verify_consistency, verify_inclusion

PUBLISHED = Path(__file__).resolve().parents[2] / "vectors" / "published"


def load(name: str) -> Any:
    return json.loads((PUBLISHED / name).read_text(encoding="utf-8"))


def wycheproof(name: str, key: str) -> Iterator[tuple[bytes, bytes, bytes, dict[str, Any]]]:
    """Each test as key, signature, message, and all of it; all that the file says it has."""
    document, seen = load(f"wycheproof/{name}"), 0
    for group in document["testGroups"]:
        public = bytes.fromhex(group["publicKey"][key])
        for test in group["tests"]:
            yield public, bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"]), test
            seen += 1
    assert seen == document["numberOfTests"] > 0


def test_wycheproof_p256_signatures_have_the_published_results() -> None:
    for key, signature, message, test in wycheproof("ecdsa_secp256r1_sha256_test.json", "uncompressed"):
        assert is_p256_signature(key, signature, message) == (test["result"] == "valid"), test


def test_wycheproof_ed25519_signatures_have_the_published_results() -> None:
    """Where both answers are `acceptable`, a key of small order is refused: anyone can sign for it."""
    for key, signature, message, test in wycheproof("ed25519_test.json", "pk"):
        accepted = is_ed25519_signature(key, signature, message)
        if test["result"] == "acceptable":
            assert accepted == ("SmallOrderPublicKey" not in test["flags"]), test
        else:
            assert accepted == (test["result"] == "valid"), test


SMALL_ORDER_KEYS = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]


@pytest.mark.parametrize("key", SMALL_ORDER_KEYS)
def test_a_key_for_which_anyone_can_sign_signs_nothing(key: str) -> None:
    """The forgery needs no secret: R the neutral point and S 0 verify for one message in as many as the key's order."""
    raw, forgery = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)), b"\x01" + bytes(63)
    forged = [
        message for message in (b"%d" % number for number in range(200)) if accepts(raw, forgery, message)
    ]
    assert forged
    assert not any(is_ed25519_signature(bytes.fromhex(key), forgery, message) for message in forged)


def accepts(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def test_wycheproof_secp256k1_signatures_have_the_published_results_but_for_a_high_s() -> None:
    """Ours carry v, which the vectors don't: both are tried. A high s is the one thing that only we refuse (EIP-2)."""
    for key, signature, message, test in wycheproof("ecdsa_secp256k1_sha256_p1363_test.json", "uncompressed"):
        recovered = {find_recovered_address(signature + bytes([v]), message) for v in (27, 28)}
        high = (
            len(signature) == 2 * HASH_BYTES and int.from_bytes(signature[HASH_BYTES:]) > SECP256K1_HALF_ORDER
        )
        assert (address_of(key) in recovered) == (test["result"] == "valid" and not high), test


DSSE = load("dsse/vectors.json")
NOT_OURS = {
    "empty-payload": "payload: expected text",
    "threshold-two-without-keyids": "keyid: expected text",
    "threshold-two-one-key-twice": "a key id stands twice",
    "empty-payload-type": "payloadType: expected text",
}
"""What our envelopes never are: the first two are valid to DSSE, and refused here because no receipt looks like that."""


@pytest.mark.parametrize("vector", DSSE["vectors"], ids=lambda vector: vector["id"])
def test_dsse_vectors_have_the_published_results(vector: dict[str, Any]) -> None:
    data = json.dumps(vector["envelope"]).encode()
    if vector["id"] in NOT_OURS:
        with pytest.raises(MalformedError, match=NOT_OURS[vector["id"]]):
            parse_envelope(data)
        return
    envelope = parse_envelope(data)
    assert (envelope.pae.hex() == vector["pae"]) == (vector["expect"] == "accept")
    good = [
        item.keyid
        for item in envelope.signatures
        if is_ed25519_signature(bytes.fromhex(DSSE["keys"][item.keyid]["public"]), item.sig, envelope.pae)
    ]
    assert (len(good) >= vector["threshold"]) == (vector["expect"] == "accept")


MERKLE = load("merkle/vectors.json")


def decoded(name: str) -> dict[str, Any]:
    """One vector with its hashes as bytes."""
    hashes = {"root", "leafHash", "root1", "root2"}
    vector: dict[str, Any] = MERKLE[name]
    found = {key: base64.b64decode(item) if key in hashes else item for key, item in vector.items()}
    return found | {"proof": [base64.b64decode(item) for item in vector["proof"]]}


def alterations(vector: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The vector with one thing wrong, as in the files left out: a number, a bit of a hash, a hash too few or too many.

    A size that is off by one may keep the path's shape, and then nothing in a path tells: a root names no size.
    """
    for key, item in vector.items():
        if key in {"leafIdx", "size1"}:
            yield from ({**vector, key: other} for other in (item - 1, item + 1, item ^ 2))
        elif key in {"treeSize", "size2"}:
            yield from ({**vector, key: other} for other in (item * 2, item // 2))
        elif isinstance(item, bytes):
            yield from ({**vector, key: other} for other in (b"", flip(item), b"\x00" * HASH_BYTES))
    proof = vector["proof"]
    for place in range(len(proof)):
        yield {**vector, "proof": [*proof[:place], flip(proof[place]), *proof[place + 1 :]]}
        yield {**vector, "proof": proof[:place] + proof[place + 1 :]}
        yield {**vector, "proof": [*proof[:place], proof[place], *proof[place:]]}
    yield {**vector, "proof": [b"", *proof]}
    yield {**vector, "proof": [*proof, b""]}


def flip(data: bytes) -> bytes:
    return bytes([data[0] ^ 8]) + data[1:]


def check_inclusion(vector: dict[str, Any]) -> None:
    verify_inclusion(
        vector["leafHash"], vector["leafIdx"], vector["treeSize"], vector["proof"], vector["root"]
    )


def check_consistency(vector: dict[str, Any]) -> None:
    verify_consistency(vector["size1"], vector["root1"], vector["size2"], vector["root2"], vector["proof"])


@pytest.mark.parametrize("name", MERKLE)
def test_merkle_proofs_hold_as_published_and_with_nothing_altered(name: str) -> None:
    vector = decoded(name)
    check = check_inclusion if name.startswith("inclusion") else check_consistency
    check(vector)
    for altered in alterations(vector):
        with pytest.raises(ProofInvalidError):
            check(altered)


NOTES = load("c2sp/notes.json")


@pytest.mark.parametrize("name", NOTES)
def test_the_signed_notes_of_the_specifications_are_read(name: str) -> None:
    note = parse_note(NOTES[name])
    assert NOTES[name].startswith(note.text + "\n— ")
    assert [len(item.sig) for item in note.signatures] == [64, 72][: len(note.signatures)]


def test_the_note_whose_key_was_published_verifies() -> None:
    key = base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")[1:]
    note = parse_note(NOTES["sumdb/note"])
    (signature,) = note.signatures
    assert signature.keyid == note_keyid(signature.name, key) == bytes.fromhex("c74f20a3")
    assert is_ed25519_signature(key, signature.sig, note.text.encode())
    assert not is_ed25519_signature(key, signature.sig, note.text[:-1].encode())


def test_the_checkpoint_of_the_specification_is_read() -> None:
    checkpoint = parse_checkpoint(parse_note(NOTES["tlog-checkpoint.md"]).text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)


def test_the_cosignature_of_the_specification_is_over_the_message_that_it_says() -> None:
    note = parse_note(NOTES["tlog-cosignature.md"])
    stamped = note.signatures[1].sig
    time = int.from_bytes(stamped[:8])
    assert time == 1679315147
    assert cosigned_message(note.text, time).decode() == f"cosignature/v1\ntime 1679315147\n{note.text}"


def test_a_published_key_of_a_witness_has_the_id_that_stands_in_it() -> None:
    text = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
    key = parse_witness_key(text)
    assert (key.name, key.keyid.hex(), key.to_text()) == ("remora.n621.de", "da77ade7", text)
