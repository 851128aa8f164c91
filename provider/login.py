"""Sign-In with Ethereum (EIP-4361) for reads: the provider writes the whole message, the account signs exactly that.

Because the signed text must be one that this provider made and has not used, nothing in it needs to be parsed.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime

from eth_account.messages import encode_defunct
from eth_utils.address import to_checksum_address

from policies.canonical import digest_of
from provider.auth import Access, Guard
from provider.errors import BadRequestError
from provider.identity import ProviderIdentity
from provider.settings import Settings
from provider.store import Database
from provider.wire import LoginBody, LoginChallenge, LoginChallengeBody, LoginToken, recover_signer

CHALLENGE_LIFETIME_S = 300
STATEMENT = "Read your jobs and results at this Sealroom provider. This costs nothing and moves no money."


class LoginDesk:
    """Hands out login messages and, for their signatures, short-lived read tokens bound to one address."""

    def __init__(self, identity: ProviderIdentity, database: Database, settings: Settings) -> None:
        self._identity = identity
        self._access = database.access
        self._settings = settings

    def challenge(self, guard: Guard, body: LoginChallengeBody, *, now: int) -> LoginChallenge:
        """Return the message to sign."""
        guard.check(Access.LOGIN)
        message = self._write_message(to_checksum_address(body.address), now)
        self._access.add_challenge(
            digest_of(message.encode()), body.address, now + CHALLENGE_LIFETIME_S, now=now
        )
        return LoginChallenge(message=message)

    def login(self, guard: Guard, body: LoginBody, *, now: int) -> LoginToken:
        """Return a token for the address that signed one of our messages.

        Raises:
            BadRequestError: the message is not one of ours, was used, or another account signed it.
        """
        guard.check(Access.LOGIN)
        address = self._access.take_challenge(digest_of(body.message.encode()), now)
        if address is None:
            raise BadRequestError("the login message is unknown, used or expired", remedy="ask for a new one")
        signer = recover_signer(encode_defunct(text=body.message), body.signature)
        if signer.lower() != address.lower():
            raise BadRequestError(
                f"the login message is for {address}, but {signer} signed it", code="wrong-signer"
            )
        token = secrets.token_urlsafe(32)
        expires = now + self._settings.token_lifetime_s
        self._access.add_token(_digest(token), signer, expires)
        return LoginToken(token=token, address=signer, expires=expires)

    def find_caller(self, authorization: str | None, *, now: int) -> str | None:
        """Return the address behind an Authorization header, or None when it names no good token."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme != "Bearer" or not token:
            return None
        return self._access.find_token(_digest(token), now)

    def _write_message(self, address: str, now: int) -> str:
        # Layout: EIP-4361, "Message Format".
        authority = f"{self._settings.host}:{self._settings.port}"
        expires = now + CHALLENGE_LIFETIME_S
        return "\n".join(
            (
                f"{authority} wants you to sign in with your Ethereum account:",
                address,
                "",
                STATEMENT,
                "",
                f"URI: http://{authority}/v1/login",
                "Version: 1",
                f"Chain ID: {self._identity.deployment.chain_id}",
                f"Nonce: {secrets.token_hex(16)}",
                f"Issued At: {_rfc3339(now)}",
                f"Expiration Time: {_rfc3339(expires)}",
                f"Request ID: {self._identity.address}",
            )
        )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _rfc3339(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
