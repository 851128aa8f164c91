"""Keeps secp256k1 accounts as encrypted V3 keystore files, one `NAME.json` per account.

A key is never written unencrypted, never overwritten, and a password never stands in a message. `eth_account` is
imported only when a key is made or opened, so that listing names stays quick.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datatokens.errors import (
    KeystoreError,
    KeystoreExistsError,
    KeystoreInvalidError,
    KeystoreMissingError,
    WrongPasswordError,
)

if TYPE_CHECKING:
    from datatokens.ethkeys import LocalAccount

DEFAULT_KDF_ITERATIONS = 2**17
MAX_KEYSTORE_BYTES = 64 * 1024
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_ADDRESS = re.compile(r"(?:0x)?[0-9a-fA-F]{40}")


def create_keystore(
    folder: Path, name: str, password: str, *, kdf_iterations: int = DEFAULT_KDF_ITERATIONS
) -> str:
    """Make a new random account, store it encrypted, and return its address.

    `kdf_iterations` is the scrypt cost N, a power of two.

    Raises:
        KeystoreExistsError: there is a key of that name.
        KeystoreInvalidError: the name is not one.
    """
    from datatokens.ethkeys import Account  # noqa: PLC0415 - half a second, see the module's docstring

    account = Account.create()
    _store(folder, name, account, password, kdf_iterations)
    return str(account.address)


def import_keystore(
    folder: Path,
    name: str,
    password: str,
    private_key: bytes,
    *,
    kdf_iterations: int = DEFAULT_KDF_ITERATIONS,
) -> str:
    """Store an existing 32-byte private key encrypted, and return its address.

    Raises:
        KeystoreExistsError: there is a key of that name.
        KeystoreInvalidError: the name or the key is not one.
    """
    from eth_utils.exceptions import ValidationError  # noqa: PLC0415 - likewise

    from datatokens.ethkeys import Account  # noqa: PLC0415 - half a second, see the module's docstring

    try:
        account = Account.from_key(private_key)
    except (ValueError, ValidationError) as exc:
        raise KeystoreInvalidError("private key: expected 32 bytes within the curve's order") from exc
    _store(folder, name, account, password, kdf_iterations)
    return str(account.address)


def load_account(folder: Path, name: str, password: str) -> LocalAccount:
    """Open the key `name` with its password.

    Raises:
        KeystoreMissingError: there is no such key.
        KeystoreInvalidError: the file is not a V3 keystore, or its key is for another address than it says.
        WrongPasswordError: the password doesn't open it.
    """
    keystore = _read(_path(folder, name), name)
    from datatokens.ethkeys import Account  # noqa: PLC0415 - half a second, see the module's docstring

    try:
        account: LocalAccount = Account.from_key(Account.decrypt(keystore, password))
    except ValueError as exc:
        if "MAC mismatch" in str(exc):
            raise WrongPasswordError(f"key {name}: the password doesn't open it; try another") from exc
        raise KeystoreInvalidError(f"key {name}: is not a V3 keystore; restore it from a copy") from exc
    except (KeyError, TypeError, AttributeError, OverflowError) as exc:
        raise KeystoreInvalidError(f"key {name}: is not a V3 keystore; restore it from a copy") from exc
    if _address_of(keystore, name) != account.address:
        raise KeystoreInvalidError(
            f"key {name}: its address field is not that of its key; restore it from a copy"
        )
    return account


def list_accounts(folder: Path) -> dict[str, str]:
    """Return the checksummed address (EIP-55) of every key by name; files that are no keystores are left out."""
    found: dict[str, str] = {}
    for path in sorted(folder.glob("*.json")):
        if not _NAME.fullmatch(path.stem):
            continue
        try:
            found[path.stem] = _address_of(_read(path, path.stem), path.stem)
        except KeystoreError:
            continue
    return found


def _path(folder: Path, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise KeystoreInvalidError(
            f"key name: expected 1-40 of a-z 0-9 _ - starting with a letter or digit, got {name[:60]!r}"
        )
    return folder / f"{name}.json"


def _read(path: Path, name: str) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_KEYSTORE_BYTES + 1)
    except FileNotFoundError as exc:
        raise KeystoreMissingError(f"key {name}: there is none of that name; create it first") from exc
    except OSError as exc:
        raise KeystoreInvalidError(f"key {name}: the file can't be read; check its permissions") from exc
    try:
        value = json.loads(data[:MAX_KEYSTORE_BYTES])
    except (ValueError, RecursionError) as exc:
        raise KeystoreInvalidError(f"key {name}: is not JSON; restore it from a copy") from exc
    if not isinstance(value, dict):
        raise KeystoreInvalidError(f"key {name}: is not a V3 keystore; restore it from a copy")
    return value


def _address_of(keystore: dict[str, Any], name: str) -> str:
    address = keystore.get("address")
    if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
        raise KeystoreInvalidError(f"key {name}: holds no address; restore it from a copy")
    from eth_utils.address import to_checksum_address  # noqa: PLC0415 - a tenth of a second

    return str(to_checksum_address("0x" + address.removeprefix("0x")))


def _store(folder: Path, name: str, account: LocalAccount, password: str, kdf_iterations: int) -> None:
    path = _path(folder, name)
    if path.exists():
        raise KeystoreExistsError(f"key {name}: there is one already; choose another name")
    keystore = account.encrypt(password, kdf="scrypt", iterations=kdf_iterations)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".keystore-")  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(keystore, file)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)  # unlike a rename, fails when somebody else was first
    except FileExistsError as exc:
        raise KeystoreExistsError(f"key {name}: there is one already; choose another name") from exc
    finally:
        Path(temporary).unlink()
