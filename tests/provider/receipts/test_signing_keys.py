from __future__ import annotations

import json
from pathlib import Path

import pytest
from eth_account import Account

from provider.receipts.errors import (
    KeysExistError,
    KeysLockedError,
    KeysMissingError,
    MalformedError,
    SigningKeysError,
)
from provider.receipts.keys import KEYS_FILE, SigningKeys, create_signing_keys, load_signing_keys
from provider.receipts.signatures import (
    checksum_address,
    find_recovered_address,
    is_ed25519_signature,
    load_p256,
)

PASSWORD = "correct horse"


def create(folder: Path) -> SigningKeys:
    return create_signing_keys(folder, PASSWORD, chain_id=31337, scrypt_log2_n=4)


def test_keys_survive_writing_and_reading(tmp_path: Path) -> None:
    keys = create(tmp_path / "keys")
    loaded = load_signing_keys(tmp_path / "keys", PASSWORD, 31337)
    assert loaded.public() == keys.public()
    assert loaded.keyids == keys.keyids
    assert loaded.chain_id == 31337


def test_the_signer_address_is_the_one_that_ethereum_gives_the_key() -> None:
    keys = SigningKeys.generate(1)
    assert keys.public().signer == Account.from_key(keys.secp256k1.secret).address


def test_keys_are_never_overwritten(tmp_path: Path) -> None:
    keys = create(tmp_path)
    with pytest.raises(KeysExistError):
        create(tmp_path)
    assert load_signing_keys(tmp_path, PASSWORD, 31337).public() == keys.public()
    assert [path.name for path in tmp_path.iterdir()] == [KEYS_FILE]


def test_only_the_owner_can_read_the_file_and_no_secret_stands_in_it(tmp_path: Path) -> None:
    keys = create(tmp_path)
    path = tmp_path / KEYS_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    p256 = keys.p256.private_numbers().private_value.to_bytes(32)
    for secret in (p256, keys.secp256k1.secret, keys.ed25519.private_bytes_raw()):
        assert secret.hex() not in path.read_text()


def test_keys_show_no_secret_when_printed() -> None:
    assert repr(SigningKeys.generate(1)) == "SigningKeys(chain_id=1)"


def test_a_wrong_password_a_missing_file_and_another_chain_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(KeysMissingError):
        load_signing_keys(tmp_path, PASSWORD, 31337)
    create(tmp_path)
    with pytest.raises(KeysLockedError):
        load_signing_keys(tmp_path, "wrong", 31337)
    with pytest.raises(SigningKeysError, match="for chain 31337, expected chain 1"):
        load_signing_keys(tmp_path, PASSWORD, 1)


def test_an_empty_password_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SigningKeysError, match="empty"):
        create_signing_keys(tmp_path, "", chain_id=1)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_can_not_be_written_is_an_own_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SigningKeysError):
        create(tmp_path / "file" / "keys")


@pytest.mark.parametrize("field", ["chainId", "signer", "p256", "sealed", "nonce", "kdf", "version"])
def test_a_changed_field_locks_the_file(tmp_path: Path, field: str) -> None:
    create(tmp_path)
    path = tmp_path / KEYS_FILE
    document = json.loads(path.read_text())
    for value in (1, "00", None, {"log2N": 99, "salt": ""}, {"log2N": "x", "salt": ""}):
        path.write_text(json.dumps({**document, field: value}))
        if value != document[field]:
            with pytest.raises(KeysLockedError):
                load_signing_keys(tmp_path, PASSWORD, 31337)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\x00", b'{"nonce": 1}'])
def test_a_file_of_something_else_is_locked(tmp_path: Path, data: bytes) -> None:
    (tmp_path / KEYS_FILE).write_bytes(data)
    with pytest.raises(KeysLockedError):
        load_signing_keys(tmp_path, PASSWORD, 31337)


@pytest.mark.parametrize(
    "address",
    [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ],
)
def test_addresses_are_written_as_in_eip_55(address: str) -> None:
    assert checksum_address(address.lower()) == address


@pytest.mark.parametrize(
    "address", ["", "0x", "0x12", "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0x" + "g" * 40]
)
def test_what_is_no_address_is_malformed(address: str) -> None:
    with pytest.raises(MalformedError):
        checksum_address(address)


@pytest.mark.parametrize(
    "point", [b"", b"\x04" + b"\x01" * 64, b"\x02" + b"\x01" * 64, b"\x04" + b"\x00" * 64]
)
def test_what_is_no_p256_point_is_malformed(point: bytes) -> None:
    with pytest.raises(MalformedError):
        load_p256(point)


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        b"\x00" * 64 + b"\x1b",
        b"\xff" * 65,
        b"\x01" * 64 + b"\x00",
        b"\xff" * 32 + b"\x01" * 32 + b"\x1b",
    ],
)
def test_signatures_that_nobody_made_recover_to_nobody(signature: bytes) -> None:
    assert find_recovered_address(signature, b"message") is None


def test_the_first_ed25519_vector_of_rfc_8032_verifies() -> None:
    key = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    signature = bytes.fromhex(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )
    assert is_ed25519_signature(key, signature, b"")
    assert not is_ed25519_signature(key, signature, b"x")
    assert not is_ed25519_signature(key[:31], signature, b"")
