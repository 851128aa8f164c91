"""Brings a home folder to where a stack can run from it: keys, chain, contracts, settings. Each step does what is missing.

Never overwrites a key, a deployment or a setting that is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.context import OPERATOR
from cli.errors import InputError, StackError
from cli.home import DEFAULT_PORT, DEFAULT_RPC_PORT, Home
from cli.manifests import find_manifest
from cli.people import resolve_address
from cli.processes import Processes
from cli.settings import ClientSettings, find_settings, save_settings
from datatokens import localchain
from datatokens.accounts import create_keystore, list_accounts, load_account
from datatokens.client import ChainClient
from datatokens.deploy import deploy_contracts
from datatokens.errors import LocalChainError
from datatokens.model import Deployment, load_deployment
from provider.receipts.keys import (
    create_signing_keys,
    find_next_keys,
    load_signing_keys,
    promote_next_keys,
)
from provider.settings import Settings
from provider.settings import load_settings as load_provider_settings
from provider.settings import save_settings as save_provider_settings

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from datatokens.model import KeySet, TxResult
    from provider.receipts.keys import PublicKeys

CHAIN = "chain"
HOST = "127.0.0.1"
OPERATOR_COINS_WEI = 1000 * 10**18
LOW_COINS_WEI = 10 * 10**18


@dataclass(frozen=True, slots=True)
class StackOptions:
    """What the operator chose; None means what is there already, else the default."""

    port: int | None = None
    rpc_port: int | None = None
    rpc_url: str | None = None
    deployment: Path | None = None
    data_root: Path | None = None
    owners: tuple[str, ...] = ()


def ensure_operator(home: Home, password: str) -> LocalAccount:
    """Return the provider's account, made on the first start."""
    if OPERATOR not in list_accounts(home.keys):
        create_keystore(home.keys, OPERATOR, password)
    return load_account(home.keys, OPERATOR, password)


def ensure_chain(home: Home, options: StackOptions) -> str:
    """Return the chain's RPC address; starts the local chain when it is ours to start and doesn't run.

    A chain that is named is remembered only when the contracts are found on it.

    Raises:
        InputError: this chain's contracts have to be named.
        ChainUnreachableError, WrongChainError: the chain named doesn't answer, or the contracts are not on it.
        LocalChainError: no anvil, or its port is taken.
    """
    known = find_settings(home)
    if options.rpc_url is not None:
        contracts = _find_contracts(home, options.deployment, options.rpc_url)
        if contracts is None:
            raise _unknown_contracts()
        ChainClient.connect(options.rpc_url, contracts).check()
        _remember_chain(home, options.rpc_url, local=False)
        return options.rpc_url
    if known is not None and not known.local_chain:
        return known.rpc_url
    processes = Processes(home.run)
    if known is not None and processes.is_running(CHAIN):
        return known.rpc_url
    port = options.rpc_port or (_port_of(known.rpc_url) if known else choose_port(DEFAULT_RPC_PORT))
    home.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    _remember_chain(home, f"http://{HOST}:{port}", local=True)
    chain = localchain.start(
        home.chain_state, port, anvil=localchain.find_anvil(home.root), log_file=processes.log_file(CHAIN)
    )
    processes.remember(CHAIN, chain.pid, url=chain.rpc_url)
    return chain.rpc_url


def ensure_contracts(
    home: Home, rpc_url: str, operator: LocalAccount, *, deployment: Path | None
) -> Deployment:
    """Return the contracts of this home: those known, those of a file, or new ones on the local chain.

    Raises:
        InputError: another chain's contracts have to be named.
        WrongChainError: the contracts are not on this chain.
    """
    settings = find_settings(home)
    local = settings is not None and settings.local_chain
    if local:
        _fund_operator(rpc_url, operator.address)
    found = _find_contracts(home, deployment, rpc_url)
    if found is None and not local:
        raise _unknown_contracts()
    if found is None:
        found = deploy_contracts(rpc_url, operator, with_test_token=True)
    ChainClient.connect(rpc_url, found).check()
    if not home.deployment_file.exists():
        found.save(home.deployment_file)
    return found


def ensure_settings(home: Home, rpc_url: str, operator: str, options: StackOptions) -> Settings:
    """Write the provider's and the client's settings, keeping what is there, and return the provider's."""
    known = load_provider_settings(home.settings_file) if home.settings_file.exists() else None
    port = options.port or (known.port if known else choose_port(DEFAULT_PORT))
    data_root = options.data_root.absolute() if options.data_root else home.data
    if known is None:
        known = Settings(port=port, rpc_url=rpc_url, data_root=str(data_root))
    changes: dict[str, object] = {"port": port, "rpc_url": rpc_url}
    if options.data_root is not None:
        changes["data_root"] = str(data_root)
    owners = [*known.owners, *(resolve_address(home, who) for who in options.owners)]
    changes["owners"] = tuple(dict.fromkeys(owners))
    settings = known.model_copy(update=changes)
    Path(settings.data_root).mkdir(mode=0o700, parents=True, exist_ok=True)
    save_provider_settings(home.settings_file, settings)
    client = find_settings(home) or ClientSettings(rpc_url=rpc_url)
    url = f"http://{settings.host}:{settings.port}"
    save_settings(
        home, client.model_copy(update={"rpc_url": rpc_url, "provider_url": url, "provider": operator})
    )
    return settings


def ensure_keys_published(
    home: Home, chain: ChainClient, operator: LocalAccount, *, password: str, endpoint: str
) -> None:
    """Make the signing keys on the first start, and publish them on chain when they don't stand there.

    A rotation that was stopped after it had published the next keys is finished.

    Raises:
        StackError: the keys in use were revoked, so nothing that they sign would be trusted.
    """
    folder = home.signing_keys
    if folder.is_dir() and any(folder.iterdir()):
        keys = load_signing_keys(folder, password, chain.chain_id).public()
        following = find_next_keys(folder, password, chain.chain_id)
        if following is not None and is_current(chain, operator.address, following.public()):
            promote_next_keys(folder, keys)
            return
    else:
        keys = create_signing_keys(folder, password, chain_id=chain.chain_id).public()
    if any(item.revoked for item in _sets_of(chain, operator.address, keys)):
        raise StackError(
            "the signing keys in use were revoked: nobody would trust what they sign",
            remedy="run `sealroom provider keys rotate`, then `sealroom up`",
        )
    if not is_current(chain, operator.address, keys):
        publish(chain, operator, keys, endpoint=endpoint)


def publish(chain: ChainClient, operator: LocalAccount, keys: PublicKeys, *, endpoint: str) -> TxResult:
    """Publish key set and endpoint on chain, which ends the set before."""
    return chain.publish_keys(
        p256=keys.p256, signer=keys.signer, ed25519=keys.ed25519, endpoint=endpoint, sender=operator
    )


def is_current(chain: ChainClient, address: str, keys: PublicKeys) -> bool:
    """Tell whether these keys stand on chain as the ones in force."""
    return any(item.valid_until is None and not item.revoked for item in _sets_of(chain, address, keys))


def allow_owner(home: Home, who: str) -> list[str]:
    """Let an account (address or key name) offer datasets on this provider, and return who may."""
    check_provider_home(home)
    settings = load_provider_settings(home.settings_file)
    owners = list(dict.fromkeys([*settings.owners, resolve_address(home, who)]))
    save_provider_settings(home.settings_file, settings.model_copy(update={"owners": tuple(owners)}))
    return owners


def check_provider_home(home: Home) -> None:
    """Check that a provider was started from this home folder.

    Raises:
        StackError: none was.
    """
    if not home.settings_file.exists():
        raise StackError("there is no provider in this home folder", remedy="run `sealroom up`")


def choose_port(preferred: int) -> int:
    """Return the usual port, or a free one when somebody has it."""
    try:
        localchain.check_port_free(preferred)
    except LocalChainError:
        return localchain.find_free_port()
    return preferred


def _find_contracts(home: Home, deployment: Path | None, rpc_url: str) -> Deployment | None:
    """Return the contracts known here, else those of the file named, else those that were deployed from here."""
    if home.deployment_file.exists():
        return load_deployment(home.deployment_file)
    return load_deployment(deployment) if deployment is not None else find_manifest(home, rpc_url)


def _unknown_contracts() -> InputError:
    return InputError(
        "this chain's contracts are not known here",
        remedy="--deployment FILE, or `sealroom chain deploy` first",
    )


def _remember_chain(home: Home, rpc_url: str, *, local: bool) -> None:
    client = find_settings(home) or ClientSettings(rpc_url=rpc_url)
    save_settings(home, client.model_copy(update={"rpc_url": rpc_url, "local_chain": local}))


def _port_of(url: str) -> int:
    return int(url.rsplit(":", 1)[1].split("/", maxsplit=1)[0])


def _fund_operator(rpc_url: str, address: str) -> None:
    balance = int(localchain.request(rpc_url, "eth_getBalance", address, "latest"), 16)
    if balance < LOW_COINS_WEI:
        localchain.fund(rpc_url, address, OPERATOR_COINS_WEI)


def _sets_of(chain: ChainClient, address: str, keys: PublicKeys) -> list[KeySet]:
    """Return every set in which a provider published these keys."""
    wanted = (keys.p256, keys.signer.lower(), keys.ed25519)
    sets = chain.list_keys(address)
    return [item for item in sets if (item.p256, item.signer.lower(), item.ed25519) == wanted]
