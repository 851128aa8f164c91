"""HTTP to a provider: bounded answers, the provider's refusals as errors, everything else that can happen as being away."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ValidationError

from cli.errors import ApiError, InputError, UnreachableError
from provider.wire import ErrorBody

ModelT = TypeVar("ModelT", bound=BaseModel)
TIMEOUT_S = 30.0
MAX_ANSWER_BYTES = 16 * 1024 * 1024


class HttpClient:
    """One provider's address."""

    def __init__(self, url: str, *, transport: httpx.BaseTransport | None = None) -> None:
        """Open nothing yet.

        Raises:
            InputError: nobody can be asked at such an address.
        """
        self._url = url
        try:
            self._http = httpx.Client(
                base_url=url, timeout=TIMEOUT_S, transport=transport, trust_env=not is_loopback(url)
            )
        except (httpx.InvalidURL, ValueError) as exc:
            raise InputError(f"{url[:80]!r} is no address of a provider", code="url-invalid") from exc

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> bytes:
        """Send a request and return the answer's body.

        Raises:
            ApiError: the provider refused.
            UnreachableError: it doesn't answer, or not as a provider does.
        """
        try:
            with self._http.stream(method, path, headers=headers, content=content) as response:
                data = _read_body(response, max_bytes)
        except httpx.HTTPError as exc:
            raise UnreachableError(
                f"the provider at {self._url} can't be reached: {type(exc).__name__}",
                remedy="see `sealroom status`, and start the provider with `sealroom up`",
            ) from exc
        if response.is_success:
            return data
        raise _refusal(response.status_code, data)


def is_loopback(url: str) -> bool:
    """Tell whether `url` is on this machine, where a proxy from the environment has no place."""
    return urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"}


def read_model(data: bytes, model: type[ModelT]) -> ModelT:
    """Read an answer as `model`.

    Raises:
        UnreachableError: it is another thing.
    """
    try:
        return model.model_validate(_read_json(data))
    except ValidationError as exc:
        raise UnreachableError(
            f"the answer is not a {model.__name__}: this is not a provider of this version"
        ) from exc


def _read_body(response: httpx.Response, max_bytes: int) -> bytes:
    data = bytearray()
    for chunk in response.iter_bytes():
        data += chunk
        if len(data) > max_bytes:
            raise UnreachableError(f"the provider's answer is larger than {max_bytes} bytes")
    return bytes(data)


def _refusal(status: int, data: bytes) -> ApiError | UnreachableError:
    try:
        body = ErrorBody.model_validate_json(data)
    except ValidationError:
        return UnreachableError(
            f"what answers with status {status} is not a provider",
            remedy="check the address with `sealroom provider connect`",
        )
    return ApiError(status, code=body.code, message=body.message, remedy=body.remedy)


def _read_json(data: bytes) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as exc:
        raise UnreachableError("the answer is not JSON: this is not a provider") from exc
