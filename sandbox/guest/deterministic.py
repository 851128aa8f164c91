"""Asks PyTorch for deterministic algorithms, in the way that it offers to extensions: `import torch` calls this at its end.

PyTorch 2.5 or newer does (entry points of the group `torch.backends`). Where it has no deterministic algorithm it warns and
goes on. The algorithm may ask for something else afterwards. Raises nothing: that would end the import.
"""

from __future__ import annotations

import sys
from typing import Any


def ask() -> None:
    """Switch them on. Not by the public function where that can be helped: it imports the compiler, which takes seconds."""
    torch: Any = sys.modules["torch"]
    switch = getattr(torch._C, "_set_deterministic_algorithms", torch.use_deterministic_algorithms)  # noqa: SLF001 - see above
    switch(True, warn_only=True)  # noqa: FBT003 - the inner one takes it by place only
