"""Ties a home folder to a chain and a provider that run elsewhere, after each was seen to be what it should be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cli.api import ApiClient
from cli.settings import ClientSettings, find_settings, save_settings
from datatokens.client import ChainClient
from datatokens.model import load_deployment
from policies.documents import validate_document
from provider.wire import ProviderView

if TYPE_CHECKING:
    from cli.context import Session


def connect_home(
    session: Session, *, url: str, rpc_url: str, provider: str, deployment_file: Path
) -> ProviderView:
    """Check chain, contracts and provider, and only then remember them; limits on fees stay as they are.

    Raises:
        DocumentError: an address is none, or the settings that are there can't be read.
        WrongChainError: the chain or a contract is another.
        MismatchError: the provider answers for another account, chain or escrow.
    """
    known = find_settings(session.home)
    limits = {} if known is None else known.model_dump(include={"max_tip_gwei", "max_fee_gwei"})
    value = {"rpc_url": rpc_url, "provider_url": url, "provider": provider, **limits}
    settings = validate_document(value, ClientSettings, document="options")
    deployment = load_deployment(deployment_file)
    ChainClient.connect(rpc_url, deployment).check()
    api = ApiClient(url, deployment, provider=provider, signer=session.get_account)
    try:
        api.get_provider()
        view = api.get_model("/v1/provider", ProviderView)
    finally:
        api.close()
    deployment.save(session.home.deployment_file)
    save_settings(session.home, settings)
    return view
