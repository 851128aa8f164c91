from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.errors import MismatchError
from cli.login import check_login_message

URL = "http://127.0.0.1:8830"
ADDRESS = "0x73E4009B83C61Ef5c3711ad2873dB66C08DbbEFB"
MESSAGE = f"""127.0.0.1:8830 wants you to sign in with your Ethereum account:
{ADDRESS}

Read your jobs.

URI: {URL}/v1/login
Version: 1
Chain ID: 31337
Nonce: 0123456789abcdef
Issued At: 2026-01-01T00:00:00Z"""


def check(message: str) -> None:
    check_login_message(message, url=URL, address=ADDRESS, chain_id=31337)


def test_the_message_of_this_provider_for_this_key_is_signed() -> None:
    check(MESSAGE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("127.0.0.1:8830 wants", "evil.example wants"),
        (ADDRESS, "0x" + "00" * 20),
        ("Chain ID: 31337", "Chain ID: 1"),
        ("Version: 1", "Version: 2"),
        (f"URI: {URL}", "URI: http://evil.example"),
        ("Nonce: 0123456789abcdef\n", ""),
        ("wants you to sign in with your Ethereum account:", "wants all your money:"),
    ],
)
def test_hole_6_a_login_for_another_service_key_or_chain_is_not_signed(old: str, new: str) -> None:
    with pytest.raises(MismatchError):
        check(MESSAGE.replace(old, new))


@given(st.text(max_size=300))
def test_no_other_text_is_signed(text: str) -> None:
    with pytest.raises(MismatchError):
        check(text)
