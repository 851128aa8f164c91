"""The session of one command: which home, which key, which chain and provider; each part is built when first asked for.

Nothing here is imported to show help but click: web3 and eth_account come with the first use of the chain or a key.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.errors import AccountUnknownError, InputError, MismatchError
from cli.home import DEFAULT_HOME, Home
from cli.output import Output
from cli.passwords import PasswordSource

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from cli.api import ApiClient
    from cli.settings import ClientSettings
    from datatokens.client import ChainClient
    from datatokens.intent import Intent
    from datatokens.model import Deployment

HOME_VARIABLE = "SEALROOM_HOME"
OPERATOR = "operator"


@dataclass(slots=True)
class Session:
    """What the options said, and what was built from it so far."""

    environ: Mapping[str, str]
    output: Output
    interactive: bool
    home_path: Path | None = None
    account_name: str | None = None
    password_file: Path | None = None
    yes: bool = False
    _parts: dict[str, Any] = field(default_factory=dict)
    _open: ExitStack = field(default_factory=ExitStack)

    def close(self) -> None:
        """Close the connections that were opened."""
        self._open.close()

    def on_close(self, close: Callable[[], None]) -> None:
        """Have something closed at the end of the command."""
        self._open.callback(close)

    @property
    def home(self) -> Home:
        """The home folder: --home, else SEALROOM_HOME, else ~/.sealroom."""
        chosen = self.home_path or Path(self.environ.get(HOME_VARIABLE) or DEFAULT_HOME)
        return Home(chosen.expanduser().absolute())

    @property
    def passwords(self) -> PasswordSource:
        """Where passwords come from."""
        return PasswordSource(self.environ, self.password_file, self.interactive)

    @property
    def asks(self) -> bool:
        """Tell whether a person is asked before something is signed on the chain."""
        return self.interactive and not self.yes

    def review(self, intent: Intent) -> None:
        """Show what is about to be signed on the chain, and ask where there is somebody to ask.

        Raises:
            DeclinedError: the answer is no.
        """
        from cli.reviewing import review

        review(self, intent)

    def get_account_name(self) -> str:
        """Return the name of the key to use: --as, else the only key besides the operator's.

        Raises:
            InputError: there is no such key, or several to choose from.
        """
        from datatokens.accounts import list_accounts

        names = list(list_accounts(self.home.keys))
        if self.account_name is not None:
            if self.account_name not in names:
                raise AccountUnknownError(
                    f"there is no key named {self.account_name!r} in this home folder",
                    remedy=f"run `sealroom account new NAME`; keys there: {', '.join(names) or 'none'}",
                )
            return self.account_name
        people = [name for name in names if name != OPERATOR]
        if len(people) == 1:
            return people[0]
        if not people:
            remedy = "run `sealroom account new NAME`"
            raise AccountUnknownError("there is no key in this home folder yet", remedy=remedy)
        raise InputError(
            f"there are {len(people)} keys: say which to use",
            code="account-ambiguous",
            remedy=f"--as {'|'.join(people)}",
        )

    def get_address(self) -> str:
        """Return the address of the chosen key; needs no password."""
        from datatokens.accounts import list_accounts

        return list_accounts(self.home.keys)[self.get_account_name()]

    def get_password(self) -> str:
        """Return the password of the chosen key, asked for once."""
        name = self.get_account_name()
        password: str = self._part("password", lambda: self.passwords.get_password(f"key {name}"))
        return password

    def get_account(self) -> LocalAccount:
        """Return the chosen key, opened with its password."""
        from datatokens.accounts import load_account

        name = self.get_account_name()
        account: LocalAccount = self._part(
            "account", lambda: load_account(self.home.keys, name, self.get_password())
        )
        return account

    def get_deployment(self) -> Deployment:
        """Return the contracts that this home believes in."""
        from datatokens.model import load_deployment

        deployment: Deployment = self._part("deployment", lambda: load_deployment(self.home.deployment_file))
        return deployment

    def get_settings(self) -> ClientSettings:
        """Return the client's settings."""
        from cli.settings import load_settings

        settings: ClientSettings = self._part("settings", lambda: load_settings(self.home))
        return settings

    def get_chain(self) -> ChainClient:
        """Return the chain, checked to be the deployment's: chain id and code of every contract."""

        def connect() -> ChainClient:
            from datatokens.client import ChainClient
            from datatokens.fees import limits_of
            from datatokens.history import FileLogBook

            settings = self.get_settings()
            chain = ChainClient.connect(
                settings.rpc_url,
                self.get_deployment(),
                fees=limits_of(settings.max_tip_gwei, settings.max_fee_gwei),
                book=FileLogBook(self.home.chain_history),
                review=self.review,
            )
            chain.check()
            return chain

        chain: ChainClient = self._part("chain", connect)
        return chain

    def get_api(self) -> ApiClient:
        """Return the provider's client, which signs with the chosen key when it has to."""

        def connect() -> ApiClient:
            from cli.api import ApiClient

            settings, deployment = self.get_settings(), self.get_deployment()
            api = ApiClient(
                settings.provider_url, deployment, provider=settings.provider, signer=self.get_account
            )
            self.on_close(api.close)
            return api

        api: ApiClient = self._part("api", connect)
        return api

    def get_provider(self) -> str:
        """Return the provider's account as pinned in the settings.

        Raises:
            MismatchError: none is pinned, so nothing can be signed for it.
        """
        provider = self.get_settings().provider
        if provider is None:
            raise MismatchError(
                "no provider account is pinned in this home folder",
                remedy="run `sealroom provider connect --provider ADDRESS`",
            )
        return provider

    def _part(self, name: str, build: Callable[[], Any]) -> Any:  # noqa: ANN401 - callers name the type
        if name not in self._parts:
            self._parts[name] = build()
        return self._parts[name]


pass_session = click.make_pass_decorator(Session)


def new_session(environ: Mapping[str, str]) -> Session:
    """Return the session of a fresh command."""
    return Session(environ=environ, output=Output(), interactive=sys.stdin.isatty())


def _set(attribute: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def store(context: click.Context, _: click.Parameter, value: Any) -> None:  # noqa: ANN401 - click's
        session = context.find_object(Session)
        if session is None or value is None or value is False:
            return
        if attribute == "json":
            session.output.json = True
        else:
            setattr(session, attribute, value)

    return store


def session_options() -> list[click.Option]:
    """Return the options that every command takes."""
    file = click.Path(path_type=Path)
    return [
        click.Option(
            ["--json", "as_json"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_set("json"),
            help="Print data as one JSON document on stdout; talk goes to stderr.",
        ),
        click.Option(
            ["--home"],
            type=file,
            expose_value=False,
            callback=_set("home_path"),
            help=f"Home folder (default: {HOME_VARIABLE}, else {DEFAULT_HOME}).",
        ),
        click.Option(
            ["--as", "as_name"],
            metavar="NAME",
            expose_value=False,
            callback=_set("account_name"),
            help="The key to act with.",
        ),
        click.Option(
            ["--password-file"],
            type=file,
            expose_value=False,
            callback=_set("password_file"),
            help="Read the password from this file (else SEALROOM_PASSWORD, else a prompt).",
        ),
        click.Option(
            ["--yes"],
            is_flag=True,
            expose_value=False,
            callback=_set("yes"),
            help="Sign on the chain without asking; what is signed is shown all the same.",
        ),
    ]


class SessionCommand(click.Command):
    """A command that takes the options of every command."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - click's
        super().__init__(*arguments, **options)
        self.params.extend(session_options())


class SessionGroup(click.Group):
    """A group of such commands."""

    command_class = SessionCommand
