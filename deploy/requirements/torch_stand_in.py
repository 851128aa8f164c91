"""Writes a wheel that is called torch and needs what torch's CPU build needs, for the locker to resolve with.

torch can't be locked by hash: its CPU build is another file on each platform, and the one on the package index brings gigabytes of
drivers for graphics processors, which would be locked with it. `deploy/setup/python.sh` installs the real one.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

VERSION = "2.13.0+stand.in"
NEEDS = (
    "filelock",
    "fsspec>=0.8.5",
    "jinja2",
    "networkx>=2.5.1",
    "sympy>=1.13.3",
    "typing-extensions>=4.10.0",
)


def main() -> None:
    """Write the wheel into the folder that the command line names, and a constraint that chooses it."""
    folder = Path(sys.argv[1])
    info = f"torch-{VERSION}.dist-info"
    needs = "".join(f"Requires-Dist: {name}\n" for name in NEEDS)
    files = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: torch\nVersion: {VERSION}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: lock\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(folder / f"torch-{VERSION}-py3-none-any.whl", "w") as wheel:
        for name, content in {**files, f"{info}/RECORD": record}.items():
            wheel.writestr(name, content)
    (folder / "torch.txt").write_text(f"torch=={VERSION}\n", encoding="ascii")


if __name__ == "__main__":
    main()
