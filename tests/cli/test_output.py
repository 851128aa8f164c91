"""What a terminal is shown of text that others wrote."""

from __future__ import annotations

import json

from cli.output import json_text, plain

CODES = "\x1b[2J\x7f\x9b31m\u202e\u2028\ud800\U000e0001"


def test_json_escapes_what_a_terminal_would_obey_and_means_the_same() -> None:
    document = {"name": f"Wärde {CODES}\r\n", CODES: ["☃", 1, None]}
    text = json_text(document)
    assert json.loads(text) == document
    assert "Wärde" in text
    assert all(letter.isprintable() for letter in text.replace("\n", ""))


def test_words_lose_what_a_terminal_would_obey() -> None:
    assert plain(f"a{CODES}b\r\nc").isprintable()
