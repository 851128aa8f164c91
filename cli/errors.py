"""What the command says no with, and the only table from errors to exit codes.

CliError
├── InputError             what was typed or written in a file can't be used
│   ├── PasswordNeededError  no password came from a prompt, a file or the environment
│   └── AccountUnknownError  no such key in this home folder
├── RefusedError           well formed, and refused before anything was spent
│   └── DeclinedError      who was asked said no, so nothing was signed
├── MismatchError          what the provider says differs from what the chain or a digest says
│   ├── SplitViewError     a log showed two histories: the evidence is a file
│   └── UnprovenError      nothing shows that a log only grew; that it didn't isn't shown either
├── UnreachableError       the provider can't be reached or doesn't answer as one
├── StackError             a part of the local stack does not start
└── ApiError               the provider's own refusal, with its code and status
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import IntEnum

import click


class ExitCode(IntEnum):
    """What the shell sees."""

    OK = 0
    BUG = 1
    USAGE = 2
    DENIED = 3
    VERIFICATION = 4
    UNREACHABLE = 5
    JOB = 6
    INTERRUPTED = 130


class CliError(Exception):
    """Base of every error that this package raises."""

    code = "cli-error"

    def __init__(self, message: str, *, remedy: str = "", code: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy
        self.code = code or type(self).code


class InputError(CliError):
    """What was typed, or stands in a file, can't be used."""

    code = "input-invalid"


class PasswordNeededError(InputError):
    """A key has to be opened and no password was given."""

    code = "password-needed"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"a password is needed for {what}, and there is no terminal to ask on",
            remedy="give --password-file FILE or set SEALROOM_PASSWORD",
        )


class AccountUnknownError(InputError):
    """There is no such key in this home folder."""

    code = "account-unknown"


class RefusedError(CliError):
    """Well formed, and refused before anything was spent."""

    code = "refused"


class DeclinedError(RefusedError):
    """Who was asked whether to sign said no."""

    code = "declined"

    def __init__(self) -> None:
        super().__init__("declined: this was not signed, and nothing of it was sent")


class MismatchError(CliError):
    """Two sources that must agree don't."""

    code = "mismatch"


class SplitViewError(MismatchError):
    """A log showed two histories; `evidence` is the file that shows it to others."""

    code = "split-view"

    def __init__(self, origin: str, sizes: tuple[int, int], evidence: str) -> None:
        self.evidence = evidence
        super().__init__(
            f"{origin} showed two histories: its checkpoints of sizes {sizes[0]} and {sizes[1]}, both signed by it,"
            f" exclude one another; the evidence is in {evidence}",
            remedy="give the file to the data's owners and other witnesses: `sealroom witness check-evidence FILE`",
        )


class UnprovenError(MismatchError):
    """Nothing shows that a log only grew since it was last seen, so nothing is cosigned."""

    code = "consistency-unproven"


class UnreachableError(CliError):
    """The provider can't be reached, or what answers is not a provider."""

    code = "provider-unreachable"


class StackError(CliError):
    """A part of the local stack does not start or stop."""

    code = "stack-failed"


class ApiError(CliError):
    """The provider said no: its code, its words, its HTTP status."""

    def __init__(self, status: int, *, code: str, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy, code=code)
        self.status = status


# By name, so that a command that fails early has not imported web3 to say so. The nearest listed ancestor decides.
EXIT_CODES: Mapping[str, ExitCode] = {
    "builtins.KeyboardInterrupt": ExitCode.INTERRUPTED,
    "builtins.OSError": ExitCode.USAGE,
    "click.exceptions.Abort": ExitCode.INTERRUPTED,
    "click.exceptions.ClickException": ExitCode.USAGE,
    "cli.errors.InputError": ExitCode.USAGE,
    "cli.errors.MismatchError": ExitCode.VERIFICATION,
    "cli.errors.RefusedError": ExitCode.DENIED,
    "cli.errors.StackError": ExitCode.UNREACHABLE,
    "cli.errors.UnreachableError": ExitCode.UNREACHABLE,
    "datatokens.errors.ChainUnreachableError": ExitCode.UNREACHABLE,
    "datatokens.errors.ContractRefusedError": ExitCode.DENIED,
    "datatokens.errors.AllowListInvalidError": ExitCode.USAGE,
    "datatokens.errors.DeployerMissingError": ExitCode.DENIED,
    "datatokens.errors.DeploymentInvalidError": ExitCode.USAGE,
    "datatokens.errors.KeystoreError": ExitCode.USAGE,
    "datatokens.errors.LocalChainError": ExitCode.UNREACHABLE,
    "datatokens.errors.NoSuchAssetError": ExitCode.USAGE,
    "datatokens.errors.NotEnoughMoneyError": ExitCode.DENIED,
    "datatokens.errors.TransactionFailedError": ExitCode.DENIED,
    "datatokens.errors.WrongChainError": ExitCode.VERIFICATION,
    "policies.errors.PolicyError": ExitCode.USAGE,
    "provider.errors.ProviderError": ExitCode.DENIED,
    "provider.receipts.errors.CountersignatureError": ExitCode.DENIED,
    "provider.receipts.errors.EvidenceUnavailableError": ExitCode.UNREACHABLE,
    "provider.receipts.errors.EvidenceRefusedError": ExitCode.VERIFICATION,
    "provider.receipts.errors.MalformedError": ExitCode.VERIFICATION,
    "provider.receipts.errors.SigningKeysError": ExitCode.USAGE,
    "provider.receipts.errors.StatementRefusedError": ExitCode.VERIFICATION,
    "provider.receipts.errors.VerificationError": ExitCode.VERIFICATION,
    "provider.release.ReleaseError": ExitCode.VERIFICATION,
    "sandbox.errors.BundleInvalidError": ExitCode.USAGE,
    "sandbox.errors.DeviceMissingError": ExitCode.UNREACHABLE,
    "sandbox.errors.EngineUnavailableError": ExitCode.UNREACHABLE,
    "sandbox.errors.ImageInvalidError": ExitCode.USAGE,
    "sandbox.errors.ImageMissingError": ExitCode.USAGE,
    "sandbox.errors.StagingError": ExitCode.USAGE,
}
VERDICT_EXIT_CODES: Mapping[str, ExitCode] = {"chain-unreachable": ExitCode.UNREACHABLE}
HTTP_EXIT_CODES: Mapping[int, ExitCode] = {
    400: ExitCode.USAGE,
    401: ExitCode.DENIED,
    403: ExitCode.DENIED,
    404: ExitCode.USAGE,
    409: ExitCode.DENIED,
    413: ExitCode.USAGE,
    429: ExitCode.UNREACHABLE,
    502: ExitCode.UNREACHABLE,
    503: ExitCode.UNREACHABLE,
    504: ExitCode.UNREACHABLE,
}
JOB_EXIT_CODES: Mapping[str, ExitCode] = {
    "released": ExitCode.OK,
    "refused": ExitCode.DENIED,
    "withheld": ExitCode.JOB,
    "failed": ExitCode.JOB,
    "cancelled": ExitCode.JOB,
}


def exit_code(error: BaseException) -> ExitCode:
    """Return the exit code of `error`; what nobody raises on purpose is our bug."""
    if isinstance(error, ApiError):
        return HTTP_EXIT_CODES.get(error.status, ExitCode.BUG)
    verdict = getattr(error, "verdict", None)
    if isinstance(verdict, str) and verdict in VERDICT_EXIT_CODES:
        return VERDICT_EXIT_CODES[verdict]
    names = (f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__)
    return next((EXIT_CODES[name] for name in names if name in EXIT_CODES), ExitCode.BUG)


def job_exit_code(state: str) -> ExitCode:
    """Return the exit code of a job that stands at `state`; a job still on its way is no failure."""
    return JOB_EXIT_CODES.get(state, ExitCode.OK)


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as it is told: what a script reads and what a person reads. `details` are a checklist's, where there is one."""

    code: str
    message: str
    remedy: str
    exit_code: ExitCode
    details: Mapping[str, object] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """Return the document that `--json` prints in place of the data."""
        return {"error": {"code": self.code, "message": self.message, "remedy": self.remedy}, **self.details}


def describe_error(error: BaseException) -> Problem:
    """Put `error` into words, with its exit code."""
    code = exit_code(error)
    if isinstance(error, click.ClickException):
        return Problem("usage", error.format_message(), _usage_remedy(error), code)
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        return Problem("interrupted", "stopped before the end", "", code)
    if code is ExitCode.BUG and not isinstance(error, ApiError):
        return Problem("bug", f"this is a bug in sealroom: {type(error).__name__}: {error}", "", code)
    name = str(getattr(error, "code", "") or "system")
    return Problem(name, str(error), str(getattr(error, "remedy", "")), code, _verification_details(error))


def _verification_details(error: BaseException) -> dict[str, object]:
    """Return verdict, failed step and checklist of a verification that failed; nothing for any other error."""
    if not hasattr(error, "verdict") or not hasattr(error, "steps"):
        return {}
    steps = [asdict(step) for step in error.steps]
    return {"verdict": str(error.verdict), "step": getattr(error, "step", ""), "steps": steps}


def _usage_remedy(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"see `{context.command_path} --help`" if isinstance(context, click.Context) else ""
