"""What there is to find: the datasets on the chain, each with what its provider tells of it, checked against the chain.

The chain alone says which datasets exist, who owns them, what they cost and where their providers answer. A provider that
doesn't answer, and a document that isn't the one on chain, are part of the result and never left out of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cli.descriptions import Flaw, Kind, Source, Wanted, ask_providers, parse_endpoint
from cli.money import write_amount
from datatokens.errors import NodeRefusedError
from datatokens.model import DATASET_KIND, Asset, Token
from policies.errors import PolicyError
from policies.model import Policy, parse_policy
from provider.description import Description, parse_description
from provider.receipts.errors import MalformedError

if TYPE_CHECKING:
    from cli.context import Session
    from datatokens.client import ChainClient


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider and how it answered; `problem` is empty when it did, `endpoint` None when nobody knows where it is."""

    address: str
    endpoint: str | None
    problem: str = ""
    runtimes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Entry:
    """One dataset. What was asked for and isn't there has its flaw in `flaws`; `documents` are the bytes as checked."""

    asset: Asset
    token: Token
    provider: Provider
    description: Description | None = None
    policy: Policy | None = None
    flaws: dict[Kind, Flaw] = field(default_factory=dict)
    documents: dict[Kind, bytes] = field(default_factory=dict)

    @property
    def price(self) -> str:
        """The price of one job for people; in the token's smallest units when it doesn't say how it is counted."""
        return write_amount(self.asset.terms.price_wei, self.token)


@dataclass(frozen=True, slots=True)
class Discovery:
    """Datasets, oldest first, and the providers that keep them."""

    entries: tuple[Entry, ...]
    providers: tuple[Provider, ...]

    @property
    def unanswered(self) -> bool:
        """Whether there are providers and none of them answered."""
        return bool(self.providers) and all(provider.problem for provider in self.providers)


def list_datasets(chain: ChainClient, provider: str | None = None) -> list[Asset]:
    """Return every dataset on the chain, or those of one provider; retired ones too."""
    return [asset for asset in chain.list_assets(provider) if asset.terms.kind == DATASET_KIND]


def discover(
    session: Session, assets: Sequence[Asset], *, kinds: Collection[Kind] = tuple(Kind)
) -> Discovery:
    """Return datasets with those of their documents that are asked for, read from the providers that they name.

    Raises:
        ChainUnreachableError: the chain doesn't answer. A provider that doesn't is no error.
    """
    tokens = _read_tokens(session.get_chain(), assets)
    sources = _find_sources(session, assets, kinds)
    answers = dict(zip(sources, ask_providers(sources), strict=True))
    providers = {
        source.provider: Provider(source.provider, source.endpoint, found.problem, found.runtimes)
        for source, found in answers.items()
    }
    documents = {wanted: found for answer in answers.values() for wanted, found in answer.documents.items()}
    entries = [
        _describe(
            Entry(asset, tokens[asset.terms.payment_token], providers[asset.terms.provider]),
            {wanted.kind: documents.get(wanted, Flaw.UNREACHABLE) for wanted in _list_wanted(asset, kinds)},
        )
        for asset in assets
    ]
    return Discovery(tuple(entries), tuple(providers.values()))


def _read_tokens(chain: ChainClient, assets: Iterable[Asset]) -> dict[str, Token]:
    addresses = dict.fromkeys(asset.terms.payment_token for asset in assets)
    return {address: _read_token(chain, address) for address in addresses}


def _read_token(chain: ChainClient, address: str) -> Token:
    """Return how a token is counted; whoever made it may have written anything, also what no node runs to its end."""
    try:
        return chain.get_token(address)
    except NodeRefusedError:
        return Token(address, "", 0)


def _find_sources(session: Session, assets: Iterable[Asset], kinds: Collection[Kind]) -> list[Source]:
    """Return whom to ask for what: the pinned provider first, where the settings say that it is."""
    pinned, now = (session.get_settings().provider or "").lower(), session.get_chain().next_time()
    wanted: dict[str, list[Wanted]] = {}
    for asset in assets:
        wanted.setdefault(asset.terms.provider, []).extend(_list_wanted(asset, kinds))
    return [
        Source(
            address,
            find_endpoint(session, address, now),
            tuple(wanted[address]),
        )
        for address in sorted(wanted, key=lambda address: address.lower() != pinned)
    ]


def _list_wanted(asset: Asset, kinds: Collection[Kind]) -> list[Wanted]:
    digests = {Kind.METADATA: asset.terms.metadata_digest, Kind.POLICY: asset.terms.policy_digest}
    return [Wanted(asset.asset_id, kind, digests[kind]) for kind in kinds]


def find_endpoint(session: Session, provider: str, now: int) -> str | None:
    """Return the address in a provider's newest valid key set, if it is one that can be asked; the pinned one's stands here."""
    settings = session.get_settings()
    if provider.lower() == (settings.provider or "").lower():
        return settings.provider_url.rstrip("/")
    return find_published_endpoint(session.get_chain(), provider, now)


def find_published_endpoint(chain: ChainClient, provider: str, now: int) -> str | None:
    """Return the address in a provider's newest valid key set, if it is one that can be asked."""
    try:
        valid = [keys for keys in chain.list_keys(provider) if keys.is_valid(now)]
    except NodeRefusedError:  # more key sets than a node reads in one call
        return None
    return parse_endpoint(valid[-1].endpoint) if valid else None


def _describe(entry: Entry, found: Mapping[Kind, bytes | Flaw]) -> Entry:
    """Return an entry with what its documents say, and what is wrong with the others."""
    flaws = {kind: flaw for kind, flaw in found.items() if isinstance(flaw, Flaw)}
    documents = {kind: data for kind, data in found.items() if not isinstance(data, Flaw)}
    description, policy = None, None
    try:
        description = parse_description(documents[Kind.METADATA]) if Kind.METADATA in documents else None
    except MalformedError:
        flaws[Kind.METADATA] = Flaw.UNREADABLE
    try:
        policy = parse_policy(documents[Kind.POLICY]) if Kind.POLICY in documents else None
    except PolicyError:
        flaws[Kind.POLICY] = Flaw.UNREADABLE
    return replace(entry, description=description, policy=policy, flaws=flaws, documents=documents)
