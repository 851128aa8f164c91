"""A credential: an issuer says, signed, that a claim holds of an account until a time. What travels, and what is signed.

EIP-712 typed data over a domain of no chain and no contract, so that one credential serves wherever its issuer is trusted.
There is no revoking one before it expires: issue for months, not years. Decides nothing; a policy names the issuers.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from datatokens.ethkeys import SignableMessage, encode_typed_data
from policies.documents import StrictModel
from policies.people import AddressText, Slug

MAX_CREDENTIALS = 64
"""In one submission: eight datasets may each ask for some."""
DOMAIN = {"name": "Sealroom credential", "version": "1"}
CREDENTIAL_TYPES = {
    "Credential": [
        {"name": "subject", "type": "address"},
        {"name": "claim", "type": "string"},
        {"name": "expires", "type": "uint64"},
    ]
}


class Credential(StrictModel):
    """What an issuer signed; `issuer` is who it is said to be, and the signature decides.

    `claim` is a slug such as `not-for-profit` or `ethics-approval`, `expires` unix seconds.
    """

    subject: AddressText
    claim: Slug
    expires: Annotated[int, Field(ge=0, lt=2**40)]
    issuer: AddressText
    signature: Annotated[str, Field(pattern=r"^0x[0-9a-f]{130}$")]

    @property
    def signable(self) -> SignableMessage:
        """The EIP-712 message that the issuer signed."""
        return credential_message(self.subject, self.claim, self.expires)


def credential_message(subject: str, claim: str, expires: int) -> SignableMessage:
    """Return the EIP-712 message of a credential (`encodeData` over the fields of `CREDENTIAL_TYPES`)."""
    message = {"subject": subject, "claim": claim, "expires": expires}
    return encode_typed_data(DOMAIN, CREDENTIAL_TYPES, message)
