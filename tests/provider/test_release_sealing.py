from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PublicKey, Suite
from hypothesis import given
from hypothesis import strategies as st

from provider.release import (
    MAGIC,
    RESULT_KEY_BYTES,
    ReleaseOpenError,
    ResultKeyError,
    check_result_key,
    create_result_key,
    open_release,
    seal_release,
)

KEY = create_result_key()
JOB = "ab" * 32
FILES = {"model.safetensors": b"weights", "metrics.json": b"{}"}
SEALED = seal_release(FILES, result_key=KEY.public, job_id=JOB)


def test_what_is_sealed_opens_with_the_private_key() -> None:
    assert open_release(SEALED, KEY.private, JOB) == FILES


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=9), st.binary(max_size=99), max_size=4
    )
)
def test_any_files_survive_sealing_and_opening(files: dict[str, bytes]) -> None:
    assert open_release(seal_release(files, result_key=KEY.public, job_id=JOB), KEY.private, JOB) == files


def test_files_can_be_given_as_paths(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"on disk")
    sealed = seal_release({"model.safetensors": tmp_path / "weights"}, result_key=KEY.public, job_id=JOB)
    assert open_release(sealed, KEY.private, JOB) == {"model.safetensors": b"on disk"}


def test_the_ciphertext_shows_neither_names_nor_contents_and_is_new_each_time() -> None:
    assert b"model" not in SEALED
    assert b"weights" not in SEALED
    assert SEALED.startswith(MAGIC)
    assert seal_release(FILES, result_key=KEY.public, job_id=JOB) != SEALED


def test_another_key_or_another_job_does_not_open_it() -> None:
    with pytest.raises(ReleaseOpenError):
        open_release(SEALED, create_result_key().private, JOB)
    with pytest.raises(ReleaseOpenError):
        open_release(SEALED, KEY.private, "cd" * 32)


def test_no_changed_or_cut_byte_opens() -> None:
    for position in range(len(SEALED)):
        flipped = SEALED[:position] + bytes([SEALED[position] ^ 1]) + SEALED[position + 1 :]
        for changed in (flipped, SEALED[:position]):
            with pytest.raises(ReleaseOpenError):
                open_release(changed, KEY.private, JOB)


@given(st.binary(max_size=100))
def test_garbage_does_not_open(data: bytes) -> None:
    for changed in (data, MAGIC + b"\x01" + data):
        with pytest.raises(ReleaseOpenError):
            open_release(changed, KEY.private, JOB)


def sealed(plain: bytes) -> bytes:
    """Seal bytes of any form, as whoever knows the result key can."""
    suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    mlkem = MLKEM768PublicKey.from_public_bytes(KEY.public[1:-32])
    public = MLKEM768X25519PublicKey(mlkem, X25519PublicKey.from_public_bytes(KEY.public[-32:]))
    return MAGIC + b"\x01" + suite.encrypt(plain, public, MAGIC + JOB.encode())


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"[",
        b"[" * 500_000,
        b"{}",
        b"null",
        b"[[]]",
        b'[["a"]]',
        b'[["a", null]]',
        b'[["a", "1"]]',
        b'[["a", 4]]',
        b'[["a", 8], ["b", -5]]',
        b'[["a", 1], ["a", 2]]',
        b"[[1, 3]]",
        b'[["a", true], ["b", 2]]',
        b"\xff",
    ],
)
def test_what_was_sealed_in_another_form_opens_to_an_error_of_ours(header: bytes) -> None:
    with pytest.raises(ReleaseOpenError):
        open_release(sealed(len(header).to_bytes(4) + header + b"abc"), KEY.private, JOB)


def test_a_good_result_key_is_accepted() -> None:
    check_result_key(KEY.public)
    assert len(KEY.public) == RESULT_KEY_BYTES == 1217


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(b"", id="empty"),
        pytest.param(KEY.public[:-1], id="a byte short"),
        pytest.param(KEY.public + b"\x00", id="a byte long"),
        pytest.param(b"\x02" + KEY.public[1:], id="another suite"),
        pytest.param(KEY.public[:1] + b"\xff" * 1184 + KEY.public[-32:], id="no ML-KEM key"),
        pytest.param(KEY.public[:-32] + b"\x00" * 32, id="an X25519 point of low order"),
        pytest.param(KEY.private, id="the private key"),
    ],
)
def test_a_key_that_nothing_can_be_sealed_to_is_refused(key: bytes) -> None:
    with pytest.raises(ResultKeyError):
        check_result_key(key)
    with pytest.raises(ResultKeyError):
        seal_release(FILES, result_key=key, job_id=JOB)


def test_a_private_key_of_another_kind_is_refused() -> None:
    for key in (b"", KEY.private[:-1], KEY.public, b"\x02" + KEY.private[1:]):
        with pytest.raises(ResultKeyError):
            open_release(SEALED, key, JOB)


def test_a_key_pair_shows_no_secret_when_printed() -> None:
    assert KEY.private.hex() not in repr(KEY)
    assert repr(KEY.private) not in repr(KEY)
