"""What a terminal is shown of text that others wrote."""

from __future__ import annotations

import json

import pytest

from cli.errors import ApiError, describe_error
from cli.output import Output, json_text, plain
from datatokens.errors import NotEnoughMoneyError
from datatokens.model import Token

CODES = "\x1b[2J\x7f\x9b31m\u202e\u2028\ud800\U000e0001"


def test_json_escapes_what_a_terminal_would_obey_and_means_the_same() -> None:
    document = {"name": f"Wärde {CODES}\r\n", CODES: ["☃", 1, None]}
    text = json_text(document)
    assert json.loads(text) == document
    assert "Wärde" in text
    assert all(letter.isprintable() for letter in text.replace("\n", ""))


def test_words_lose_what_a_terminal_would_obey() -> None:
    assert plain(f"a{CODES}b\r\nc").isprintable()


@pytest.mark.parametrize(
    "error",
    [
        ApiError(403, code="denied", message=f"no{CODES}", remedy=f"ask{CODES}"),
        NotEnoughMoneyError(
            "0x1", asset="0x2", needed_wei=2, available_wei=1, token=Token("0x2", f"COIN{CODES}", 18)
        ),
    ],
    ids=["a provider's words", "a token's symbol"],
)
def test_an_error_loses_what_a_terminal_would_obey(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    Output().problem(describe_error(error))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("error: ")
    assert all(line.isprintable() for line in lines)
