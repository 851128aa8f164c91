"""What can go wrong while a receipt is made, read or verified.

ReceiptError
├── MalformedError           bytes are not what their format says
├── FieldError               a field of a record is missing or hasn't its form
├── StatementRefusedError    a statement parses, but says what no honest statement says
├── ProofInvalidError        a Merkle proof doesn't lead to the root
├── EvidenceRefusedError     what is said to be evidence of a split view shows none
├── SigningKeysError         the provider's signing keys
│   ├── KeysExistError       there are keys already; they are never overwritten
│   ├── KeysMissingError     there are none
│   └── KeysLockedError      wrong password, or the file is damaged
├── EvidenceUnavailableError the chain was asked and did not answer
├── CountersignatureError    a receipt can't get this countersignature
└── VerificationError        a receipt is not verified: which verdict, at which step
"""

from __future__ import annotations

from enum import StrEnum

from provider.receipts.checklist import Step


class Verdict(StrEnum):
    """How a verification ends: exactly one of these."""

    VERIFIED = "verified"
    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown-key"
    BAD_SIGNATURE = "bad-signature"
    KEY_NOT_VALID_THEN = "key-not-valid-then"
    STATEMENT_REFUSED = "statement-refused"
    ARTEFACT_DIGEST_DIFFERS = "artefact-digest-differs"
    NOT_INCLUDED = "not-included"
    ROOT_NOT_ANCHORED = "root-not-anchored"
    CHAIN_UNREACHABLE = "chain-unreachable"
    ORDER_OR_APPROVAL_MISMATCH = "order-or-approval-mismatch"
    NOT_WITNESSED = "not-witnessed"
    NOT_COUNTERSIGNED = "not-countersigned"


class ReceiptError(Exception):
    """Base of every error that this package raises."""

    code = "receipt-error"


class MalformedError(ReceiptError):
    """Bytes are not what their format says; `document` names the format."""

    code = "malformed"

    def __init__(self, document: str, problem: str) -> None:
        self.document = document
        self.problem = problem
        super().__init__(f"{document}: {problem}")


class FieldError(ReceiptError):
    """A field is missing or hasn't its form; `path` names it. Readers say in which document."""

    code = "field-invalid"

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{path}: {problem}")


class StatementRefusedError(ReceiptError):
    """A statement parses, but a field or a combination of fields can't be true of an honest job."""

    code = "statement-refused"

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"statement: {path}: {problem}")


class ProofInvalidError(ReceiptError):
    """A Merkle proof doesn't lead from what it is about to the root."""

    code = "not-included"


class EvidenceRefusedError(ReceiptError):
    """A file that is said to be evidence of a split view shows none."""

    code = "evidence-refused"


class SigningKeysError(ReceiptError):
    """The provider's signing keys can't be made or used."""

    code = "signing-keys"


class KeysExistError(SigningKeysError):
    """There are signing keys already."""

    code = "signing-keys-exist"


class KeysMissingError(SigningKeysError):
    """There are no signing keys."""

    code = "signing-keys-missing"


class KeysLockedError(SigningKeysError):
    """The password is wrong, or the file is damaged: the two can't be told apart."""

    code = "signing-keys-locked"


class EvidenceUnavailableError(ReceiptError):
    """The chain was asked and did not answer."""

    code = "chain-unreachable"


class CountersignatureError(ReceiptError):
    """A receipt can't get this countersignature: it has it, or has no room."""

    code = "countersignature-refused"


class VerificationError(ReceiptError):
    """A receipt is not verified; `steps` are those done before and the one that failed."""

    def __init__(self, verdict: Verdict, step: str, detail: str, steps: tuple[Step, ...] = ()) -> None:
        self.verdict = verdict
        self.step = step
        self.detail = detail
        self.steps = steps
        self.code = verdict.value
        super().__init__(f"{verdict.value} at step '{step}': {detail}")
