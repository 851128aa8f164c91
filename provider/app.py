"""The web application: turns HTTP into calls of the endpoint table, and errors into their one status and shape."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from flask import Flask, Response, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from datatokens.errors import ChainUnreachableError, WrongChainError
from policies.errors import PolicyError
from provider.auth import Guard
from provider.errors import BadRequestError, ProviderError, UnavailableError, http_status
from provider.receipts.errors import MalformedError
from provider.release import ResultKeyError
from provider.routes.endpoint import JSON, NEVER, Call, Endpoint
from provider.routes.endpoints import ENDPOINTS
from provider.services import Services
from provider.wire import ErrorBody, WireModel
from sandbox.errors import BundleInvalidError

MAX_REQUEST_BYTES = 16 * 1024 * 1024
log = logging.getLogger(__name__)


def create_app(services: Services, endpoints: Sequence[Endpoint] = ENDPOINTS) -> Flask:
    """Return the application over `services`; the endpoint table is all there is."""
    app = Flask("sealroom", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_REQUEST_BYTES
    for endpoint in endpoints:
        rule = endpoint.path.replace("{path}", "<path:path>").replace("{", "<").replace("}", ">")
        view = _view(endpoint, services)
        app.add_url_rule(rule, f"{endpoint.method} {endpoint.path}", view, methods=[endpoint.method])
    app.register_error_handler(Exception, _answer_error)
    return app


def _view(endpoint: Endpoint, services: Services) -> Callable[..., Response]:
    def view(**path: str) -> Response:
        now = services.clock()
        authorization = request.headers.get("Authorization")
        guard = Guard(lambda: services.login.find_caller(authorization, now=now))
        body = _parse_body(endpoint) if endpoint.body else None
        answer = endpoint.handler(Call(services, guard, path, body, now))
        if not guard.asked:
            raise ProviderError(
                f"{endpoint.path} answered without asking whether it may", code="guard-not-asked"
            )
        return _answer(answer, endpoint)

    return view


def _parse_body(endpoint: Endpoint) -> WireModel | None:
    try:
        return endpoint.body.model_validate_json(request.get_data()) if endpoint.body else None
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "body"
        raise BadRequestError(f"{place}: {first['msg']}") from exc


def _answer(answer: WireModel | bytes | str, endpoint: Endpoint) -> Response:
    data = answer.model_dump_json() if isinstance(answer, WireModel) else answer
    response = Response(data, status=endpoint.status, content_type=endpoint.media)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = endpoint.cache
    return response


def _answer_error(error: Exception) -> Response:
    status, body = _describe_error(error)
    response = Response(body.model_dump_json(), status=status, content_type=JSON)
    response.headers["Cache-Control"] = NEVER
    return response


def _describe_error(error: Exception) -> tuple[int, ErrorBody]:
    if isinstance(error, ChainUnreachableError):
        error = UnavailableError(
            "the chain can't be reached", code="chain-unreachable", remedy="try again later"
        )
    if isinstance(error, WrongChainError):
        error = UnavailableError(
            "the provider's node is on another chain", code="wrong-chain", remedy="tell the operator"
        )
    if isinstance(error, PolicyError | BundleInvalidError | ResultKeyError | MalformedError):
        error = BadRequestError(str(error), code=error.code)
    if isinstance(error, ProviderError) and http_status(error) < 500:  # noqa: PLR2004 - their fault
        return http_status(error), ErrorBody(code=error.code, message=str(error), remedy=error.remedy)
    if isinstance(error, UnavailableError):
        return http_status(error), ErrorBody(code=error.code, message=str(error), remedy=error.remedy)
    if isinstance(error, HTTPException):
        name = (error.name or "http-error").lower().replace(" ", "-")
        return error.code or 500, ErrorBody(code=name, message=error.description or name)
    log.error("unexpected error", exc_info=error)
    return 500, ErrorBody(code="internal", message="something went wrong in the provider; its log says what")
