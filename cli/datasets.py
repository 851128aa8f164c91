"""Datasets between provider and chain: registers them once, and believes the provider only where the chain agrees.

Registering derives what is left to do from facts (the provider's record, the registry), so that a command killed at any
point is finished by running it again, and never registers the same data twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import InputError, MismatchError
from cli.home import Home
from cli.money import write_amount
from datatokens.model import DATASET_KIND, Asset, AssetTerms, Token
from policies.canonical import digest_of, digest_text, parse_digest
from policies.documents import validate_document
from provider.settings import load_settings
from provider.wire import DatasetPrepareBody, DatasetPrepared, DatasetPublishBody, DatasetView

if TYPE_CHECKING:
    from cli.context import Session
    from datatokens.client import ChainClient


@dataclass(frozen=True, slots=True)
class NewDataset:
    """What an owner asks to register; prices in units of the payment token, for one job; `cap_wei` 0 is no cap.

    `table_schema` is the text of a schema that was read; None publishes none.
    """

    path: str
    name: str
    description: str
    policy: str
    price_wei: int
    payment_token: Token
    provider_share_bps: int
    max_deadline_s: int
    table_schema: str | None = None
    community: str | None = None
    community_share_bps: int = 0
    cap_wei: int = 0


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


def register_dataset(session: Session, new: NewDataset) -> Registration:
    """Describe the data beside the data, register it in one transaction, and publish it.

    Raises:
        ApiError: the provider refuses the path, the data, the policy, the schema or this owner.
        DocumentError: the name, the description or the path is empty or too long.
        MismatchError: the provider names another account than the pinned one.
        InputError: a community without a share, or a share without a community.
    """
    _check_community(new)
    api, chain = session.get_api(), session.get_chain()
    value = {
        "path": new.path,
        "name": new.name,
        "description": new.description,
        "policy": new.policy,
        "table_schema": new.table_schema,
    }
    body = validate_document(value, DatasetPrepareBody, document="dataset")
    prepared = api.act("dataset.prepare", body, DatasetPrepared)
    terms = _terms(new, prepared, provider=api.get_provider())
    _say_what_is_signed(session, prepared, new)
    asset = _find_registered(chain, terms, owner=session.get_address())
    transaction, gas_used = None, None
    if asset is None:
        asset, result = chain.register(terms, sender=session.get_account())
        transaction, gas_used = result.tx_hash, result.gas_used
    elif asset.terms.price_wei != new.price_wei:
        token = chain.get_token(asset.terms.payment_token)
        session.output.say(
            f"registered before, at a price of {write_amount(asset.terms.price_wei, token)};"
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


def _check_community(new: NewDataset) -> None:
    if (new.community is None) != (new.community_share_bps == 0):
        raise InputError(
            "a community and its share go together",
            code="community-invalid",
            remedy="give both --community and --community-share-bps, or neither",
        )


def _terms(new: NewDataset, prepared: DatasetPrepared, *, provider: str) -> AssetTerms:
    if prepared.provider.lower() != provider.lower():
        raise MismatchError(
            f"provider account: expected {provider}, the provider prepared for {prepared.provider}"
        )
    return AssetTerms(
        kind=DATASET_KIND,
        commitment=parse_digest(prepared.commitment),
        metadata_digest=parse_digest(prepared.metadata_digest),
        policy_digest=_policy_digest(new, prepared),
        uri=prepared.uri,
        price_wei=new.price_wei,
        payment_token=new.payment_token.address,
        provider=provider,
        provider_share_bps=new.provider_share_bps,
        max_deadline_s=new.max_deadline_s,
        community=new.community,
        community_share_bps=new.community_share_bps,
        cap_wei=new.cap_wei,
    )


def _policy_digest(new: NewDataset, prepared: DatasetPrepared) -> bytes:
    """Return the digest of the owner's own file, which the provider must have kept byte for byte."""
    own = digest_of(new.policy.encode())
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


def _say_what_is_signed(session: Session, prepared: DatasetPrepared, new: NewDataset) -> None:
    session.output.say(
        f"registering {prepared.files} files, {prepared.size_bytes} bytes:\n"
        f"  commitment  {prepared.commitment}\n"
        f"  metadata    {prepared.metadata_digest}\n"
        f"  policy      {prepared.policy_digest}\n"
        f"  price       {write_amount(new.price_wei, new.payment_token)} per job,"
        f" in token {new.payment_token.address}\n"
        f"  provider    {prepared.provider}, share {new.provider_share_bps} of 10000"
    )
