"""Finds a log and copies it: where it answers, and by which keys it is judged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import InputError, MismatchError
from cli.home import read_file
from cli.ids import is_address
from cli.mirroring import Copied, LogKeys, Tell, copy_log
from cli.remotelog import PREFIX, NoSuchFileError, RemoteLog
from cli.settings import find_settings
from provider.receipts.errors import MalformedError
from provider.receipts.log import log_origin
from provider.receipts.trust import MAX_TRUST_BYTES, parse_trust

if TYPE_CHECKING:
    from cli.context import Session
    from datatokens.client import ChainClient


def copy_target(session: Session, target: str, folder: Path, trust: Path | None, *, tell: Tell) -> Copied:
    """Bring the copy in a folder to what a log shows now; see `open_source`, `find_log_keys` and `copy_log`."""
    with open_source(session, target) as source:
        note = source.checkpoint()
        return copy_log(source, note, folder, find_log_keys(session, target, note, trust), tell=tell)


def open_source(session: Session, target: str, chain: ChainClient | None = None) -> RemoteLog:
    """Return the log of a provider's account, of an address where a provider answers, or of one where a log is served.

    Where an account answers is asked of `chain`, else of the home's.

    Raises:
        InputError: the chain doesn't say where that provider answers, or it isn't an address.
        UnreachableError: there is no log.
    """
    if is_address(target):
        return RemoteLog(get_endpoint(session, target, chain) + PREFIX)
    log = RemoteLog(target)
    try:
        log.checkpoint()
    except NoSuchFileError:
        log.close()
        return RemoteLog(log.url + PREFIX)
    return log


def find_log_keys(session: Session, target: str, note: str, trust: Path | None) -> LogKeys:
    """Return the keys to judge a log by: those of a trust root file, else those that its provider published on the chain.

    Without either account or file it is the log that says whose it is; that account's keys then judge it.

    Raises:
        MismatchError: the file is of another provider than the account given.
        MalformedError: the file is no trust root, or the note names no provider.
        InputError: there is neither a file nor a chain.
    """
    if trust is not None:
        root = parse_trust(read_file(trust, what="trust root", max_bytes=MAX_TRUST_BYTES))
        if is_address(target) and root.provider.lower() != target.lower():
            raise MismatchError(f"the trust root is of {root.provider}, not of {target}")
        return LogKeys(root.origin, tuple(key.ed25519 for key in root.keys))
    if find_settings(session.home) is None:
        raise untrusted()
    chain, provider = session.get_chain(), target if is_address(target) else claimed_provider(note)
    return LogKeys(
        log_origin(provider, chain.chain_id), tuple(key.ed25519 for key in chain.list_keys(provider))
    )


def get_endpoint(session: Session, provider: str, chain: ChainClient | None = None) -> str:
    """Return where a provider answers, as it published that on a chain, else on the home's.

    Raises:
        InputError: it published no plain address.
    """
    from cli.discovery import find_endpoint, find_published_endpoint

    if chain is not None:
        endpoint = find_published_endpoint(chain, provider, chain.next_time())
    else:
        endpoint = find_endpoint(session, provider, session.get_chain().next_time())
    if endpoint is None:
        raise InputError(
            f"the chain doesn't say where {provider} answers",
            code="url-unknown",
            remedy="give its URL",
        )
    return endpoint


def claimed_provider(note: str) -> str:
    """Return whose log it is that a checkpoint says it is of; the keys of that account then judge it.

    Raises:
        MalformedError: no provider's.
    """
    account = note.partition("\n")[0].rpartition("/")[2]
    if not is_address(account):
        raise MalformedError("checkpoint", "its origin names no provider")
    return account


def untrusted() -> InputError:
    """Return what is said where nothing tells by which keys a log is judged."""
    return InputError(
        "say whom to trust: whose keys, by which the log is judged",
        code="no-trust-root",
        remedy="--trust FILE, or connect this home folder with `sealroom provider connect`",
    )
