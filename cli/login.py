"""Reads a Sign-In-with-Ethereum message (EIP-4361) before it is signed, so that a service can't have anything else signed.

Checked: first line, domain, address, URI, version, chain id and a nonce. Not checked here: that the service is honest
about what the token is for.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from cli.errors import MismatchError

SENTENCE = " wants you to sign in with your Ethereum account:"
MAX_MESSAGE = 2000


def check_login_message(message: str, *, url: str, address: str, chain_id: int) -> None:
    """Check that `message` signs `address` in at the service of `url`, on chain `chain_id`, and nothing else.

    Raises:
        MismatchError: a line is missing or says something else.
    """
    lines = message.split("\n")
    if len(message) > MAX_MESSAGE or len(lines) < 2:  # noqa: PLR2004 - domain and address
        raise MismatchError("the login message is not one of EIP-4361; nothing was signed")
    values = dict(line.split(": ", 1) for line in lines[2:] if ": " in line)
    domain = urlsplit(url).netloc
    _check("domain", domain + SENTENCE, lines[0])
    _check("address", address, lines[1])
    _check("version", "1", values.get("Version", ""))
    _check("chain id", str(chain_id), values.get("Chain ID", ""))
    _check("uri", domain, urlsplit(values.get("URI", "")).netloc)
    if not values.get("Nonce"):
        raise MismatchError("the login message has no nonce; nothing was signed")


def _check(what: str, expected: str, got: str) -> None:
    if expected != got:
        raise MismatchError(
            f"login message, {what}: expected {expected!r}, got {got[:120]!r}; nothing was signed",
            remedy="use the address under which the provider knows itself",
        )
