"""Leave hooks that an interpreter reads when it starts, in every place that it looks at."""

import os
import site

from attacker import attempt, gained

HOOK = b"import os\n"
PLACES = [
    *site.getsitepackages(), site.getusersitepackages(), "/usr/lib/python3.11", "/usr/local/lib/python3.11", "/sealroom",
    "/etc", "/opt/venv", "/opt/venv/bin", "/data/transformations",
]  # fmt: skip

for place in PLACES:
    for name in (
        "sitecustomize.py",
        "usercustomize.py",
        "hook.pth",
        "pyvenv.cfg",
        "ld.so.preload",
        "json.py",
    ):
        with attempt(), open(os.path.join(place, name), "ab") as stream:
            stream.write(HOOK)
            if not place.startswith(("/tmp", "/scratch")):
                gained(f"{place}/{name}")
