from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from datatokens.accounts import create_keystore, import_keystore, list_accounts, load_account
from datatokens.errors import (
    KeystoreError,
    KeystoreExistsError,
    KeystoreInvalidError,
    KeystoreMissingError,
    WrongPasswordError,
)

FAST = 2


def test_a_created_key_opens_with_its_password(tmp_path: Path) -> None:
    address = create_keystore(tmp_path, "owner", "secret", kdf_iterations=FAST)
    assert load_account(tmp_path, "owner", "secret").address == address


def test_a_key_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    create_keystore(tmp_path / "keys", "owner", "secret", kdf_iterations=FAST)
    assert stat.S_IMODE((tmp_path / "keys" / "owner.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_a_key_file_is_a_v3_keystore_without_the_key_in_clear(tmp_path: Path) -> None:
    create_keystore(tmp_path, "owner", "secret", kdf_iterations=FAST)
    text = (tmp_path / "owner.json").read_text()
    assert json.loads(text)["version"] == 3
    assert load_account(tmp_path, "owner", "secret").key.hex() not in text


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    address = create_keystore(tmp_path, "owner", "secret", kdf_iterations=FAST)
    with pytest.raises(KeystoreExistsError):
        create_keystore(tmp_path, "owner", "other", kdf_iterations=FAST)
    assert load_account(tmp_path, "owner", "secret").address == address


def test_nothing_but_the_key_is_left_in_the_folder(tmp_path: Path) -> None:
    create_keystore(tmp_path, "owner", "secret", kdf_iterations=FAST)
    assert [path.name for path in tmp_path.iterdir()] == ["owner.json"]


def test_a_wrong_password_is_said_to_be_one_and_not_repeated(tmp_path: Path) -> None:
    create_keystore(tmp_path, "owner", "secret", kdf_iterations=FAST)
    with pytest.raises(WrongPasswordError) as caught:
        load_account(tmp_path, "owner", "guess-123")
    assert "guess-123" not in str(caught.value)


def test_a_missing_key_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(KeystoreMissingError):
        load_account(tmp_path, "nobody", "secret")


@pytest.mark.parametrize(
    "name", ["", "../owner", "a/b", ".hidden", "Owner", "a" * 41, "owner.json", "a\x00b"]
)
def test_a_name_that_is_no_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(KeystoreInvalidError):
        create_keystore(tmp_path, name, "secret", kdf_iterations=FAST)
    with pytest.raises(KeystoreInvalidError):
        load_account(tmp_path, name, "secret")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        '{"version": 3}',
        '{"address": 5}',
        '{"address": "zz"}',
        '{"version":3,"address":"' + "00" * 20 + '","crypto":{}}',
        '{"version":3,"address":"' + "00" * 20 + '","crypto":{"kdf":"scrypt","kdfparams":{}}}',
        "[" * 10_000,
        "x" * 70_000,
    ],
)
def test_garbage_is_no_keystore(tmp_path: Path, text: str) -> None:
    (tmp_path / "owner.json").write_text(text)
    with pytest.raises(KeystoreError):
        load_account(tmp_path, "owner", "secret")


def test_a_keystore_that_names_another_address_is_refused(tmp_path: Path) -> None:
    create_keystore(tmp_path, "owner", "secret", kdf_iterations=FAST)
    path = tmp_path / "owner.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"address": "11" * 20}))
    with pytest.raises(KeystoreInvalidError):
        load_account(tmp_path, "owner", "secret")


def test_accounts_are_listed_without_a_password_and_damaged_files_left_out(tmp_path: Path) -> None:
    owner = create_keystore(tmp_path, "owner", "secret", kdf_iterations=FAST)
    guest = create_keystore(tmp_path, "guest", "secret", kdf_iterations=FAST)
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "Not-a-name.json").write_text("{}")
    assert list_accounts(tmp_path) == {"guest": guest, "owner": owner}


def test_a_folder_that_is_not_there_has_no_accounts(tmp_path: Path) -> None:
    assert list_accounts(tmp_path / "none") == {}


def test_a_known_private_key_imports_to_its_known_address(tmp_path: Path) -> None:
    address = import_keystore(tmp_path, "one", "secret", (1).to_bytes(32), kdf_iterations=FAST)
    assert address == "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"


@pytest.mark.parametrize("key", [b"", b"\x01" * 31, bytes(32), b"\xff" * 32])
def test_bytes_that_are_no_private_key_are_refused(tmp_path: Path, key: bytes) -> None:
    with pytest.raises(KeystoreInvalidError):
        import_keystore(tmp_path, "bad", "secret", key, kdf_iterations=FAST)


def test_accounts_models_and_errors_load_without_web3() -> None:
    program = (
        "import sys, datatokens.accounts, datatokens.errors, datatokens.model, datatokens.localchain;"
        "sys.exit(any(name in sys.modules for name in ('web3', 'eth_account', 'httpx')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
