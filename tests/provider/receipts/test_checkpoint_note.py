from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider.receipts.errors import MalformedError, Verdict, VerificationError
from provider.receipts.keys import SigningKeys
from provider.receipts.log import entry_bytes, log_origin
from provider.receipts.note import (
    Checkpoint,
    parse_checkpoint,
    parse_note,
    sign_checkpoint,
    verify_checkpoint,
)
from provider.receipts.proof import LogProof, format_proof, parse_proof
from provider.receipts.signatures import is_ed25519_signature, note_keyid
from tests.receipt_samples import CHAIN_ID, ORIGIN, PROVIDER

KEYS = SigningKeys.generate(CHAIN_ID)
ED25519 = KEYS.public().ed25519
CHECKPOINT = Checkpoint(ORIGIN, 7, b"\x5a" * 32)
NOTE = sign_checkpoint(CHECKPOINT, KEYS)
ROOT_LINE = base64.b64encode(b"\x5a" * 32).decode()


def test_the_note_of_the_go_reference_package_verifies() -> None:
    """The example of golang.org/x/mod/sumdb/note: its verifier key and its signed text."""
    key = base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")[1:]
    note = parse_note(
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n\n"
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    )
    (signature,) = note.signatures
    assert note_keyid("PeterNeumann", key).hex() == "c74f20a3"
    assert (signature.name, signature.keyid.hex()) == ("PeterNeumann", "c74f20a3")
    assert is_ed25519_signature(key, signature.sig, note.text.encode())


def test_the_checkpoint_of_the_c2sp_specification_is_read() -> None:
    note = parse_note(
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
        "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+"
        "zyWE+xeMcTOAYQ8=\n"
    )
    checkpoint = parse_checkpoint(note.text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)


def test_a_signed_checkpoint_verifies_and_returns_what_was_signed() -> None:
    assert verify_checkpoint(NOTE, ORIGIN, ED25519) == CHECKPOINT


def test_cosignatures_of_strangers_are_ignored() -> None:
    stranger = "— witness.example " + base64.b64encode(b"\x01\x02\x03\x04" + b"s" * 72).decode() + "\n"
    assert verify_checkpoint(NOTE + stranger, ORIGIN, ED25519) == CHECKPOINT


def check_refused(note: str, origin: str, key: bytes, verdict: Verdict) -> None:
    with pytest.raises(VerificationError) as caught:
        verify_checkpoint(note, origin, key)
    assert caught.value.verdict is verdict


def test_another_key_or_another_log_is_unknown_and_an_altered_text_is_badly_signed() -> None:
    other = SigningKeys.generate(CHAIN_ID).public().ed25519
    check_refused(NOTE, ORIGIN, other, Verdict.UNKNOWN_KEY)
    check_refused(NOTE, ORIGIN + "0", ED25519, Verdict.UNKNOWN_KEY)
    check_refused(NOTE.replace("\n7\n", "\n8\n"), ORIGIN, ED25519, Verdict.BAD_SIGNATURE)


def test_a_known_key_with_one_bad_signature_among_good_ones_is_refused() -> None:
    line = NOTE.rsplit("\n", 2)[1]
    raw = bytearray(base64.b64decode(line.rsplit(" ", 1)[1]))
    raw[-1] ^= 1
    bad = f"{line.rsplit(' ', 1)[0]} {base64.b64encode(raw).decode()}\n"
    check_refused(NOTE + bad, ORIGIN, ED25519, Verdict.BAD_SIGNATURE)


def test_a_checkpoint_that_the_log_signed_twice_is_malformed() -> None:
    with pytest.raises(MalformedError):
        verify_checkpoint(NOTE + NOTE.rsplit("\n", 2)[1] + "\n", ORIGIN, ED25519)


def test_a_signed_text_naming_another_log_is_refused() -> None:
    text = Checkpoint("sealroom/1/other", 7, b"\x5a" * 32).to_text()
    raw = note_keyid(ORIGIN, ED25519) + KEYS.sign_ed25519(text.encode())
    check_refused(
        f"{text}\n— {ORIGIN} {base64.b64encode(raw).decode()}\n", ORIGIN, ED25519, Verdict.UNKNOWN_KEY
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"o\n{size}\n{ROOT_LINE}\n", id=f"size {size!r}")
        for size in (
            "+7",
            "-7",
            "07",
            "7_0",
            " 7",
            "7 ",
            "",
            "\u0667",
            "0x7",
            "1e3",
            "7.0",
            str(2**53),
            "9" * 5000,
        )
    ]
    + [
        pytest.param(f"o\n7\n{ROOT_LINE}\nextension\n", id="an extension line"),
        pytest.param(f"o\n7\n{ROOT_LINE}\n\n", id="an empty line more"),
        pytest.param(f"o\n7\n{ROOT_LINE}", id="no line feed at the end"),
        pytest.param(f"\n7\n{ROOT_LINE}\n", id="an empty origin"),
        pytest.param("o\n7\n\n", id="an empty root"),
        pytest.param(f"o\n7\n{base64.b64encode(b'x' * 31).decode()}\n", id="a root of 31 bytes"),
        pytest.param(f"o\n7\n{ROOT_LINE.rstrip('=')}\n", id="a root without padding"),
        pytest.param(f"o\r\n7\r\n{ROOT_LINE}\r\n", id="carriage returns"),
    ],
)
def test_a_checkpoint_text_has_one_form_only(text: str) -> None:
    with pytest.raises(MalformedError):
        parse_checkpoint(text)


@pytest.mark.parametrize(
    "note",
    [
        pytest.param("", id="empty"),
        pytest.param("text\n", id="no signatures"),
        pytest.param("text\n\n", id="no signature line"),
        pytest.param("text\n\n— name\n", id="no signature in the line"),
        pytest.param("text\n\n- name c2lnbmF0dXJl\n", id="a hyphen for the dash"),
        pytest.param("text\n\n— na+me c2lnbmF0dXJl\n", id="a plus in the name"),
        pytest.param("text\n\n—  c2lnbmF0dXJl\n", id="an empty name"),
        pytest.param("text\n\n— name AQID\n", id="shorter than a key id"),
        pytest.param("text\n\n— name c2lnbmF0dXJl", id="no line feed at the end"),
        pytest.param("te\txt\n\n— name c2lnbmF0dXJl\n", id="a control character"),
        pytest.param("text\n\n" + "— name c2lnbmF0dXJl\n" * 65, id="too many signatures"),
        pytest.param("t" * 200_000 + "\n\n— name c2lnbmF0dXJl\n", id="too long"),
    ],
)
def test_what_is_no_note_is_malformed(note: str) -> None:
    with pytest.raises(MalformedError):
        parse_note(note)


def test_sixteen_signatures_are_read() -> None:
    assert len(parse_note("text\n\n" + "— name c2lnbmF0dXJl\n" * 16).signatures) == 16


@given(st.text(max_size=200))
def test_garbage_text_is_malformed_and_nothing_else(text: str) -> None:
    for read in (parse_note, parse_checkpoint):
        with pytest.raises(MalformedError):
            read(text)


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "a\nb"])
def test_an_origin_that_could_not_be_read_back_is_not_signed(origin: str) -> None:
    with pytest.raises(MalformedError):
        sign_checkpoint(Checkpoint(origin, 1, b"r" * 32), KEYS)


def test_a_log_has_one_name_whatever_the_capitals() -> None:
    assert (
        log_origin(PROVIDER.upper().replace("0X", "0x"), CHAIN_ID) == ORIGIN == f"sealroom/31337/{PROVIDER}"
    )
    for provider, chain_id in (("0x12", 1), (PROVIDER, 0), (PROVIDER + "\n", 1)):
        with pytest.raises(MalformedError):
            log_origin(provider, chain_id)


def test_a_log_entry_is_a_tag_and_a_hash_and_holds_no_data() -> None:
    assert entry_bytes(b"abc") == b"sealroom-receipt-v1\n" + bytes.fromhex(
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_a_proof_file_is_what_c2sp_says_it_is() -> None:
    text = format_proof(3, [b"\x01" * 32, b"\x02" * 32], NOTE)
    one, two = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
    assert text == f"c2sp.org/tlog-proof@v1\nindex 3\n{one}\n{two}\n\n{NOTE}"
    assert parse_proof(text.encode()) == LogProof(3, (b"\x01" * 32, b"\x02" * 32), NOTE)


@pytest.mark.parametrize("count", [0, 1, 63])
def test_a_proof_file_survives_writing_and_reading(count: int) -> None:
    hashes = tuple(bytes([number]) * 32 for number in range(count))
    assert parse_proof(format_proof(0, hashes, NOTE).encode()) == LogProof(0, hashes, NOTE)


HEAD = "c2sp.org/tlog-proof@v1\n"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(HEAD, id="header alone"),
        pytest.param(HEAD + "\n" + NOTE, id="no index"),
        pytest.param(HEAD + "index 03\n\n" + NOTE, id="leading zero"),
        pytest.param(HEAD + "index +3\n\n" + NOTE, id="sign"),
        pytest.param(HEAD + "index  3\n\n" + NOTE, id="two spaces"),
        pytest.param(HEAD + "Index 3\n\n" + NOTE, id="capital"),
        pytest.param(HEAD + "extra aGk=\nindex 3\n\n" + NOTE, id="extra line"),
        pytest.param(HEAD + "index 3\naGk=\n\n" + NOTE, id="short hash"),
        pytest.param(HEAD + f"index 3\n {ROOT_LINE}\n\n" + NOTE, id="space before a hash"),
        pytest.param(HEAD + "index 3\n" + f"{ROOT_LINE}\n" * 64 + "\n" + NOTE, id="too many hashes"),
        pytest.param(HEAD.replace("v1", "v2") + "index 3\n\n" + NOTE, id="another version"),
        pytest.param("\n" + HEAD + "index 3\n\n" + NOTE, id="empty first line"),
        pytest.param(HEAD + "index 3\n\n" + "x" * 200_000, id="too large"),
    ],
)
def test_what_is_no_proof_is_malformed(text: str) -> None:
    with pytest.raises(MalformedError):
        parse_proof(text.encode())


@given(st.binary(max_size=200), st.booleans())
def test_garbage_proofs_are_malformed_and_nothing_else(data: bytes, headed: bool) -> None:  # noqa: FBT001 - hypothesis
    with pytest.raises(MalformedError):
        parse_proof((HEAD.encode() if headed else b"") + data.replace(b"\n\n", b""))
