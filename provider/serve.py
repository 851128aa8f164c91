"""Entry point of the API: `python -m provider.serve --home DIR`. Holds no private key."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import waitress

from provider.app import create_app
from provider.assembly import open_parts
from provider.held import HeldFiles
from provider.logfiles import LogFiles
from provider.services import build_services
from provider.settings import load_settings

THREADS = 8


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="sealroom-api", description="Serve the provider's HTTP interface.")
    parser.add_argument("--home", type=Path, required=True)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    parts = open_parts(arguments.home)
    services = build_services(
        parts.identity,
        parts.database,
        parts.blobs,
        parts.chain,
        log_files=LogFiles(parts.paths.log),
        held=HeldFiles(parts.paths.held),
        load_settings=lambda: load_settings(parts.paths.settings),
    )
    app = create_app(services)
    waitress.serve(app, host=parts.settings.host, port=parts.settings.port, threads=THREADS, ident=None)


if __name__ == "__main__":
    main()
