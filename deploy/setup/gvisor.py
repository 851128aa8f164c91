"""How gVisor is registered with the engine: what is needed, whether an engine has it, and what its configuration becomes.

Usage, by engine.sh:

    gvisor.py check          < the engine's runtimes; exits 1 when gVisor is not among them as it is needed
    gvisor.py add RUNSC      < the engine's configuration, or nothing; prints it with gVisor
    gvisor.py show RUNSC     prints the entry

Runs before anything is installed, so it needs Python alone.
"""

from __future__ import annotations

import json
import sys
from typing import Any

NAME = "runsc"
ARGUMENTS = {
    "--network=none": "a sealed container has no network, and Debian's runsc can't set up another one here",
    "--oci-seccomp": "our filter holds inside as well: without it gVisor lets the guest call all that it implements",
}


def is_registered(runtimes: dict[str, Any]) -> bool:
    """Tell whether an engine with these runtimes has gVisor with every argument that is needed."""
    return NAME in runtimes and set(ARGUMENTS) <= set(runtimes[NAME].get("runtimeArgs") or ())


def entry(path: str, known: list[str]) -> dict[str, Any]:
    """Return the registration: the arguments that stand there already, and those that are needed."""
    return {"path": path, "runtimeArgs": [*known, *(item for item in ARGUMENTS if item not in known)]}


def register(config: dict[str, Any], path: str) -> dict[str, Any]:
    """Return the engine's configuration with gVisor in it; all else in it stays."""
    runtimes = config.get("runtimes", {})
    known = runtimes.get(NAME, {})
    added = entry(known.get("path", path), known.get("runtimeArgs", []))
    return {**config, "runtimes": {**runtimes, NAME: added}}


def add(text: str, path: str) -> str:
    """Return the text of the configuration with gVisor in it; the same text when nothing is missing."""
    config = json.loads(text or "{}")
    wanted = register(config, path)
    return text if wanted == config else json.dumps(wanted, indent=2) + "\n"


def main(arguments: list[str]) -> int:
    """Do what the first argument says."""
    match arguments:
        case ["check"]:
            return 0 if is_registered(json.load(sys.stdin)) else 1
        case ["add", path]:
            sys.stdout.write(add(sys.stdin.read(), path))
        case ["show", path]:
            sys.stdout.write(json.dumps({NAME: entry(path, [])}) + "\n")
        case _:
            sys.stderr.write(f"{__doc__}\n")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
