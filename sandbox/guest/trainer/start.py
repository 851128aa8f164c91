"""Starts the trainer: staged as the algorithm of every recipe, so that a waiting interpreter can become it."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    sys.path[0] = "/sealroom"  # the bundle's own folder holds nothing to import
    from sandbox.guest.trainer.main import main

    main()
