"""Where a password comes from: a file, the environment, or a prompt. Never from the command line, never stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from cli.errors import InputError, PasswordNeededError
from cli.home import read_file

PASSWORD_VARIABLE = "SEALROOM_PASSWORD"  # noqa: S105 - the name of a variable
MAX_PASSWORD_BYTES = 4096
MIN_NEW_PASSWORD = 8


@dataclass(frozen=True, slots=True)
class PasswordSource:
    """Where to look, in this order: the file, the environment, the terminal."""

    environ: Mapping[str, str]
    file: Path | None
    interactive: bool

    def get_password(self, what: str, *, new: bool = False) -> str:
        """Return the password for `what` (words for a prompt); `new` asks twice and refuses a short one.

        Raises:
            PasswordNeededError: there is none and nobody to ask.
            InputError: the file is unreadable, or the password is empty or too short.
        """
        password = self._find(what, new=new)
        if not password:
            raise InputError(f"the password for {what} is empty", code="password-empty")
        if new and len(password) < MIN_NEW_PASSWORD:
            raise InputError(
                f"a new password needs at least {MIN_NEW_PASSWORD} characters, got {len(password)}",
                code="password-short",
            )
        return password

    def _find(self, what: str, *, new: bool) -> str:
        if self.file is not None:
            return _read_password(self.file)
        if PASSWORD_VARIABLE in self.environ:
            return self.environ[PASSWORD_VARIABLE]
        if not self.interactive:
            raise PasswordNeededError(what)
        words = f"New password for {what}" if new else f"Password for {what}"
        return str(click.prompt(words, hide_input=True, confirmation_prompt=new, err=True))


def _read_password(path: Path) -> str:
    data = read_file(path, what="password file", max_bytes=MAX_PASSWORD_BYTES)
    try:
        return data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as exc:
        raise InputError("the password file is not UTF-8 text", code="password-file") from exc
