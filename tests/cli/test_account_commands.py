from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.context import Session
from cli.errors import ExitCode, InputError, PasswordNeededError
from cli.main import run
from cli.passwords import PasswordSource
from datatokens.accounts import list_accounts

Maker = Callable[..., Session]


def test_a_new_key_is_an_encrypted_private_file_and_is_listed(
    bare_session: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        run(["account", "new", "ada", "--json"], bare_session(SEALROOM_PASSWORD="long enough")) is ExitCode.OK
    )
    made = json.loads(capsys.readouterr().out)
    keystore = tmp_path / "home" / "keys" / "ada.json"
    assert json.loads(keystore.read_text())["version"] == 3
    assert keystore.stat().st_mode & 0o077 == 0
    assert run(["account", "list", "--json"], bare_session()) is ExitCode.OK
    assert json.loads(capsys.readouterr().out) == {"accounts": [made]}


def test_a_key_is_never_overwritten(bare_session: Maker, tmp_path: Path) -> None:
    assert run(["account", "new", "ada"], bare_session(SEALROOM_PASSWORD="long enough")) is ExitCode.OK
    before = (tmp_path / "home" / "keys" / "ada.json").read_bytes()
    assert run(["account", "new", "ada"], bare_session(SEALROOM_PASSWORD="another one")) is ExitCode.DENIED
    assert (tmp_path / "home" / "keys" / "ada.json").read_bytes() == before


@pytest.mark.parametrize("name", ["../ada", "Ada", "", "a/b", "-x" * 30])
def test_a_name_that_is_not_one_makes_no_key(bare_session: Maker, tmp_path: Path, name: str) -> None:
    assert (
        run(["account", "new", "--", name], bare_session(SEALROOM_PASSWORD="long enough")) is ExitCode.USAGE
    )
    assert list_accounts(tmp_path / "home" / "keys") == {}


def test_an_unknown_key_is_named_with_those_that_are_there(
    bare_session: Maker, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["wallet", "balance", "--as", "bob"], bare_session()) is ExitCode.USAGE
    assert "error: " in capsys.readouterr().err


def test_several_keys_ask_which_one(bare_session: Maker) -> None:
    for name in ("ada", "bob"):
        run(["account", "new", name], bare_session(SEALROOM_PASSWORD="long enough"))
    with pytest.raises(InputError) as caught:
        bare_session().get_account_name()
    assert caught.value.remedy == "--as ada|bob"


def test_the_password_file_comes_before_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("from the file\n")
    environ = {"SEALROOM_PASSWORD": "from outside"}
    assert PasswordSource(environ, file, interactive=False).get_password("x") == "from the file"
    assert PasswordSource(environ, None, interactive=False).get_password("x") == "from outside"


def test_without_a_terminal_a_missing_password_says_where_to_give_it() -> None:
    with pytest.raises(PasswordNeededError) as caught:
        PasswordSource({}, None, interactive=False).get_password("key ada")
    assert "SEALROOM_PASSWORD" in caught.value.remedy


@pytest.mark.parametrize("password", ["", "short"])
def test_an_empty_or_short_new_password_is_refused_and_not_repeated(password: str) -> None:
    with pytest.raises(InputError) as caught:
        PasswordSource({"SEALROOM_PASSWORD": password}, None, interactive=False).get_password("x", new=True)
    assert not password or password not in str(caught.value).split()
