"""A Python interpreter that has loaded its libraries and waits for the one algorithm that it will become.

Started by the init, which hands over the orders when they come. Nothing is read from the job before that; afterwards
this process is the algorithm, as if `python PATH` had just been started. Standard library only, Python 3.9 or newer.
"""

from __future__ import annotations

import atexit
import builtins
import contextlib
import gc
import importlib
import io
import json
import os
import sys
import threading
import types
from typing import Any

ORDERS = 3
READY = 4
PIPE_BYTES = 64 * 1024


def load(names: list[str]) -> None:
    """Import what the image's algorithms usually import; what is not there is left out.

    What is loaded here lives as long as the process, so the collector need not look at it, now or ever.
    """
    gc.disable()
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    gc.freeze()
    gc.enable()


def wait_for_orders() -> dict[str, Any]:
    """Say that the libraries are loaded, then wait; end when the init lets go."""
    os.write(READY, b"+")
    os.close(READY)
    line = b""
    while not line.endswith(b"\n"):
        chunk = os.read(ORDERS, PIPE_BYTES)
        if not chunk:
            os._exit(0)
        line += chunk
    os.close(ORDERS)
    orders: dict[str, Any] = json.loads(line)
    return orders


def become(argv: list[str], env: dict[str, str]) -> None:
    """Run the program `argv[0]` in this process, with `argv[1:]`, as `python` would."""
    path = argv[0]
    os.environ.clear()
    os.environ.update(env)
    sys.argv = list(argv)
    sys.path[0] = os.path.dirname(path)
    main = types.ModuleType("__main__")
    main.__dict__.update(__file__=path, __builtins__=builtins, __cached__=None)
    sys.modules["__main__"] = main
    with open(path, "rb") as stream:
        code = compile(stream.read(), path, "exec", dont_inherit=True)
    try:
        exec(code, main.__dict__)  # noqa: S102 - this process exists to become that program
    finally:
        leave(sys.exc_info()[1])


def leave(error: BaseException | None) -> None:
    """End a program that came to its end well, without taking its libraries down one by one, which can take a second.

    Does what the interpreter does before that: waits for threads, runs exit handlers, writes what is still buffered.
    Any other end is left to the interpreter.
    """
    if error is not None and not (isinstance(error, SystemExit) and error.code in (None, 0)):
        return
    threading._shutdown()  # type: ignore[attr-defined] # noqa: SLF001 - it has no public name
    atexit._run_exitfuncs()  # noqa: SLF001 - it has no public name
    for found in gc.get_objects():
        if issubclass(type(found), io.IOBase):
            with contextlib.suppress(OSError, ValueError):  # as the interpreter does for what nobody closed
                found.flush()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)


def start() -> None:
    """Do what the module says, once."""
    load(sys.argv[1:])
    orders = wait_for_orders()
    become(orders["argv"], orders["env"])


if __name__ == "__main__":
    start()
