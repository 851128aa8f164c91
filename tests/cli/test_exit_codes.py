from __future__ import annotations

import importlib
import json

import click
import pytest

from cli.context import Session
from cli.errors import (
    EXIT_CODES,
    JOB_EXIT_CODES,
    AccountUnknownError,
    ApiError,
    ExitCode,
    InputError,
    describe_error,
    exit_code,
    job_exit_code,
)
from cli.main import run
from cli.output import Output
from datatokens.errors import (
    ChainUnreachableError,
    ContractRefusedError,
    NodeRefusedError,
    NoSuchAssetError,
    NotEnoughMoneyError,
    WrongChainError,
    WrongPasswordError,
)
from policies.errors import DocumentError
from provider.jobs.states import State
from provider.receipts.errors import Verdict, VerificationError
from sandbox.errors import BundleInvalidError


def make_session() -> Session:
    return Session(environ={}, output=Output(), interactive=False)


@pytest.mark.parametrize("name", sorted(EXIT_CODES))
def test_every_name_in_the_table_is_an_error_that_exists(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    assert issubclass(getattr(importlib.import_module(module), attribute), BaseException)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AccountUnknownError("no key"), ExitCode.USAGE),
        (click.UsageError("no such option"), ExitCode.USAGE),
        (DocumentError("policy", "limits", "unknown key"), ExitCode.USAGE),
        (BundleInvalidError("algorithm.yaml", "is missing"), ExitCode.USAGE),
        (WrongPasswordError("wrong"), ExitCode.USAGE),
        (NoSuchAssetError(7), ExitCode.USAGE),
        (ContractRefusedError("EscrowOrderExists", {}, "there is one"), ExitCode.DENIED),
        (NotEnoughMoneyError("0x1", asset="native", needed_wei=2, available_wei=1), ExitCode.DENIED),
        (WrongChainError("chain id", expected="1", got="2"), ExitCode.VERIFICATION),
        (VerificationError(Verdict.BAD_SIGNATURE, "p-256 signature", "no"), ExitCode.VERIFICATION),
        (VerificationError(Verdict.CHAIN_UNREACHABLE, "order", "no answer"), ExitCode.UNREACHABLE),
        (ChainUnreachableError("no answer"), ExitCode.UNREACHABLE),
        (ApiError(403, code="denied", message="no"), ExitCode.DENIED),
        (ApiError(404, code="not-found", message="no"), ExitCode.USAGE),
        (ApiError(409, code="conflict", message="no"), ExitCode.DENIED),
        (ApiError(503, code="unavailable", message="no"), ExitCode.UNREACHABLE),
        (ApiError(500, code="provider-error", message="no"), ExitCode.BUG),
        (PermissionError(13, "permission denied"), ExitCode.USAGE),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
        (RuntimeError("nobody raises this on purpose"), ExitCode.BUG),
    ],
)
def test_each_kind_of_error_has_its_exit_code(error: BaseException, code: ExitCode) -> None:
    assert exit_code(error) is code


def test_every_state_in_which_a_job_can_end_has_an_exit_code() -> None:
    assert set(JOB_EXIT_CODES) == {state.value for state in State if state.terminal}
    assert job_exit_code("running") is ExitCode.OK


def test_an_error_tells_its_code_its_message_and_what_to_do() -> None:
    problem = describe_error(InputError("it is so", remedy="do that", code="so"))
    assert problem.to_json() == {"error": {"code": "so", "message": "it is so", "remedy": "do that"}}


def test_a_usage_error_is_one_json_document_on_stdout_and_words_on_stderr(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["job", "status", "not-an-id", "--json"], make_session()) is ExitCode.USAGE
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["code"] == "usage"
    assert "64 lower-case hex digits" in err


def test_without_json_an_error_leaves_stdout_empty(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["no-such-command"], make_session()) is ExitCode.USAGE
    out, err = capsys.readouterr()
    assert (out, err.startswith("error: ")) == ("", True)


def test_a_bug_of_ours_ends_with_1_and_a_traceback_on_stderr_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(_: Session) -> str:
        raise ZeroDivisionError("unforeseen")

    monkeypatch.setattr(Session, "home", property(break_down))
    assert run(["account", "list", "--json"], make_session()) is ExitCode.BUG
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["code"] == "bug"
    assert "Traceback" in err


@pytest.mark.parametrize(
    "error",
    [
        ContractRefusedError("Error", {}, "contract: refused: \x1b[2J\u202e"),
        NodeRefusedError("\x1b]0;title\x07"),
        ApiError(409, code="conflict", message="no\x1b[1A", remedy="\x9b31m"),
        ApiError(500, code="provider-error", message="no\x1b[1A"),
    ],
)
def test_no_code_that_a_stranger_put_into_an_error_reaches_the_terminal(
    error: Exception, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Session) -> str:
        raise error

    monkeypatch.setattr(Session, "home", property(refuse))
    run(["account", "list"], make_session())
    _, err = capsys.readouterr()
    assert "error: " in err
    assert all(letter.isprintable() for letter in err.replace("\n", ""))
