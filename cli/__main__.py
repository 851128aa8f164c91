"""Run `python -m cli` as the `sealroom` command."""

from __future__ import annotations

from cli.main import main

main()
