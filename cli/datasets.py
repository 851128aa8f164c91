"""Datasets between provider and chain: registers them once, and believes the provider only where the chain agrees.

Registering derives what is left to do from facts (the provider's record, the registry), so that a command killed at any
point is finished by running it again, and never registers the same data twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.amounts import format_amount
from cli.errors import InputError, MismatchError
from cli.home import Home
from datatokens.model import DATASET_KIND, Asset, AssetTerms
from policies.canonical import digest_of, digest_text, parse_digest
from policies.documents import validate_document
from provider.settings import load_settings
from provider.wire import DatasetPrepareBody, DatasetPrepared, DatasetPublishBody, DatasetView

if TYPE_CHECKING:
    from cli.context import Session
    from datatokens.client import ChainClient


@dataclass(frozen=True, slots=True)
class Offer:
    """What an owner asks to register; prices in wei of the payment token, for one job."""

    path: str
    name: str
    description: str
    policy: str
    price_wei: int
    payment_token: str
    provider_share_bps: int
    max_deadline_s: int


@dataclass(frozen=True, slots=True)
class Registration:
    """A registered and published dataset; `transaction` is None when it was registered before."""

    view: DatasetView
    transaction: str | None
    gas_used: int | None


def locate_data(home: Home, path: Path) -> str:
    """Return how the provider is to be told of `path`: relative to its data root when that is known here."""
    if not home.settings_file.exists():
        return str(path)
    root = Path(load_settings(home.settings_file).data_root).resolve()
    absolute = path.expanduser().absolute()
    if absolute.is_relative_to(root):
        return str(absolute.relative_to(root))
    return str(path)


def register_dataset(session: Session, offer: Offer) -> Registration:
    """Describe the data beside the data, register it in one transaction, and publish it.

    Raises:
        ApiError: the provider refuses the path, the data, the policy or this owner.
        DocumentError: the name, the description or the path is empty or too long.
        MismatchError: the provider names another account than the pinned one.
    """
    api, chain = session.get_api(), session.get_chain()
    value = {
        "path": offer.path,
        "name": offer.name,
        "description": offer.description,
        "policy": offer.policy,
    }
    body = validate_document(value, DatasetPrepareBody, document="dataset")
    prepared = api.act("dataset.prepare", body, DatasetPrepared)
    terms = _terms(offer, prepared, provider=api.get_provider())
    _say_what_is_signed(session, prepared, offer)
    asset = _find_registered(chain, terms, owner=session.get_address())
    transaction, gas_used = None, None
    if asset is None:
        asset, result = chain.register(terms, sender=session.get_account())
        transaction, gas_used = result.tx_hash, result.gas_used
    elif asset.terms.price_wei != offer.price_wei:
        session.output.say(
            f"registered before, at a price of {format_amount(asset.terms.price_wei)};"
            " `sealroom dataset price` changes it"
        )
    view = api.act("dataset.publish", DatasetPublishBody(token_id=str(asset.token_id)), DatasetView)
    check_view(view, asset)
    return Registration(view, transaction, gas_used)


def get_asset(session: Session, asset_id: str) -> Asset:
    """Return what the registry says of an asset id.

    Raises:
        InputError: the registry has no such asset.
    """
    chain = session.get_chain()
    token_id = chain.find_token_id(asset_id)
    if token_id is None:
        raise InputError(
            f"the registry has no asset {asset_id}",
            code="dataset-unknown",
            remedy="see `sealroom dataset list`",
        )
    return chain.get_asset(token_id)


def check_view(view: DatasetView, asset: Asset) -> None:
    """Check that what the provider says of a dataset is what stands on chain.

    Raises:
        MismatchError: with the first field that differs.
    """
    terms = asset.terms
    pairs = {
        "asset_id": (asset.asset_id, view.asset_id),
        "token_id": (str(asset.token_id), view.token_id),
        "owner": (asset.owner.lower(), view.owner.lower()),
        "provider": (terms.provider.lower(), view.provider.lower()),
        "commitment": (digest_text(terms.commitment), view.commitment),
        "metadata_digest": (digest_text(terms.metadata_digest), view.metadata_digest),
        "policy_digest": (digest_text(terms.policy_digest), view.policy_digest),
        "payment_token": (terms.payment_token.lower(), view.payment_token.lower()),
        "price_wei": (str(terms.price_wei), view.price_wei),
        "retired": (str(asset.retired), str(view.retired)),
    }
    for name, (on_chain, said) in pairs.items():
        if on_chain != said:
            raise MismatchError(
                f"dataset {view.asset_id}, {name}: the chain says {on_chain}, the provider says {said}",
                remedy="don't order here before the provider explains it",
            )


def _terms(offer: Offer, prepared: DatasetPrepared, *, provider: str) -> AssetTerms:
    if prepared.provider.lower() != provider.lower():
        raise MismatchError(
            f"provider account: expected {provider}, the provider prepared for {prepared.provider}"
        )
    return AssetTerms(
        kind=DATASET_KIND,
        commitment=parse_digest(prepared.commitment),
        metadata_digest=parse_digest(prepared.metadata_digest),
        policy_digest=_policy_digest(offer, prepared),
        uri=prepared.uri,
        price_wei=offer.price_wei,
        payment_token=offer.payment_token,
        provider=provider,
        provider_share_bps=offer.provider_share_bps,
        max_deadline_s=offer.max_deadline_s,
    )


def _policy_digest(offer: Offer, prepared: DatasetPrepared) -> bytes:
    """Return the digest of the owner's own file, which the provider must have kept byte for byte."""
    own = digest_of(offer.policy.encode())
    if own != prepared.policy_digest:
        raise MismatchError(f"policy digest: the file has {own}, the provider keeps {prepared.policy_digest}")
    return parse_digest(own)


def _find_registered(chain: ChainClient, terms: AssetTerms, *, owner: str) -> Asset | None:
    """Return this owner's asset over the same data, description and policy, if it still stands."""
    wanted = (terms.commitment, terms.metadata_digest, terms.policy_digest, terms.provider.lower())
    for asset in chain.list_assets(terms.provider):
        found = asset.terms
        digests = (found.commitment, found.metadata_digest, found.policy_digest, found.provider.lower())
        if digests == wanted and not asset.retired and asset.owner.lower() == owner.lower():
            return asset
    return None


def _say_what_is_signed(session: Session, prepared: DatasetPrepared, offer: Offer) -> None:
    session.output.say(
        f"registering {prepared.files} files, {prepared.size_bytes} bytes:\n"
        f"  commitment  {prepared.commitment}\n"
        f"  metadata    {prepared.metadata_digest}\n"
        f"  policy      {prepared.policy_digest}\n"
        f"  price       {format_amount(offer.price_wei)} of token {offer.payment_token} per job\n"
        f"  provider    {prepared.provider}, share {offer.provider_share_bps} of 10000"
    )
