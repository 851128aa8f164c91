"""Issues credentials, and says who issued one. Trusts no issuer: that is for a policy to say."""

from __future__ import annotations

from functools import lru_cache

from datatokens.ethkeys import LocalAccount
from policies.facts import CredentialFacts
from provider.credentials import Credential, credential_message
from provider.errors import BadSignatureError
from provider.wire import recover_signer


def issue_credential(issuer: LocalAccount, subject: str, claim: str, *, expires: int) -> Credential:
    """Sign that `claim` holds of the account `subject` until `expires`, in unix seconds.

    Raises:
        ValidationError: (pydantic) it isn't an address, a slug or a time.
    """
    signed = issuer.sign_message(credential_message(subject, claim, expires)).signature
    return Credential(
        subject=subject,
        claim=claim,
        expires=expires,
        issuer=issuer.address,
        signature="0x" + bytes(signed).hex(),
    )


def verify_credential(credential: Credential) -> CredentialFacts:
    """Return what a credential says, once its signature is that of the issuer it names.

    Not checked here: that the issuer is trusted, whom it is about, that it has not expired.

    Raises:
        BadSignatureError: another account signed it, or a field was changed since.
    """
    issuer = recover_signer(credential.signable, credential.signature)
    if issuer.lower() != credential.issuer.lower():
        raise BadSignatureError
    return CredentialFacts(issuer, credential.subject, credential.claim, credential.expires)


@lru_cache(maxsize=256)
def list_verified(credentials: tuple[Credential, ...]) -> tuple[CredentialFacts, ...]:
    """Return what those credentials say whose signature is good; the others say nothing. A waiting job is judged often."""
    found = []
    for credential in credentials:
        try:
            found.append(verify_credential(credential))
        except BadSignatureError:
            continue
    return tuple(found)
