"""The one place that imports `eth_account`, because importing it makes a process easy to crash.

`eth_account` imports `py_ecc`, which raises the interpreter's recursion limit to 100,000. From then on a JSON text of
a hundred thousand brackets overflows the C stack and kills the process, instead of raising RecursionError (seen with
CPython 3.11). Nothing of ours needs the pairings that want that depth, so the default limit is put back.
"""

from __future__ import annotations

import sys

from eth_account import Account
from eth_account.messages import SignableMessage, encode_defunct, encode_typed_data
from eth_account.signers.local import LocalAccount

DEFAULT_RECURSION_LIMIT = 1000  # CPython's own

sys.setrecursionlimit(DEFAULT_RECURSION_LIMIT)

__all__ = ["Account", "LocalAccount", "SignableMessage", "encode_defunct", "encode_typed_data"]
