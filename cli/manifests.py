"""Keeps the manifest of each chain that was deployed to from a home folder, one file for each chain id."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import InputError
from cli.home import Home
from datatokens.client import ChainClient
from datatokens.gateway import Gateway
from datatokens.model import Deployment, load_deployment

if TYPE_CHECKING:
    from cli.context import Session


def save_manifest(home: Home, deployment: Deployment) -> Path:
    """Keep a manifest, and return where."""
    path = home.manifest_file(deployment.chain_id)
    deployment.save(path)
    return path


def find_manifest(home: Home, rpc_url: str) -> Deployment | None:
    """Return the manifest kept for the chain that a node says it is on.

    Raises:
        ChainUnreachableError: no answer.
        DeploymentInvalidError: the file can't be read.
    """
    path = home.manifest_file(Gateway(rpc_url).chain_id())
    return load_deployment(path) if path.exists() else None


def load_manifest(home: Home, chain_id: int) -> Deployment:
    """Return the manifest kept for a chain id.

    Raises:
        InputError: there is none.
        DeploymentInvalidError: the file can't be read.
    """
    path = home.manifest_file(chain_id)
    if not path.exists():
        raise _no_manifest(f"chain {chain_id}")
    return load_deployment(path)


def check_manifest(session: Session, *, rpc_url: str | None, deployment: Path | None) -> Deployment:
    """Check a node by a manifest, and return the manifest.

    Raises:
        InputError: there is no manifest for that chain.
        ChainUnreachableError: no answer.
        WrongChainError: the chain id or a contract's code is another.
    """
    url = rpc_url or session.get_settings().rpc_url
    if deployment is not None:
        found = load_deployment(deployment)
    elif rpc_url is None:
        found = session.get_deployment()
    else:
        kept = find_manifest(session.home, url)
        if kept is None:
            raise _no_manifest("that node's chain")
        found = kept
    ChainClient.connect(url, found).check()
    return found


def _no_manifest(what: str) -> InputError:
    return InputError(
        f"no manifest of {what} is kept in this home folder",
        code="manifest-missing",
        remedy="run `sealroom chain deploy --rpc-url URL`, or give --deployment FILE",
    )
