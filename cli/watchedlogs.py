"""Finds the log that a witness is to look at: whose it is, by which keys, and where it answers."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cli.descriptions import parse_endpoint
from cli.errors import InputError, MismatchError
from cli.home import read_file
from cli.ids import is_address
from cli.logclient import LogClient
from cli.settings import find_settings
from cli.trusting import build_trust
from cli.witnessing import WatchedLog
from provider.receipts.splitview import MAX_EVIDENCE_BYTES, SplitView, parse_evidence, verify_split_view
from provider.receipts.trust import MAX_TRUST_BYTES, TrustRoot, parse_trust

if TYPE_CHECKING:
    from cli.context import Session
    from datatokens.client import ChainClient


@dataclass(frozen=True, slots=True)
class Whom:
    """By whose word a log's keys and anchors are known: a trust file, a chain, or both; else the home folder's chain."""

    trust: Path | None = None
    rpc_url: str | None = None
    deployment: Path | None = None


def open_log(session: Session, target: str | None, whom: Whom) -> WatchedLog:
    """Return the log of a provider: `target` is its account or its address, by default what the home is connected to.

    Raises:
        InputError: it isn't said whom to trust, or where the log answers.
        ChainUnreachableError, WrongChainError: the chain is away or is another.
        UnreachableError: the provider doesn't answer.
    """
    chain, trust = _find_chain(session, whom), _load_trust(whom)
    if chain is None:
        if trust is None:
            raise _untrusted()
        url, _ = _find_place(session, target, trust, chain)
        return WatchedLog(LogClient(url), trust, is_on_chain=False)
    url, provider = _find_place(session, target, trust, chain)
    read = build_trust(chain, provider)
    known = read if trust is None else replace(trust, anchors=read.anchors)
    return WatchedLog(LogClient(url), known, is_on_chain=True)


def check_evidence(session: Session, path: Path, whom: Whom) -> SplitView:
    """Return the split view that a file shows, by the keys of the trust file or those that the accused published on chain.

    Raises:
        MalformedError, EvidenceRefusedError: it shows none.
        InputError: it can't be read, or it isn't said whom to trust.
    """
    data = read_file(path, what="evidence", max_bytes=MAX_EVIDENCE_BYTES)
    trust, claimed = _load_trust(whom), parse_evidence(data).smaller.split("\n", maxsplit=1)[0]
    if trust is None:
        chain = _find_chain(session, whom)
        if chain is None:
            raise _untrusted()
        account = claimed.rsplit("/", maxsplit=1)[-1]
        if not is_address(account):
            raise InputError(f"evidence: {claimed[:80]!r} is no log of a provider", code="origin-unknown")
        trust = build_trust(chain, account)
    return verify_split_view(data, trust.origin, [key.ed25519 for key in trust.keys])


def _find_chain(session: Session, whom: Whom) -> ChainClient | None:
    """Return the chain named; without a name or a trust file that of the home folder, if it knows one."""
    if whom.rpc_url is not None:
        from datatokens.client import ChainClient
        from datatokens.model import load_deployment

        deployment = load_deployment(whom.deployment or session.home.deployment_file)
        chain = ChainClient.connect(whom.rpc_url, deployment)
        chain.check()
        return chain
    if whom.trust is not None or find_settings(session.home) is None:
        return None
    return session.get_chain()


def _load_trust(whom: Whom) -> TrustRoot | None:
    if whom.trust is None:
        return None
    return parse_trust(read_file(whom.trust, what="trust root", max_bytes=MAX_TRUST_BYTES))


def _find_place(
    session: Session, target: str | None, trust: TrustRoot | None, chain: ChainClient | None
) -> tuple[str, str]:
    """Return where the log answers, and whose it is."""
    if target is None:
        return session.get_settings().provider_url, trust.provider if trust else session.get_provider()
    if not is_address(target):
        return target, trust.provider if trust else _ask_account(target)
    if trust is not None and trust.provider.lower() != target.lower():
        raise MismatchError(f"provider: the trust root is of {trust.provider}, not of {target}")
    sets = chain.list_keys(target) if chain is not None else []
    url = parse_endpoint(sets[-1].endpoint) if sets else None
    if url is None:
        raise InputError(
            f"the chain doesn't say where {target} answers",
            code="url-unknown",
            remedy="give its address, https://HOST",
        )
    return url, target


def _ask_account(url: str) -> str:
    with closing(LogClient(url)) as client:
        return client.get_account()


def _untrusted() -> InputError:
    return InputError(
        "say whom to trust: --trust FILE, --rpc URL, or both; or connect this home folder with"
        " `sealroom provider connect`",
        code="no-trust-root",
    )
