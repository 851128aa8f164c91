"""People at their own home folders, talking to the real provider of `lab` without a network in between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from cli.api import ApiClient
from cli.context import Session
from cli.output import Output
from cli.settings import ClientSettings, save_settings
from datatokens.accounts import import_keystore
from datatokens.client import ChainClient
from datatokens.ethkeys import LocalAccount
from tests.provider_fixtures import Lab

PASSWORD = "correct horse"


@dataclass(slots=True)
class Desk:
    """One provider, one chain, and as many command sessions as a test wants."""

    lab: Lab
    rpc_url: str
    root: Path

    def home_of(self, name: str, account: LocalAccount) -> Path:
        """Return a home folder with one key, connected to the provider."""
        home = self.root / name
        if not home.exists():
            import_keystore(home / "keys", name, PASSWORD, bytes(account.key), kdf_iterations=2)
            self.lab.chain.deployment.save(home / "chain" / "deployment.json")
        return home

    def session(
        self,
        name: str,
        account: LocalAccount,
        *,
        url: str | None = None,
        transport: httpx.BaseTransport | None = None,
        chain: ChainClient | None = None,
    ) -> Session:
        """Return a fresh session, as a new command would have; discovery asks the provider at `url`."""
        session = Session(
            environ={"SEALROOM_PASSWORD": PASSWORD},
            output=Output(),
            interactive=False,
            home_path=self.home_of(name, account),
        )
        settings = ClientSettings(
            rpc_url=self.rpc_url,
            provider_url=url or f"http://127.0.0.1:{self.lab.settings.port}",
            provider=self.lab.services.identity.address,
        )
        save_settings(session.home, settings)
        session._parts["chain"] = chain or self.lab.chain
        session._parts["api"] = ApiClient(
            settings.provider_url,
            self.lab.chain.deployment,
            provider=settings.provider,
            signer=session.get_account,
            transport=transport or self.transport(),
        )
        return session

    def transport(self) -> httpx.BaseTransport:
        """Return the provider's real application as a transport."""
        return httpx.WSGITransport(app=self.lab.client.application)


class DyingTransport(httpx.BaseTransport):
    """Stops the client dead just before a request that carries `word` is sent."""

    def __init__(self, inner: httpx.BaseTransport, word: bytes) -> None:
        self._inner = inner
        self._word = word

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self._word in request.read():
            raise KeyboardInterrupt
        return self._inner.handle_request(request)


class DeadProvider(httpx.BaseTransport):
    """Answers nothing."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused", request=request)


@pytest.fixture
def desk(lab: Lab, anvil: object, tmp_path: Path) -> Desk:
    rpc_url = str(getattr(anvil, "rpc_url", ""))
    return Desk(lab, rpc_url, tmp_path / "homes")


@pytest.fixture
def bare_session(tmp_path: Path) -> Callable[..., Session]:
    """Return a maker of sessions at an empty home."""

    def make(**environ: str) -> Session:
        return Session(environ=environ, output=Output(), interactive=False, home_path=tmp_path / "home")

    return make
