from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import httpx
import pytest

from cli.api import ApiClient
from cli.errors import ApiError, ExitCode, MismatchError, UnreachableError, exit_code
from datatokens.ethkeys import LocalAccount
from datatokens.model import Deployment
from provider.wire import JobsView, ProviderView
from tests.cli.conftest import Desk
from tests.provider_fixtures import new_account

DEPLOYMENT = Deployment(31337, "0x" + "11" * 20, "0x" + "22" * 20, "0x" + "33" * 20, "0x" + "44" * 20, None)
PROVIDER = "0x" + "44" * 20
VIEW = {
    "chain_id": 31337,
    "registry": DEPLOYMENT.registry,
    "escrow": DEPLOYMENT.escrow,
    "providers": DEPLOYMENT.providers,
    "provider": PROVIDER,
    "origin": "x",
    "runtimes": [],
    "software": "x",
}


def no_key() -> LocalAccount:
    raise AssertionError("nothing may be signed here")


@pytest.fixture
def client() -> Iterator[Callable[[Callable[[httpx.Request], httpx.Response]], ApiClient]]:
    made: list[ApiClient] = []

    def make(answer: Callable[[httpx.Request], httpx.Response]) -> ApiClient:
        transport = httpx.MockTransport(answer)
        api = ApiClient(
            "http://127.0.0.1:1", DEPLOYMENT, provider=PROVIDER, signer=no_key, transport=transport
        )
        made.append(api)
        return api

    yield make
    for api in made:
        api.close()


Maker = Callable[[Callable[[httpx.Request], httpx.Response]], ApiClient]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, ExitCode.USAGE),
        (403, ExitCode.DENIED),
        (404, ExitCode.USAGE),
        (409, ExitCode.DENIED),
        (503, ExitCode.UNREACHABLE),
    ],
)
def test_a_refusal_keeps_the_providers_code_words_and_remedy(
    client: Maker, status: int, code: ExitCode
) -> None:
    body = {"code": "so", "message": "it is so", "remedy": "do that"}
    with pytest.raises(ApiError) as caught:
        client(lambda _: httpx.Response(status, json=body)).get_bytes("/v1/x")
    error = caught.value
    assert (error.code, str(error), error.remedy, exit_code(error)) == ("so", "it is so", "do that", code)


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(502, text="<html>proxy</html>"),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={**VIEW, "chain_id": "31337"}),
        httpx.Response(200, text="[" * 100_000),
    ],
)
def test_what_is_not_a_provider_is_called_unreachable(client: Maker, response: httpx.Response) -> None:
    with pytest.raises(UnreachableError):
        client(lambda _: response).get_model("/v1/provider", ProviderView)


def test_a_provider_that_is_away_is_unreachable(client: Maker) -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(UnreachableError):
        client(away).get_bytes("/v1/health")


def test_an_answer_without_end_is_cut_off(client: Maker) -> None:
    with pytest.raises(UnreachableError):
        client(lambda _: httpx.Response(200, content=b"x" * 1001)).get_bytes("/", max_bytes=1000)


@pytest.mark.parametrize(
    "change", [{"provider": "0x" + "55" * 20}, {"chain_id": 1}, {"escrow": "0x" + "55" * 20}]
)
def test_hole_6_nothing_is_signed_for_another_provider_chain_or_escrow(
    client: Maker, change: dict[str, object]
) -> None:
    api = client(lambda _: httpx.Response(200, text=json.dumps({**VIEW, **change})))
    with pytest.raises(MismatchError):
        api.get_provider()


def test_a_read_logs_in_at_the_real_provider_and_again_when_the_token_has_run_out(desk: Desk) -> None:
    session = desk.session("ada", new_account())
    api = session.get_api()
    assert api.get_model("/v1/jobs", JobsView, login=True).jobs == []
    desk.lab.clock[0] += desk.lab.settings.token_lifetime_s + 1
    assert api.get_model("/v1/jobs", JobsView, login=True).jobs == []
