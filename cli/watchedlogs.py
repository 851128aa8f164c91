"""Finds the log that a witness is to look at: whose it is, by which keys, and where it answers."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import MismatchError
from cli.home import read_file
from cli.ids import is_address
from cli.logclient import LogClient
from cli.settings import find_settings
from cli.sources import claimed_provider, get_endpoint, untrusted
from cli.trusting import build_trust
from cli.witnessing import WatchedLog
from provider.receipts.splitview import MAX_EVIDENCE_BYTES, SplitView, parse_evidence, verify_split_view
from provider.receipts.trust import MAX_TRUST_BYTES, TrustRoot, parse_trust

if TYPE_CHECKING:
    from cli.context import Session
    from datatokens.client import ChainClient


def open_log(session: Session, target: str | None, trust_file: Path | None) -> WatchedLog:
    """Return the log of a provider: `target` is its account or its address, by default what the home is connected to.

    Its keys are those of the trust file, else those on the chain; its anchors are read from the home folder's chain, where it
    knows one.

    Raises:
        InputError: it isn't said whom to trust, or where the log answers.
        MismatchError: the trust file is of another provider or chain.
        ChainUnreachableError, WrongChainError, UnreachableError: the chain or the provider is away, or is another.
    """
    chain, trust = _find_chain(session), _load_trust(trust_file)
    if chain is None:
        if trust is None:
            raise untrusted()
        url, _ = _find_place(session, target, trust)
        return WatchedLog(LogClient(url), trust, is_on_chain=False)
    url, provider = _find_place(session, target, trust)
    read = build_trust(chain, provider)
    if trust is not None and trust.chain_id != read.chain_id:
        raise MismatchError(
            f"the trust root is of chain {trust.chain_id}, this home folder of {read.chain_id}"
        )
    known = read if trust is None else replace(trust, anchors=read.anchors)
    return WatchedLog(LogClient(url), known, is_on_chain=True)


def check_evidence(session: Session, path: Path, trust_file: Path | None) -> SplitView:
    """Return the split view that a file shows, by the keys of the trust file, else those that the accused published on chain.

    Raises:
        MalformedError, EvidenceRefusedError: it shows none.
        InputError: it can't be read, or it isn't said whom to trust.
    """
    data = read_file(path, what="evidence", max_bytes=MAX_EVIDENCE_BYTES)
    smaller, trust = parse_evidence(data).smaller, _load_trust(trust_file)
    if trust is None:
        chain = _find_chain(session)
        if chain is None:
            raise untrusted()
        trust = build_trust(chain, claimed_provider(smaller))
    return verify_split_view(data, trust.origin, [key.ed25519 for key in trust.keys])


def _find_chain(session: Session) -> ChainClient | None:
    return None if find_settings(session.home) is None else session.get_chain()


def _load_trust(path: Path | None) -> TrustRoot | None:
    if path is None:
        return None
    return parse_trust(read_file(path, what="trust root", max_bytes=MAX_TRUST_BYTES))


def _find_place(session: Session, target: str | None, trust: TrustRoot | None) -> tuple[str, str]:
    """Return where the log answers, and whose it is."""
    if target is None:
        return session.get_settings().provider_url, trust.provider if trust else session.get_provider()
    if not is_address(target):
        return target, trust.provider if trust else _ask_account(target)
    if trust is not None and trust.provider.lower() != target.lower():
        raise MismatchError(f"the trust root is of {trust.provider}, not of {target}")
    return get_endpoint(session, target), target


def _ask_account(url: str) -> str:
    with closing(LogClient(url)) as client:
        return client.get_account()
