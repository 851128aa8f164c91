"""Carries JSON-RPC over HTTP to nodes that are rate limited, slow or broken for a while.

A request is repeated with growing pauses until it is answered or its patience has run out, and then the chain is
unreachable. Repeating is safe: reads change nothing, and a node knows a signed transaction by its hash. Not decided here:
what an answer means.
"""

from __future__ import annotations

import json
import random
import re
import threading
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast

import requests
from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from datatokens.errors import ChainUnreachableError
from datatokens.patience import Patience

FIRST_PAUSE_S = 0.1
MAX_PAUSE_S = 5.0
MAX_ATTEMPTS = 6
MAX_REFUSED_ATTEMPTS = 3
"""Nobody listens: that seldom mends itself within seconds, and whoever waits wants to know."""
MAX_ANSWER_BYTES = 64 * 2**20
CHUNK_BYTES = 2**16
TOO_MANY_REQUESTS = 429
SERVER_ERROR = 500
REVERTED = 3
"""The words of this error are a contract's, and so anybody's."""
# The words of nodes that want to be asked less often, or whose other half has not yet seen the block in question.
_LATER = re.compile(
    r"rate.?limit|too many requests|requests per|throttl|header not found|unknown block", re.IGNORECASE
)
_jitter = random.SystemRandom()


class _TransientError(Exception):
    """One attempt failed in a way that the next may not; `after_s` is what the node asked us to wait."""

    def __init__(self, problem: str, *, attempts: int = MAX_ATTEMPTS, after_s: float | None = None) -> None:
        super().__init__(problem)
        self.attempts = attempts
        self.after_s = after_s


class PatientProvider(JSONBaseProvider):
    """A web3 provider over HTTP that repeats what failed; keeps one connection for each thread."""

    def __init__(self, rpc_url: str, patience: Patience) -> None:
        super().__init__()
        # A stranger's contract may answer a read by naming a server to ask (ERC-3668); nobody but the node is asked.
        self.global_ccip_read_enabled = False
        self._url = rpc_url
        self._patience = patience
        self._local = threading.local()

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:  # noqa: ANN401 - by the method
        """Return the node's answer, a result or an error of its own.

        Raises:
            ChainUnreachableError: no answer, or none that is JSON-RPC, however often it was asked.
        """
        body = self.encode_rpc_request(method, params)
        started, attempt = time.monotonic(), 1
        while True:
            try:
                return self._post(body)
            except _TransientError as exc:
                pause = _pause(attempt, exc.after_s)
                late = time.monotonic() + pause > started + self._patience.repeat_s
                if late or attempt >= exc.attempts:
                    raise ChainUnreachableError(
                        f"chain: {exc} (asked {attempt} times); check the rpc address and that the node runs"
                    ) from exc
            time.sleep(pause)
            attempt += 1

    def _post(self, body: bytes) -> RPCResponse:
        deadline = time.monotonic() + self._patience.request_s
        try:
            with self._session().post(
                self._url,
                data=body,
                headers={"Content-Type": "application/json"},
                timeout=self._patience.request_s,
                stream=True,
            ) as response:
                text = _read(response, deadline)
                return _judge(response, text, json.loads(body)["id"])
        except requests.Timeout as exc:
            raise _TransientError("the node doesn't answer in time") from exc
        except requests.ConnectionError as exc:
            raise _TransientError("the node can't be reached", attempts=MAX_REFUSED_ATTEMPTS) from exc
        except requests.exceptions.ChunkedEncodingError as exc:
            raise _TransientError("the node's answer was cut short") from exc
        except (requests.RequestException, ValueError) as exc:
            raise ChainUnreachableError("chain: the node can't be asked; check the rpc address") from exc

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
        return session


def _read(response: requests.Response, deadline: float) -> bytes:
    text = bytearray()
    for chunk in response.iter_content(CHUNK_BYTES):
        text += chunk
        if len(text) > MAX_ANSWER_BYTES:
            raise ChainUnreachableError("chain: the node's answer has no end; ask another node")
        if time.monotonic() > deadline:
            raise _TransientError("the node doesn't answer in time")
    return bytes(text)


def _judge(response: requests.Response, text: bytes, wanted_id: int) -> RPCResponse:
    """Return a JSON-RPC answer; tell what may go better later from what will not."""
    if response.status_code == TOO_MANY_REQUESTS:
        after_s = _retry_after(response.headers.get("Retry-After"))
        raise _TransientError("the node answers fewer requests than we make (429)", after_s=after_s)
    answer = _parse(text)
    if answer is not None and "error" in answer:
        if _is_for_later(answer["error"]):
            raise _TransientError("the node asks to be asked later")
        return answer
    if response.status_code >= SERVER_ERROR:
        raise _TransientError(f"the node answers with status {response.status_code}")
    if not response.ok:
        raise ChainUnreachableError(
            f"chain: the node answers with status {response.status_code}; check the rpc address and its key"
        )
    if answer is None or "result" not in answer or answer.get("id") != wanted_id:
        raise _TransientError("the node's answer isn't JSON-RPC, or not to what was asked")
    return answer


def _parse(text: bytes) -> RPCResponse | None:
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("RPCResponse", answer) if isinstance(answer, dict) else None


def _is_for_later(error: object) -> bool:
    if not isinstance(error, dict) or error.get("code") == REVERTED:
        return False
    return error.get("code") == TOO_MANY_REQUESTS or bool(_LATER.search(str(error.get("message"))[:500]))


def _pause(attempt: int, after_s: float | None) -> float:
    if after_s is not None:
        return after_s + _jitter.uniform(0, FIRST_PAUSE_S)
    pause: float = min(FIRST_PAUSE_S * 2 ** (attempt - 1), MAX_PAUSE_S)
    return pause * _jitter.uniform(0.5, 1.0)


def _retry_after(header: str | None) -> float | None:
    """Read a Retry-After header, in seconds or as a date (RFC 9110, 10.2.3)."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header[:9])
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds())
