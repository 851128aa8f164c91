"""WSGI applications on loopback for as long as a test wants: a real provider, or what only claims to be one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

Application = Callable[..., Any]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that hang up: some are here to do that."""


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        return

    def get_stderr(self) -> Any:
        return _Nowhere()


class _Nowhere:
    def write(self, _text: str) -> None:
        return

    def flush(self) -> None:
        return


@contextmanager
def serve_app(application: Application) -> Iterator[str]:
    """Serve an application until the end of the block, and say where."""
    with make_server(
        "127.0.0.1", 0, application, server_class=_Server, handler_class=_QuietHandler
    ) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
