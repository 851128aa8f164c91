"""A real HTTP server between a client and anvil that counts what is asked and misbehaves as a test tells it to."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import Request, urlopen

Call = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """What is sent instead of the node's answer; `length` lies about how much will come."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None


@dataclass(slots=True)
class RpcProxy:
    """`intercept` may answer in the node's place, `edit` may change what the node said."""

    upstream: str
    url: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    intercept: Callable[[Call], Reply | None] = lambda _call: None
    edit: Callable[[Call, Any], Any] = lambda _call, result: result

    def first(self, times: int, reply: Reply, *, method: str | None = None) -> None:
        """Answer the first calls (of a method) so, and let the others through."""
        left = [times]

        def answer(call: Call) -> Reply | None:
            if method not in (None, call["method"]) or left[0] == 0:
                return None
            left[0] -= 1
            return reply

        self.intercept = answer

    def answer(self, body: bytes) -> Reply:
        call = json.loads(body)
        self.counts[call["method"]] += 1
        reply = self.intercept(call)
        if reply is not None:
            return reply
        request = Request(self.upstream, data=body, headers={"Content-Type": "application/json"})  # noqa: S310 - anvil
        with urlopen(request, timeout=30) as response:  # noqa: S310 - anvil
            value = json.loads(response.read())
        if "result" in value:
            value["result"] = self.edit(call, value["result"])
        return Reply(json.dumps(value).encode())


def refusal(message: str, code: int = -32000) -> Callable[[Call], Reply]:
    """Return what a node says that refuses a call."""

    def refuse(call: Call) -> Reply:
        error = {"code": code, "message": message}
        return Reply(json.dumps({"jsonrpc": "2.0", "id": call["id"], "error": error}).encode())

    return refuse


def result(value: object) -> Callable[[Call], Reply]:
    """Return what a node says that answers a call with `value`."""
    return lambda call: Reply(json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": value}).encode())


@contextmanager
def serve_proxy(upstream: str) -> Iterator[RpcProxy]:
    """Serve a proxy for a node until the end of the block."""
    proxy = RpcProxy(upstream)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            reply = proxy.answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body) if reply.length is None else reply.length))
            self.end_headers()
            self.wfile.write(reply.body)
            self.close_connection = reply.length is not None

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        proxy.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()
