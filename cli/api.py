"""The provider's HTTP interface as a client sees it: signs what changes state, logs in for reads, puts refusals in types.

Nothing is signed blindly: every signature names the chain, the escrow and the provider's account as this home folder
knows them, and a login message is checked line by line before it is signed. No answer is believed about money or
digests; callers compare those with the chain.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
from eth_account.messages import encode_defunct
from pydantic import BaseModel

from cli.errors import ApiError, MismatchError
from cli.login import check_login_message
from cli.transport import MAX_ANSWER_BYTES, HttpClient, ModelT, read_model
from provider.credentials import Credential
from provider.rounding import round_time
from provider.wire import (
    ActionName,
    Domain,
    JobRequest,
    JobSubmission,
    JobView,
    LoginChallenge,
    LoginToken,
    ProviderView,
    SignedAction,
    WireModel,
    action_message,
)

if TYPE_CHECKING:
    from eth_account.messages import SignableMessage
    from eth_account.signers.local import LocalAccount

    from datatokens.model import Deployment

ACTION_LIFETIME_S = 300
MAX_RELEASE_BYTES = 4 * 1024**3
LOGIN_REQUIRED = "login-required"


class ApiClient:
    """One provider's interface, used as one account."""

    def __init__(
        self,
        url: str,
        deployment: Deployment,
        *,
        provider: str | None,
        signer: Callable[[], LocalAccount],
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.domain = Domain(deployment.chain_id, deployment.escrow)
        self._pinned = provider
        self._provider: str | None = None
        self._signer = signer
        self._token: str | None = None
        self._http = HttpClient(self.url, transport=transport)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def get_provider(self) -> str:
        """Return the provider's account, checked once to be the pinned one, on our chain and escrow.

        Raises:
            MismatchError: the service answers for another account, chain or escrow.
        """
        if self._provider is None:
            view = self.get_model("/v1/provider", ProviderView)
            _check_same("chain id", str(self.domain.chain_id), str(view.chain_id))
            _check_same("escrow", self.domain.escrow, view.escrow)
            if self._pinned is not None:
                _check_same("provider account", self._pinned, view.provider)
            self._provider = view.provider
        return self._provider

    def get_model(self, path: str, model: type[ModelT], *, login: bool = False) -> ModelT:
        """GET a JSON document and read it as `model`."""
        return read_model(self.get_bytes(path, login=login), model)

    def get_bytes(self, path: str, *, login: bool = False, max_bytes: int = MAX_ANSWER_BYTES) -> bytes:
        """GET bytes; with `login` as the signer, logging in first when needed."""
        try:
            return self._http.send("GET", path, headers=self._headers(login=login), max_bytes=max_bytes)
        except ApiError as exc:
            if not (login and exc.code == LOGIN_REQUIRED):
                raise
        self._token = None
        return self._http.send("GET", path, headers=self._headers(login=True), max_bytes=max_bytes)

    def act(self, action: ActionName, body: WireModel, answer: type[ModelT], *, enclosed: str = "") -> ModelT:
        """Sign and POST one action (EIP-712 over body, provider, chain, nonce and expiry).

        What is `enclosed` is not signed: the body has its digest. The expiry is rounded, because it may stand in a receipt.
        """
        account, content = self._signer(), body.model_dump(mode="json")
        provider, nonce = self.get_provider(), secrets.token_hex(32)
        expiry = round_time(int(time.time()) + ACTION_LIFETIME_S)
        message = action_message(
            action, content, provider=provider, nonce=nonce, expiry=expiry, domain=self.domain
        )
        signed = SignedAction(
            action=action,
            body=content,
            provider=provider,
            nonce=nonce,
            expiry=expiry,
            chain_id=self.domain.chain_id,
            signer=account.address,
            signature=_sign(account, message),
            enclosed=enclosed,
        )
        return self.post("/v1/actions", signed, answer)

    def sign_request(
        self, request: JobRequest, parameters: dict[str, Any], credentials: tuple[Credential, ...] = ()
    ) -> JobSubmission:
        """Sign a job request, which goes with what issuers signed about the consumer; nothing is sent."""
        account = self._signer()
        return JobSubmission(
            request=request,
            chain_id=self.domain.chain_id,
            signer=account.address,
            signature=_sign(account, request.signable(self.domain)),
            parameters=parameters,
            credentials=credentials,
        )

    def submit_job(self, submission: JobSubmission) -> JobView:
        """POST a signed job; the same request twice is the same job."""
        return self.post("/v1/jobs", submission, JobView)

    def post(self, path: str, body: BaseModel, answer: type[ModelT]) -> ModelT:
        """POST a document and read the answer as `answer`."""
        content = body.model_dump_json().encode()
        headers = {"Content-Type": "application/json"}
        return read_model(self._http.send("POST", path, headers=headers, content=content), answer)

    def _headers(self, *, login: bool) -> dict[str, str]:
        if not login:
            return {}
        if self._token is None:
            self._token = self._login()
        return {"Authorization": f"Bearer {self._token}"}

    def _login(self) -> str:
        """Sign in with Ethereum (EIP-4361); the message is checked before it is signed."""
        account = self._signer()
        challenge = self._post_json("/v1/login/challenge", {"address": account.address}, LoginChallenge)
        check_login_message(
            challenge.message, url=self.url, address=account.address, chain_id=self.domain.chain_id
        )
        signature = _sign(account, encode_defunct(text=challenge.message))
        body = {"message": challenge.message, "signature": signature}
        return self._post_json("/v1/login", body, LoginToken).token

    def _post_json(self, path: str, body: dict[str, str], answer: type[ModelT]) -> ModelT:
        content, headers = json.dumps(body).encode(), {"Content-Type": "application/json"}
        return read_model(self._http.send("POST", path, headers=headers, content=content), answer)


def _check_same(what: str, expected: str, got: str) -> None:
    if expected.lower() != got.lower():
        raise MismatchError(
            f"{what}: this home folder expects {expected}, the provider says {got}",
            remedy="check the provider's address and the deployment file with whoever published them",
        )


def _sign(account: LocalAccount, message: SignableMessage) -> str:
    return "0x" + bytes(account.sign_message(message).signature).hex()
