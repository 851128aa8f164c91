"""atheris at every parser of receipts, guided by what the code does with each input; see `make fuzz-receipts`.

    python -m tests.fuzz.fuzz_receipts FOLDER -runs=20000 -seed=1

FOLDER keeps the inputs that led further, options are libFuzzer's. The first byte of an input chooses the parser, the rest is
what it reads. When anything but a ReceiptError comes out, this ends with an error and leaves the input in FOLDER.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["provider.receipts", "policies"]):
    from tests.fuzz.receipt_parsers import PARSERS, is_read

NAMES = tuple(PARSERS)


def feed(data: bytes) -> None:
    """Give one input to the parser that it chooses."""
    if data:
        is_read(NAMES[data[0] % len(NAMES)], data[1:])


def main() -> None:
    """Fuzz, from a good example of each format on."""
    folder, *options = sys.argv[1:]
    for number, name in enumerate(NAMES):
        (Path(folder) / f"example-{number}").write_bytes(bytes([number]) + PARSERS[name][1])
    atheris.Setup([sys.argv[0], f"-artifact_prefix={folder}/", *options, folder], feed)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
